"""What Python and the C library do about memory, while records are read and judged."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
_KEPT = 1 << 30


@contextmanager
def seldom() -> Iterator[None]:
    """The collector of cycles looks seldom. What is held of records, cases and kinds is in no cycles, and there is much of it:
    it would be walked again after every few hundred records, which takes a third of the time of judging them. What the
    libraries hold is left out."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def keep() -> None:
    """Memory that was freed stays with this process, for good. By itself glibc gives blocks of many kilobytes back and takes
    them anew: a file's text, some 15 MB, then costs a page fault for each of its pages, a fifth of the time of reading it.
    Where the C library is another one, nothing changes."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _KEPT)
        set_option(_TRIM_THRESHOLD, _KEPT)

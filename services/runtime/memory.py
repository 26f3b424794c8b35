"""Sets how Python and the C library handle memory."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""From mallopt(3)."""
_KEPT = 1 << 30


def look_seldom_for_cycles() -> None:
    """The garbage collector runs seldom from now on, and leaves out what is loaded: libraries, which stay. Calls and records have
    no cycles."""
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()


def look_seldom_beside_batches() -> None:
    """The same for a process whose batches have a million objects, all of them alive until the batch is written. Searching them
    for cycles took half of the time for each record."""
    gc.set_threshold(1_000_000, 50, 100)


@contextmanager
def seldom() -> Iterator[None]:
    """For a while. The records, cases and kinds in memory are many: walking them after every few hundred records took a third of
    the time of judging.

    Within another such while, or in a process that looks seldom for good, the end of this one changes nothing: Python only knows
    what is left out as a whole, and would walk all of it again.
    """
    before, first = gc.get_threshold(), gc.get_freeze_count() == 0
    look_seldom_for_cycles()
    try:
        yield
    finally:
        if first:
            gc.unfreeze()
        gc.set_threshold(*before)


def keep() -> None:
    """Keeps freed memory in this process. By default glibc returns large blocks to the system and asks for them again. A
    file's text, about 15 MB, then costs a page fault for each page: a fifth of the time of reading it. Does nothing with
    another C library."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _KEPT)
        set_option(_TRIM_THRESHOLD, _KEPT)

"""Python's collector of cycles, while records are read and judged."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seldom() -> Iterator[None]:
    """What is held of records, cases and kinds is in no cycles, and there is much of it: the collector would walk it again
    after every few hundred records, which takes a third of the time of judging them. What the libraries hold it leaves out."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

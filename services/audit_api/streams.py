"""Streams of events: how many one worker keeps open, and when they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.kms_api import errors

MOST = 100
"""How many streams one worker has at a time."""


class Streams:
    """`stopping` says whether this worker is about to end, so that the streams end themselves."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._open = 0

    def require_place(self) -> None:
        """Raises WireError."""
        if self._open >= MOST:
            raise errors.not_now(f"{MOST} streams are open already; try again.")

    @contextmanager
    def place(self) -> Iterator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

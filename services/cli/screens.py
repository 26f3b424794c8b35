"""The two screens that a command writes to: its answer, and notes beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from domain.characters import visible
from services.cli.readers import ReadByNobody

WIDE = 100_000
"""Columns of what is not a terminal: a pipe wants every value whole, and every line one line."""


class Screen(Console):
    """A console on which a caller's words are words: no markup, no emoji names, and whatever is written goes through
    `visible`, so that nobody who once made a call moves the cursor of whoever looks at it."""

    @contextmanager
    def writing_to(self, file: Any) -> Iterator[None]:
        """`file` has what a console writes with."""
        before, self._file = self._file, file
        try:
            yield
        finally:
            self._file = before

    def on_broken_pipe(self) -> None:
        """As pager.py and exit_codes.py take it."""
        raise ReadByNobody

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Control segments are rich's own: a progress bar that goes back to its line's beginning.
            yield segment if segment.control else Segment(visible(segment.text, lines=True), segment.style)


def _screen(stream: TextIO, *, stderr: bool) -> Screen:
    width = None if stream.isatty() else WIDE
    return Screen(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


out = _screen(sys.stdout, stderr=False)
err = _screen(sys.stderr, stderr=True)

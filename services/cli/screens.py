"""The two screens that a command writes to: one for its answer, one for notes."""

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
"""The width if the output is not a terminal: in a pipe no value is cut and no line is broken."""


class Screen(Console):
    """A console that prints a caller's words as plain words: no markup, no emoji names. Everything goes through `visible`, so
    that a caller's words never move the reader's cursor."""

    @contextmanager
    def writing_to(self, file: Any) -> Iterator[None]:
        """Writes to `file`, which has the methods that a console uses."""
        before, self._file = self._file, file
        try:
            yield
        finally:
            self._file = before

    def on_broken_pipe(self) -> None:
        """Raises the error that pager.py and exit_codes.py handle."""
        raise ReadByNobody

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Control segments come from rich: for instance, a progress bar goes back to the beginning of its line.
            yield segment if segment.control else Segment(visible(segment.text, lines=True), segment.style)


def _screen(stream: TextIO, *, stderr: bool) -> Screen:
    width = None if stream.isatty() else WIDE
    return Screen(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


out = _screen(sys.stdout, stderr=False)
err = _screen(sys.stderr, stderr=True)

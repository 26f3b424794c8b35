"""A pager for what is longer than the screen, begun when the screen is full: the first page comes at once, and the rest is asked
of the server only as somebody reads on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from services.cli.terminal import out


@contextmanager
def paged() -> Iterator[Console]:
    """Where to print: the screen, or a pager once it is full. PAGER names another one than less; PAGER=cat has none."""
    pager = shlex.split(os.environ.get("PAGER", "less"))
    if not (out.is_terminal and sys.stdin.isatty() and pager and pager[0] != "cat"):
        yield out
        return
    pages = _Pages(pager)
    before, out.file = out.file, pages  # type: ignore[assignment]  # it has what a console writes with
    try:
        with suppress(BrokenPipeError):  # the reader has seen enough
            yield out
    finally:
        out.file = before
        pages.end()


class _Pages:
    """Text that is held until it fills the screen, and then goes through a pager as it comes."""

    encoding = "utf-8"

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._held: list[str] = []
        self._lines = 0
        self._process: subprocess.Popen[str] | None = None
        self._whole = False

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return sys.stdout.fileno()

    def write(self, text: str) -> int:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.write(text)
        elif self._whole:
            sys.stdout.write(text)
        else:
            self._held.append(text)
            self._lines += text.count("\n")
            if self._lines >= out.size.height - 1:
                self._start()
        return len(text)

    def flush(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.flush()

    def _start(self) -> None:
        environment = {"LESS": "FRX", "LESSCHARSET": "utf-8"} | os.environ
        with suppress(OSError):  # without a pager it is printed as it is
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, text=True, env=environment)  # noqa: S603  # the pager that the person named
        held, self._held, self._whole = "".join(self._held), [], self._process is None
        self.write(held)

    def end(self) -> None:
        """Print what is held, and wait until the reader has seen enough."""
        if self._process is None:
            sys.stdout.write("".join(self._held))
            sys.stdout.flush()
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        while True:
            try:
                self._process.wait()
                return
            except KeyboardInterrupt:
                continue  # less takes it as the end of a search, and goes on

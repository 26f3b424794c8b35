"""A pager for answers that are longer than the screen. It starts when the screen is full, so the first page comes at once. The
server is asked for the rest only as somebody reads on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import IO, Any

from services.cli.readers import ReadByNobody
from services.cli.screens import err, out
from services.settings import BadSetting, load


def paging(command: Callable[..., None]) -> Callable[..., None]:
    """Wraps a command: its text for people goes to the pager, its output for machines does not."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        with paged():
            command(*arguments, **options)

    return run


def _named() -> list[str]:
    """The pager's command; [] if there is no pager."""
    try:
        own = load().pager
    except BadSetting:  # the command itself reports it
        own = ""
    named = (own or os.environ.get("PAGER", "less")).split()
    return [] if named == ["cat"] else named


@contextmanager
def paged() -> Iterator[None]:
    """Prints to the screen, or to a pager once the screen is full. A second `paged` inside has no effect."""
    if isinstance(out.file, _Pages) or not (out.is_terminal and sys.stdin.isatty()):
        yield
        return
    command = _named()
    if not command:
        yield
        return
    pages = _Pages(command)
    beside = _Beside(pages, err.file)
    try:
        # The reader may have seen enough before the end.
        with suppress(BrokenPipeError, ReadByNobody), out.writing_to(pages), err.writing_to(beside):
            yield
    finally:
        pages.end()
        beside.end()


class _Pages:
    """Holds text until it fills the screen, then passes it to a pager as it comes."""

    encoding = "utf-8"

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._held: list[str] = []
        self._lines = 0
        self._process: subprocess.Popen[str] | None = None
        self._whole = False

    @property
    def begun(self) -> bool:
        return bool(self._held) or self._process is not None

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
        with suppress(OSError):  # without a pager, the text is printed directly
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, text=True, env=environment)  # noqa: S603  # the user named the pager
        held, self._held, self._whole = "".join(self._held), [], self._process is None
        self.write(held)

    def end(self) -> None:
        """Prints the held text, and waits until the reader has seen enough."""
        if self._process is None:
            sys.stdout.write("".join(self._held))
            sys.stdout.flush()
            return
        assert self._process.stdin is not None
        # Ctrl-C only ends a search in less, and less goes on: this process must not end before it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
        finally:
            signal.signal(signal.SIGINT, before)


class _Beside:
    """Notes beside the pages. Once the first line is out, notes wait until the reader has finished."""

    encoding = "utf-8"

    def __init__(self, pages: _Pages, stream: IO[str]) -> None:
        self._pages, self._stream = pages, stream
        self._held: list[str] = []

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        if self._pages.begun:
            self._held.append(text)
            return len(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def end(self) -> None:
        self._stream.write("".join(self._held))
        self._stream.flush()

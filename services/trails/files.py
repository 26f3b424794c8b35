"""Reads an import's files as streams of UTF-8: plain or compressed (also twice), with or without a byte order mark.

If a file has a fault, the stream ends there and says why. Everything before the fault is kept, the rest is lost.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.trails.documents import FAULTS, Stream, records_in
from services.trails.unpack_budget import PACKED_AGAIN, RECORD, CountedFile, UnpackBudget
from services.trails.wrappers import FoundRecord

GZIP = b"\x1f\x8b"
UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""The encoding in which Windows PowerShell writes a command's output."""
COMPRESSED = 3
"""How many times a file may be compressed: Firehose compresses again what CloudWatch Logs has compressed."""


def files_in(paths: list[Path]) -> list[Path]:
    """Every file, in the order of their names. Raises FileNotFoundError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(str(path))
    return found


def shown(path: Path) -> str:
    """A file's name as text that every encoding can hold: a name may consist of any bytes."""
    return os.fsencode(path).decode("utf-8", "replace")


def records_of(path: Path) -> Iterator[FoundRecord]:
    """Each record of a file, and each part that could not be read. A broken part does not stop the import."""
    source = shown(path)
    try:
        with path.open("rb", buffering=0) as file:
            budget = UnpackBudget()
            stream = Stream(_Plain(file, budget).read, budget)
            for each in records_in(stream, source):
                budget.spend(RECORD)
                yield each
            if stream.fault is not None:
                yield FoundRecord(source, "file", b"", f"the file cannot be read: {stream.fault}")
    except OSError as fault:
        yield FoundRecord(source, "file", b"", f"the file cannot be read: {fault}")


def text_of(path: Path) -> bytes:
    """A file's whole text. Raises the errors in FAULTS."""
    with path.open("rb", buffering=0) as file:
        plain = _Plain(file, UnpackBudget())
        return b"".join(iter(lambda: plain.read(1 << 20), b""))


class _Plain:
    """A file's text as UTF-8."""

    def __init__(self, file: io.FileIO, budget: UnpackBudget) -> None:
        self._file: Any = io.BufferedReader(CountedFile(file, budget))
        for _ in range(COMPRESSED):
            if self._peeked()[:2] != GZIP:
                break
            if isinstance(self._file, _Unpacked):
                self._file.weight = PACKED_AGAIN
            self._file = _Unpacked(gzip.GzipFile(fileobj=self._file), budget)
        mark = self._peeked()[:2]
        self._decoder = codecs.getincrementaldecoder(UTF_16[mark])("replace") if mark in UTF_16 else None

    def _peeked(self) -> bytes:
        found: bytes = self._file.peek(2)
        return found

    def read(self, most: int) -> bytes:
        """Returns some bytes, b"" at the end. Raises OSError, EOFError, zlib.error."""
        while True:
            found = self._file.read1(most)  # returns what it could read before a fault
            if self._decoder is None or not found:
                return bytes(found)
            if text := self._decoder.decode(found):
                return text.encode("utf-8", "replace")


class _Unpacked(io.BufferedIOBase):
    """A compressed file that can be searched, and from which everything before a fault can be read. What it holds is spent,
    at each level: a file can unpack to another that holds nothing."""

    def __init__(self, file: gzip.GzipFile, budget: UnpackBudget) -> None:
        self._file, self._budget, self._held = file, budget, b""
        self.weight = 1
        self._fault: Exception | None = None

    def readable(self) -> bool:
        return True

    def peek(self, most: int) -> bytes:
        while len(self._held) < most:
            try:
                more = self._unpacked(io.DEFAULT_BUFFER_SIZE)
            except FAULTS as fault:
                self._fault = fault  # raised by the next read
                break
            if not more:
                break
            self._held += more
        return self._held

    def read1(self, most: int = -1) -> bytes:
        if self._held:
            found, self._held = self._held, b""
            return found
        if self._fault is not None:
            raise self._fault
        return self._unpacked(most)

    def _unpacked(self, most: int) -> bytes:
        """Raises the errors in FAULTS."""
        found = self._file.read1(most)
        self._budget.spend(len(found) * self.weight)
        return found

    def read(self, most: int | None = -1) -> bytes:
        """For gzip, if the content is compressed again."""
        wanted = 1 << 30 if most is None or most < 0 else most
        found = self.read1(wanted)
        if len(found) > wanted:
            found, self._held = found[:wanted], found[wanted:]
        return found

"""CloudTrail's records out of files and folders, one after another and never a whole file of them that is large: JSON,
a JSON object a line, either of them compressed.

A file holds {"Records": [...]}, a list, or one record a line; a record may be wrapped, as EventBridge (`detail`) and
LookupEvents (`CloudTrailEvent`, a text) do.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

AT_ONCE = 32 << 20
"""Bytes of a document that is parsed whole; a longer one is read piece by piece."""
PIECE = 1 << 20
LONGEST = 8 << 20
"""Characters of one record, the longest that is looked for."""
KEPT = 100_000
"""Characters of a broken record that are kept."""
WRAPPERS = ("detail", "record", "CloudTrailEvent")


@dataclass(slots=True)
class Found:
    """A record with where it was; `document` is None, with a reason, for what could not be read. `line` is its own text,
    where the file has it on its own."""

    source: str
    place: str
    document: Any
    line: bytes | None
    reason: str = ""

    @property
    def raw(self) -> bytes:
        return orjson.dumps(self.document) if self.line is None else self.line

    @property
    def text(self) -> str:
        """As Postgres can hold it."""
        return self.raw.replace(b"\\u0000", b"\\ufffd").decode("utf-8", "replace")


def files_in(paths: list[Path]) -> list[Path]:
    """Every file, in the order of its name. Raises FileNotFoundError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(str(path))
    return found


def records_of(path: Path) -> Iterator[Found]:
    """Every record of a file, and what could not be read of it: that stops nothing."""
    source = str(path)
    try:
        with _opened(path) as file:
            yield from _records(file, source)
    except (OSError, EOFError, zlib.error) as fault:
        yield Found(source, "file", None, b"", f"the file cannot be read: {fault}")


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    magic = file.read(2)
    file.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if magic == b"\x1f\x8b" else file


def _records(file: IO[bytes], source: str) -> Iterator[Found]:
    head = file.read(PIECE)
    first, newline, _ = head.partition(b"\n")
    if newline and _is_record(first):
        yield from _lines(head, file, source)
        return
    if len(head) == PIECE:
        head += file.read(AT_ONCE - PIECE)
    if len(head) < AT_ONCE:
        yield from _document(head, source)
    else:
        yield from _pieces(head, file, source)


def _is_record(line: bytes) -> bool:
    """Whether a first line is an object of its own, and no document that is on one line."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        # A broken first line of many is seen as one where it ends as a line of an object does.
        return line.startswith(b"{") and line.rstrip().endswith(b"}") and b'"Records"' not in line[:200]
    return isinstance(found, dict) and "Records" not in found


def _lines(head: bytes, file: IO[bytes], source: str) -> Iterator[Found]:
    number, rest = 0, head
    while rest:
        *lines, rest = rest.split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                yield _line(line, source, number)
        more = file.read(PIECE)
        if not more:
            break
        rest += more
        if len(rest) > LONGEST and b"\n" not in rest:
            yield Found(source, f"line {number + 1}", None, rest[:KEPT], "the line is longer than a record may be")
            rest = _after_line(file)
            number += 1
    if rest.strip():
        yield _line(rest, source, number + 1)


def _after_line(file: IO[bytes]) -> bytes:
    while more := file.read(PIECE):
        _, newline, rest = more.partition(b"\n")
        if newline:
            return rest
    return b""


def _line(line: bytes, source: str, number: int) -> Found:
    try:
        return _unwrapped(orjson.loads(line), line, source, f"line {number}")
    except orjson.JSONDecodeError as fault:
        return Found(source, f"line {number}", None, line[:KEPT], f"it is no JSON: {fault}")


def _document(text: bytes, source: str) -> Iterator[Found]:
    if not text.strip():
        return
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        yield Found(source, "document", None, text[:KEPT], f"it is no JSON: {fault}")
        return
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        document = document["Records"]
    elif isinstance(document, dict) and isinstance(document.get("Events"), list):
        document = document["Events"]
    for number, each in enumerate(document if isinstance(document, list) else [document]):
        yield _unwrapped(each, None, source, f"record {number}")


def _unwrapped(document: Any, line: bytes | None, source: str, place: str) -> Found:
    if isinstance(document, dict) and "eventName" not in document:
        for name in WRAPPERS:
            inner = document.get(name)
            if isinstance(inner, str):
                try:
                    inner = orjson.loads(inner)
                except orjson.JSONDecodeError:
                    continue
            if isinstance(inner, dict):
                return Found(source, place, inner, None)
    return Found(source, place, document, line)


def _pieces(head: bytes, file: IO[bytes], source: str) -> Iterator[Found]:
    """The objects of the first list in a long document, as they come."""
    decoder = json.JSONDecoder()
    text = head.decode("utf-8", "replace")
    at, number = text.find("["), 0
    if at < 0:
        yield Found(source, "document", None, head[:KEPT], "it holds no list of records")
        return
    at += 1
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at < len(text) and text[at] == "]":
            return
        try:
            document, end = decoder.raw_decode(text, at)
        except ValueError as fault:
            more = file.read(PIECE)
            if not more or len(text) - at > LONGEST:
                yield Found(source, f"record {number}", None, text[at : at + KEPT].encode(), f"it is no JSON: {fault}")
                return
            text, at = text[at:] + more.decode("utf-8", "replace"), 0
            continue
        yield _unwrapped(document, text[at:end].encode(), source, f"record {number}")
        number, at = number + 1, end

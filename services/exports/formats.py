"""The formats for exports of calls, one row each. The command line and the audit API read this table.

A format has a file in this folder and a row here. Its libraries take long to load, so the row names a function that loads
them, and only an export calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, assert_never

ExportedCalls = Iterator[dict[str, Any]]
"""Calls as /v1/decisions returns them."""
ToLines = Callable[[ExportedCalls, str], Iterator[str]]
"""Turns calls and the Region into the text of a file, line by line."""
ToFile = Callable[[ExportedCalls, str, BinaryIO], None]
"""Writes calls and the Region into a file or a pipe, for a format that is not text."""


@dataclass(frozen=True, slots=True)
class Text:
    load: Callable[[], ToLines]


@dataclass(frozen=True, slots=True)
class Binary:
    load: Callable[[], ToFile]


def _json() -> ToLines:
    from services.exports.json_lines import lines

    return lambda calls, region: lines(calls)


def _csv() -> ToLines:
    from services.exports.flat import csv_lines

    return lambda calls, region: csv_lines(calls)


def _parquet() -> ToFile:
    from services.exports.parquet import write_parquet

    return lambda calls, region, file: write_parquet(calls, file)


def _ocsf() -> ToLines:
    from services.exports.ocsf import lines

    return lines


def _cloudtrail() -> ToLines:
    from services.exports.cloudtrail import lines

    return lines


NDJSON = "application/x-ndjson"


class CallFormat(StrEnum):
    """A format of calls: its name, what it is (an English phrase, for descriptions), the endings of file names that mean it,
    its media type, whether it has everything that the evaluator read, and how it is written.

    OCSF and CloudTrail have no ending of their own: they are JSON lines too, and the user asks for them by name."""

    JSON = (
        "json",
        "one object a line, with everything that the evaluator read",
        (".json", ".jsonl", ".ndjson"),
        NDJSON,
        True,
        Text(_json),
    )
    CSV = "csv", "a table", (".csv",), "text/csv; charset=utf-8", False, Text(_csv)
    PARQUET = "parquet", "typed columns", (".parquet",), "application/vnd.apache.parquet", False, Binary(_parquet)
    OCSF = "ocsf", "API Activity events", (), NDJSON, False, Text(_ocsf)
    CLOUDTRAIL = "cloudtrail", "records as AWS writes them", (), NDJSON, True, Text(_cloudtrail)

    says: str
    endings: tuple[str, ...]
    media: str
    whole: bool
    written: Text | Binary

    def __new__(
        cls, name: str, says: str, endings: tuple[str, ...], media: str, whole: bool, written: Text | Binary
    ) -> CallFormat:
        made = str.__new__(cls, name)
        made._value_ = name
        made.says, made.endings, made.media, made.whole, made.written = says, endings, media, whole, written
        return made

    @property
    def ending(self) -> str:
        """How a file of this format is usually called."""
        return {NDJSON: ".jsonl"}.get(self.media, f".{self.value}")

    def write(self, calls: ExportedCalls, region: str, file: BinaryIO) -> None:
        """Write the calls as they come. Raises OSError."""
        match self.written:
            case Binary(load):
                load()(calls, region, file)
            case Text(load):
                for line in load()(calls, region):
                    file.write(line.encode())
            case _:
                assert_never(self.written)

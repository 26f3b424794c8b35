"""The formats for exports of calls, one row each. The command line reads this table.

A format has a file in this folder and a row here. Its libraries take long to load, so the row names a function that loads
them, and only an export calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

ExportedCalls = Iterator[dict[str, Any]]
"""Calls as /v1/decisions returns them."""
ToLines = Callable[[ExportedCalls, str], Iterator[str]]
"""Turns calls and the Region into the text of a file, line by line."""
ToFile = Callable[[ExportedCalls, str, Path], None]
"""Writes calls and the Region into a file, for a format that is not text."""


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
    from services.exports.flat import write_parquet

    return lambda calls, region, path: write_parquet(calls, path)


def _ocsf() -> ToLines:
    from services.exports.ocsf import lines

    return lines


def _cloudtrail() -> ToLines:
    from services.exports.cloudtrail import lines

    return lines


class CallFormat(StrEnum):
    """A format of calls: its name, the endings of file names that mean it, and how it is written.

    OCSF and CloudTrail have no ending: they are JSON lines too, and the user asks for them by name."""

    JSON = "json", (".json", ".jsonl", ".ndjson"), Text(_json)
    CSV = "csv", (".csv",), Text(_csv)
    PARQUET = "parquet", (".parquet",), Binary(_parquet)
    OCSF = "ocsf", (), Text(_ocsf)
    CLOUDTRAIL = "cloudtrail", (), Text(_cloudtrail)

    endings: tuple[str, ...]
    written: Text | Binary

    def __new__(cls, name: str, endings: tuple[str, ...], written: Text | Binary) -> CallFormat:
        made = str.__new__(cls, name)
        made._value_ = name
        made.endings, made.written = endings, written
        return made

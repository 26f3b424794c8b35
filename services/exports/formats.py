"""The formats that calls are exported in: one row each. The command line reads this table.

A format is a file in this folder and a row here. Its libraries take long to load, so a row names a function that loads
them, and only an export calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

ExportedCalls = Iterator[dict[str, Any]]
"""As /v1/decisions gives them."""
ToLines = Callable[[ExportedCalls, str], Iterator[str]]
"""Calls and the Region to the text of a file, line after line."""
ToFile = Callable[[ExportedCalls, str, Path], None]
"""Calls and the Region into a file: for a format that is not text."""


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
    """What calls are written as: the format's name, the endings of file names that mean it, and how it is written.

    A file name does not end in the name of a schema: OCSF and CloudTrail are JSON lines too, and are asked for by name."""

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

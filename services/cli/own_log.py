"""log: an account's own part of the log, for its auditor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from services.cli.client import Client
from services.cli.terminal import Data, err, fail
from services.ownership import replacing


def own_log(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; the standard output where left out")] = None,
    since: Annotated[str | None, typer.Option("--from", help="The first time (RFC 3339) or a @position")] = None,
    until: Annotated[str | None, typer.Option("--to", help="The time after the last, or a @position")] = None,
    data: Data = None,
) -> None:
    """The account's own part of the log, changes and decisions, a JSON object a line: for its auditor, who needs the
    permission keytrail:ReadLog and no access to the host."""
    lines = Client(data).lines("/v1/log", **{"from": since, "to": until})
    if file is None:
        _write(lines, sys.stdout)
        return
    try:
        with replacing(file) as place, place.open("w") as output:
            _write(lines, output)
    except OSError as fault:
        fail(f"{file} cannot be written: {fault}")


def _write(lines: Iterator[Any], output: IO[str]) -> None:
    for line in lines:
        if "end" in line:
            err.print(f"{line['end']['records']} records, up to @{line['end']['position']}")
        else:
            output.write(json.dumps(line["record"]) + "\n")

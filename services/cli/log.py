"""log: an account's own part of the log, for its auditor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from services.cli.calls import tell_of_the_beginning
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import Data, Force, From, To
from services.cli.parameters import Argument
from services.cli.result_files import LOG_BY_NAME, Counted, format_or_fail, target_or_fail, write_lines, wrote
from services.cli.screens import err
from services.cli.terminal import counted, said, say, times_or_fail


def own_log(
    file: Annotated[Path | None, Argument(help="The file to write. Default: the standard output")] = None,
    since: From = None,
    until: To = None,
    force: Force = False,
    data: Data = None,
) -> None:
    """The account's own part of the log, changes and decisions, one JSON object a line. It is meant for the account's
    auditor, who needs the permission keytrail:ReadLog and no access to the host.

    It has no chain. To check the log from outside, use a file of `keytrail export-log`.
    """
    times = times_or_fail()
    span = said(lambda: times.span(since, until))
    path = Path("-") if file is None else target_or_fail(file, force=force)
    format_or_fail(path, None, LOG_BY_NAME)
    client = Client(data)
    records = Counted(_records(client.lines("/v1/log", **span.parameters)))
    try:
        write_lines((json.dumps(record) + "\n" for record in records), path)
    except OSError as fault:
        fail(f"{path} cannot be written: {fault.strerror or fault}.")
    wrote(records.count, path, "record")
    tell_of_the_beginning(client, times)


def _records(lines: Iterator[Any]) -> Iterator[Any]:
    for line in lines:
        if "end" in line:
            say(f"{counted(line['end']['records'], 'record')}, up to @{line['end']['position']}", screen=err)
        else:
            yield line["record"]

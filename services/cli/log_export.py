"""export-log: writes the chained log to a file that can be verified elsewhere."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Annotated

from services.cli.failures import fail
from services.cli.host import TellBar, reaching, result_or_exit
from services.cli.options import AsJson, Data, Force
from services.cli.parameters import Argument
from services.cli.result_files import LOG_BY_NAME, format_or_fail, target_or_fail, write_lines, wrote
from services.cli.terminal import as_line
from services.settings import Settings


def export_log(
    file: Annotated[Path, Argument(help="The file to write, one JSON object a line")],
    force: Force = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Write the chained log to a file that `keytrail verify --file` checks without this installation: every change, and
    every refused attempt at one.

    Calls that change nothing (Encrypt, Decrypt, reads) are not in it, whether allowed or refused: their decisions are on
    topics of their own, which only `keytrail verify` on the host checks. `keytrail log` gives an account its own decisions,
    without a chain.

    This command is the operator's: it reads the broker itself and asks nobody for permission, and the file holds every
    account's records. An account's auditor uses `keytrail log`.
    """
    file = target_or_fail(file, force=force)
    format_or_fail(file, None, LOG_BY_NAME)
    settings = reaching(data)
    count = result_or_exit(lambda tell: _exported(settings, file, tell))
    if as_json and str(file) != "-":
        as_line({"file": str(file), "records": count})
    else:
        wrote(count, file, "record")


async def _exported(settings: Settings, file: Path, tell: TellBar) -> int:
    """Returns how many records it wrote."""
    from services.verification.topics import read_log  # see host.py

    values = await read_log(settings, tell)
    lines = (json.dumps({"offset": offset, "value": b64encode(value).decode()}) + "\n" for offset, value in values)
    try:
        await asyncio.to_thread(write_lines, lines, file)
    except OSError as fault:
        fail(f"{file} cannot be written: {fault.strerror or fault}.")
    return len(values)

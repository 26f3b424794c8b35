"""witness: cosigns the checkpoints of other people's logs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from services.cli.failures import fail
from services.cli.parameters import Argument, Option
from services.cli.screens import err
from services.cli.terminal import say


def witness(
    folder: Annotated[Path, Argument(help="The witness's own folder. Its key is made there at the first start")],
    log_key: Annotated[
        list[str] | None,
        Option(
            value="KEY", help="The key of a log to watch, as `/log/key` of its installation gives it. May be repeated"
        ),
    ] = None,
    name: Annotated[
        str | None,
        Option(help="Its name, read at the first start: an address without https, witness.example/w1 for instance"),
    ] = None,
    host: Annotated[str | None, Option(help="The address to listen on. Default: 127.0.0.1")] = None,
    port: Annotated[int | None, Option(help="The port to listen on. Default: 8700", min=1)] = None,
) -> None:
    """Be a witness of other installations' transparency logs, until Ctrl-C: cosign each checkpoint that extends the last one.

    Run it on a machine that those who run the logs do not control. It keeps the last checkpoint of each log in its folder, and
    refuses one that leaves something out. It speaks C2SP tlog-witness, and prints its key at the start.
    """
    from services.ownership import NotOurs
    from services.witness import server

    try:
        logs = server.logs_of(log_key or [])
        if not logs:
            fail("Name at least one log by --log-key.", 2)
        signer = server.signer_of(folder, name or "")
    except (server.WitnessRefused, NotOurs, OSError) as fault:
        fail(str(fault), 2)
    address = host or "127.0.0.1"
    say(f"{signer.name} watches {', '.join(sorted(logs))} at http://{address}:{port or 8700}/", screen=err)
    say(f"its key: {signer.verifier.text}", screen=err)
    asyncio.run(server.serve(folder, signer, logs, address, port or 8700))

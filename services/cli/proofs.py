"""prove: the record of a call with its proof, in a file that anybody can check offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import Data, Force
from services.cli.parameters import Argument, Option
from services.cli.proof_check import said_of
from services.cli.result_files import target_or_fail, write_lines
from services.cli.screens import err
from services.cli.terminal import say


def prove(
    call: Annotated[
        str,
        Argument(
            name="call-id",
            help="The call: its x-amzn-RequestId, which `keytrail decisions` lists; or a change's @position, which "
            "`keytrail history` lists",
        ),
    ],
    output: Annotated[
        Path | None, Option("-o", value="FILE", help="The file to write. Default: the standard output")
    ] = None,
    force: Force = False,
    data: Data = None,
) -> None:
    """The record of one call, with a proof that it stands in the transparency log at its place, unchanged.

    Somebody who gets the file checks it offline with `keytrail verify-evidence`, or with services/evidence/verify.py, which
    needs nothing of Keytrail. They need the log's key too (`/log/key` of the installation), best from somebody whom they trust.
    """
    from domain.transparency.proofs import written

    if "/" in call or not call:
        fail(f"{call!r} is not the id of a call. `keytrail decisions` lists calls with their ids.", 2)
    path = Path("-") if output is None else target_or_fail(output, force=force)
    found = Client(data).get(f"/v1/proofs/{call}")
    try:
        write_lines(iter([written(found)]), path)
    except OSError as fault:
        fail(f"{path} cannot be written: {fault.strerror or fault}.")
    if output is not None:
        said = said_of(found["record"])
        say(f"wrote {path}{f', which proves: {said}' if said else ''}", screen=err)
        say(f"to check it: keytrail verify-evidence {path} --log-key KEY", "dim", screen=err)

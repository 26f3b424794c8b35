"""prove, verify-evidence: the record of a call with its proof, in a file that anybody can check offline, and that check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from click.exceptions import Exit

from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, Force
from services.cli.parameters import Argument, Option
from services.cli.result_files import target_or_fail, write_lines
from services.cli.screens import err
from services.cli.terminal import as_line, counted, say

if TYPE_CHECKING:  # it loads a library that only one of the two commands needs
    from services.evidence import verify


def prove(
    call: Annotated[
        str, Argument(name="call-id", help="The call: its x-amzn-RequestId, which `keytrail decisions` lists")
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

    if "/" in call:
        fail(f"{call} is not the id of a call. `keytrail decisions` lists calls with their ids.", 2)
    path = Path("-") if output is None else target_or_fail(output, force=force)
    found = Client(data).get(f"/v1/proofs/{call}")
    try:
        write_lines(iter([written(found)]), path)
    except OSError as fault:
        fail(f"{path} cannot be written: {fault.strerror or fault}.")
    if output is not None:
        say(f"wrote {path}; to check it: keytrail verify-evidence {path} --log-key KEY", screen=err)


def verify_evidence(
    places: Annotated[list[Path], Argument(help="Files that `keytrail prove` wrote, and folders with such files")],
    log_key: Annotated[
        str | None,
        Option(
            value="KEY", help="The log's key, as `/log/key` of the installation gives it, from somebody whom you trust"
        ),
    ] = None,
    witness_key: Annotated[
        list[str] | None, Option(value="KEY", help="The key of a witness whom you trust. May be repeated")
    ] = None,
    witnesses: Annotated[
        int | None, Option(help="How many of these witnesses must have cosigned. Default: all of them", min=0)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check files with proofs offline: that each record stands in the log of this key at its place, unchanged.

    It asks no server. services/evidence/verify.py does the same for somebody who has no Keytrail.
    """
    from services.evidence import verify

    keys = witness_key or []
    try:
        verifier = verify.ProofVerifier(log_key or "", keys, len(keys) if witnesses is None else witnesses)
    except ValueError as fault:
        fail(f"{fault}.", 2)
    files = list(verify.files([str(each) for each in places]))
    if not files:
        fail("There is no proof in these places.", 2)
    wrong = 0
    for path in files:
        why = _fault(verifier, path, as_json=as_json)
        wrong += bool(why)
    if not as_json:
        say(f"{counted(len(files) - wrong, 'record')} proven, {wrong} not", "bold red" if wrong else "bold green")
    if wrong:
        raise Exit(verify.REFUSED)
    if log_key is None:
        say(
            "These proofs are signed by a key which the files themselves name. Get the log's key from somebody whom you trust, "
            "and give it as --log-key.",
            "yellow",
            screen=err,
        )
        raise Exit(verify.ONLY_ITS_OWN_KEY)


def _fault(verifier: verify.ProofVerifier, path: Path, *, as_json: bool) -> str:
    """Checks one file and prints the outcome. Returns why it does not hold; "" if it does."""
    from services.evidence import verify

    try:
        document, leaf, head = verifier.check(path.read_bytes().decode())
    except (verify.Wrong, OSError, ValueError, RecursionError) as fault:
        if as_json:
            as_line({"file": str(path), "holds": False, "why": str(fault)})
        else:
            say(f"{path}: does not hold. {fault}", "red")
        return str(fault)
    if as_json:
        cosigned = head.cosigned
        as_line({"file": str(path), "holds": True, "leaf": leaf, "size": head.size, "cosigned": cosigned, **document})
    else:
        say(f"{path}: holds, {verify.what_is_shown(document, leaf, head)}")
    return ""

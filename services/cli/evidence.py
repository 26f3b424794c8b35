"""evidence: every record about a key or a principal with its proof, in one file that anybody can check offline."""

from __future__ import annotations

import json
import zipfile
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, Force, From, To
from services.cli.parameters import Argument, Option
from services.cli.references import kind_of
from services.cli.result_files import target_or_fail
from services.cli.screens import err
from services.cli.terminal import as_line, counted, progress_bar, said, say, times_or_fail
from services.ownership import replacing


def evidence(
    of: Annotated[
        str,
        Argument(
            name="key-or-principal",
            help="A key (id, ARN or alias/NAME) or a principal (bob, role/app or an ARN)",
        ),
    ],
    output: Annotated[Path, Option("-o", value="FILE.zip", help="The file to write")],
    since: From = None,
    until: To = None,
    whole_span: Annotated[
        bool,
        Option(
            "--whole-span",
            help="Add the hash of every leaf of the span, so that anybody can count them. It shows "
            "how many records all accounts made in that time; only the first account may ask for it",
        ),
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Every record about a key or a principal in a span, each with its proof, in one file that anybody can check offline.

    The file is a ZIP. Its report.html is for people; STATEMENT.txt says what the file proves and what it does not;
    `keytrail verify-evidence FILE.zip --log-key KEY` or its verify.py checks it.
    """
    span = said(lambda: times_or_fail().span(since, until))
    path = target_or_fail(output, force=force)
    if str(path) == "-":
        fail("A package is written to a file: name it with -o FILE.zip.", 2)
    client = Client(data)
    asked = {"principal" if kind_of(client, of, None) == "principals" else "key": of, **span.parameters}
    try:
        with progress_bar() as progress, replacing(path) as place, place.open("wb") as file:
            task = progress.add_task("writing bytes", total=None)
            client.download(
                "/v1/evidence",
                file,
                lambda count: progress.advance(task, count),
                **asked,
                whole_span="true" if whole_span else None,
            )
    except OSError as fault:
        fail(f"{path} cannot be written: {fault.strerror or fault}.")
    _tell(path, as_json=as_json)


def _tell(path: Path, *, as_json: bool) -> None:
    """Says what was written. Its digest lets somebody who gets the file elsewhere compare it."""
    with zipfile.ZipFile(path) as package:
        manifest = json.loads(package.read("evidence.json"))
    records = sum(name.startswith("records/") for name in manifest["files"])
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    if as_json:
        as_line({"file": str(path), "records": records, "unproven": manifest["unproven"], "sha256": digest})
        return
    say(f"wrote {path}: {counted(records, 'record')} with proofs; SHA-256 {digest}", screen=err)
    if manifest["unproven"]:
        say(f"{counted(len(manifest['unproven']), 'further record')} could not be proven:", "yellow", screen=err)
        for each in manifest["unproven"][:5]:
            say(f"- {each}", "yellow", screen=err)
    say(f"to check it: keytrail verify-evidence {path} --log-key KEY", "dim", screen=err)

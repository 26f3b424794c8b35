"""verify: checks every topic and every projection, on the host."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from click.exceptions import Exit
from rich.text import Text

from domain.log.authenticity import COMMANDS, TRAIL
from domain.verification.log import Expected, verify
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.host import TellBar, reaching, result_or_exit
from services.cli.options import AsJson, Data
from services.cli.parameters import Option
from services.cli.screens import out
from services.cli.terminal import as_line, counted, progress_bar, say, telling, times_or_fail
from services.named_files import unread
from services.settings import Settings


def verify_log(
    file: Annotated[
        Path | None,
        Option(help="Check only the chain, in a file that `keytrail export-log` (not `keytrail log`) wrote"),
    ] = None,
    expect: Annotated[
        str | None,
        Option(
            value="POSITION:DIGEST", help="A head of the log that was noted down earlier: the log must still contain it"
        ),
    ] = None,
    projections: Annotated[
        bool,
        Option("--projections/--topics-only", help="Whether to compare the tables in Postgres with the topics as well"),
    ] = True,
    remote: Annotated[
        bool,
        Option(
            "--remote",
            help="Have the server do it: needs no access to the host, but keytrail:Verify in the first account. It does not "
            "show what differing rows say",
        ),
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check that every record on every topic is Keytrail's own, in its place and unchanged, and that the tables agree with
    the topics.

    It reads the broker, the database and the master key, and asks nobody for permission: it is the operator's command. With
    --remote the server does it for somebody without access to the host. An account's auditor uses `keytrail log`.
    """
    expected = None
    if expect is not None:
        position, _, noted = expect.partition(":")
        if not position.isdigit() or len(noted) != 64:
            fail("--expect takes POSITION:DIGEST, as an earlier `keytrail verify` printed it.", 2)
        expected = Expected(int(position), noted)
    if file is not None:
        if remote:
            fail("--file and --remote exclude each other: the server does not read your files.", 2)
        _from_export(file, expected, as_json)
        return
    if remote:
        found = _by_server(Client(data), expect, projections)
    else:
        settings = reaching(data)
        if not settings.postgres:
            fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`. It holds the keys of the records.")
        found = result_or_exit(lambda tell: _verify(settings, expected, tell, projections))
    if as_json:
        as_line(found)
    else:
        _show(found, expected)
    if not found["whole"]:
        raise Exit(1)


def _by_server(client: Client, expect: str | None, projections: bool) -> dict[str, Any]:
    parameters = {"expect": expect, "projections": None if projections else "false"}
    with progress_bar() as progress:
        tell = telling(progress)
        for line in client.lines("/v1/verify", **parameters):
            if "result" in line:
                found: dict[str, Any] = line["result"]
                return found
            tell(line["step"], line["done"], line["of"])
    return fail("The answer ended before its result. Try again.")


async def _verify(settings: Settings, expected: Expected | None, tell: TellBar, projections: bool) -> dict[str, Any]:
    """What was found, in the form that --json prints. `_show` prints it for people."""
    from services.verification.report import verified  # see host.py

    return await verified(settings, expected, tell, projections=projections)


def _from_export(path: Path, expected: Expected | None, as_json: bool) -> None:
    try:
        found = _checked(path, expected)
    except OSError as fault:
        fail(unread(path, fault), 2)
    if as_json:
        as_line(found)
    else:
        _show_log(found, expected)
        if found["whole"]:
            say("the chain alone: who wrote the records is checked by `keytrail verify` on the host", "dim", indent=2)
            if expected is None:
                say(
                    "whether its end was cut off shows only against a head that was noted down: --expect",
                    "dim",
                    indent=2,
                )
    if not found["whole"]:
        raise Exit(1)


def _checked(path: Path, expected: Expected | None) -> dict[str, Any]:
    return verify(_exported(path), expected).listed()


WRITTEN_BY = {
    "call_id": "`keytrail log`, or by an export of calls",
    "change": "`keytrail changes --export`",
    "eventVersion": "`keytrail decisions --format cloudtrail`, or by AWS CloudTrail",
    "class_uid": "`keytrail decisions --format ocsf`",
}
"""What wrote a file that is not an exported log, by a member that every line has."""
LONGEST = 64 << 20
"""The most bytes of a line that are read. Records are far shorter, and a file without lines is not read as a whole."""


def _exported(path: Path) -> Iterator[tuple[int, bytes]]:
    """Reads an exported log: one JSON object a line, {"offset", "value" (base64)}. A file without records is an error: nothing
    would be checked, but the answer would say that nothing is missing."""
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
            if not line.strip():
                continue
            try:
                document = json.loads(line)
                yield int(document["offset"]), b64decode(document["value"], validate=True)
            except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError):
                fail(_no_record(path, number, line), 2)
            count += 1
    if not count:
        fail(f"{path} holds no record: it is not a log, or all of it was cut off.", 2)


def _no_record(path: Path, number: int, line: bytes) -> str:
    """The message about a line that is not a record."""
    from services.backup.sealed_file import MAGIC  # imported only for this message

    if line.startswith(MAGIC):
        return f"{path} is a backup, which `keytrail restore` reads."
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    writer = (
        next((WRITTEN_BY[name] for name in WRITTEN_BY if name in document), "") if isinstance(document, dict) else ""
    )
    if writer:
        return (
            f"{path} was written by {writer}: it has no chain, so nothing of it can be checked. Ask the operator for a file "
            "of `keytrail export-log`, which has the changes and their chain."
        )
    if not line.endswith(b"\n") and (number > 1 or line.startswith(b'{"offset"')):
        return f"{path} ends in the middle of line {number}: it was cut off, or is still being written."
    return (
        f"Line {number} of {path} is not a line of an exported log: it was changed, or another program wrote the file."
    )


def _show(found: dict[str, Any], expected: Expected | None) -> None:
    decisions = found["decisions"]
    _show_log(found, expected)
    if found["fault"]:
        return
    if found["strange"]:
        _warn(_values(len(found["strange"]), "events"), [f"@{each}" for each in found["strange"][:5]])
    for fault in decisions["faults"]:
        say(Text.assemble(BROKEN, f" decisions: {fault}"))
    if not decisions["faults"]:
        of_uses = (
            f" {counted(decisions['valid'], 'decision')} on calls that changed nothing (those on changes are the log's)"
        )
        say(Text.assemble(WHOLE, of_uses))
    if decisions["of_earlier_versions"]:
        say(f"{decisions['of_earlier_versions']} of versions that made no MACs: nothing binds them", indent=2)
    if decisions["gone"]:
        say(f"{decisions['gone']} before these are gone from the topic: the projections are not compared", indent=2)
    if decisions["not_bound"]:
        since = times_or_fail().shown(decisions["not_bound_since"])
        say(f"{decisions['not_bound']} since {since} are not yet bound by an anchor on the log", indent=2)
    if decisions["strange_count"]:
        _warn(_values(decisions["strange_count"], "decisions"), decisions["strange"][:5])
    if decisions["copies_count"]:
        _warn(f"{counted(decisions['copies_count'], 'copy', 'copies')} on decisions", decisions["copies"][:5])
    for kind, each in found["topics"].items():
        if each["strange"]:
            _warn(f"{each['strange']} of {_records(each['records'], kind)}", [])
        else:
            say(Text.assemble(WHOLE, f" {_records(each['records'], kind)}"))
    if found["tree"] is not None:
        _show_tree(found["tree"])
    if found["projections"] is None:
        say("The projections were not compared with the topics.", "dim")
        return
    if not found["projections"]:
        say(Text.assemble(WHOLE, " every projection says what the topics say"))
    for difference in found["projections"]:
        table = difference["table"]
        rows = counted(difference["unknown"], "row")
        says = f"has {rows} that no record says, and lacks {difference['missing']}"
        if not difference["unknown"] and not difference["missing"]:
            says = "is not the table that Keytrail made"
        says = f" {table} {says}; this mends it:"
        say(Text.assemble(("changed:", "bold red"), says))
        out.print(f"    $ keytrail rebuild {table.partition('.')[0].removeprefix('p_')}", soft_wrap=True, style="cyan")
        for example in difference["examples"]:
            say(example, indent=2)


def _show_tree(tree: dict[str, Any]) -> None:
    for difference in tree["differences"]:
        say(Text.assemble(("changed:", "bold red"), f" {difference}"))
    if tree["differing"] > len(tree["differences"]):
        say(f"{tree['differing']} differences of the transparency log in all", indent=2)
    if not tree["differing"]:
        say(
            Text.assemble(
                WHOLE, f" {counted(tree['leaves'], 'leaf', 'leaves')} of the transparency log are the records"
            )
        )
    if tree["gone"]:
        gone = counted(tree["gone"], "leaf", "leaves")
        say(f"of {gone} the records are gone from their topics: what is published says what they were", indent=2)
    if tree["passed_over"]:
        gone = counted(tree["passed_over"], "record")
        say(f"{gone} went before they could be leaves, and an operator let the notary go on", indent=2)
    if tree["waiting"]:
        say(f"{counted(tree['waiting'], 'record')} after them are not leaves yet", indent=2)


WHOLE, BROKEN = ("whole:", "bold green"), ("broken:", "bold red")


def _values(count: int, topic: str) -> str:
    return f"{counted(count, 'record')} on {topic}"


def _records(count: int, kind: str) -> str:
    """The number of a topic's records, in words for its kind."""
    if kind == COMMANDS:
        return counted(count, "command that waits for its answer", "commands that wait for their answers")
    trail = kind.removeprefix(f"{TRAIL}.")
    return f"{counted(count, 'record')} of {kind if trail == kind else f'trail {trail}'}"


def _warn(what: str, where: list[str]) -> None:
    places = f" ({', '.join(where)})" if where else ""
    says = f" {what}{places}: not written by Keytrail; every reader leaves such values out"
    say(Text.assemble(("not ours:", "bold yellow"), says))


def _show_log(found: dict[str, Any], expected: Expected | None) -> None:
    if found["fault"]:
        detail = f": {found['detail']}" if found.get("detail") else ""
        say(Text.assemble(("broken", "bold red"), f" at position {found['at']}: {found['fault']}{detail}"))
        if found["head"]:
            say(f"whole up to {found['position']}:{found['head']}", indent=2)
        return
    say(Text.assemble(WHOLE, f" {counted(found['valid'], 'record')} of log {found['log']}"))
    say(f"head {found['position']}:{found['head']}", indent=2)
    if expected is not None:
        say(f"the record at position {expected.position} is the one that was noted down", indent=2)
    if found["voids"]:
        say(f"{counted(len(found['voids']), 'void record')} of deposed writers, skipped by every reader", indent=2)

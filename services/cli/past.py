"""recheck, what-if: questions about the past as a whole, with a progress bar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from click.exceptions import Exit
from rich.text import Text

from services.cli.calls import asked_for, tell_of_the_beginning
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, OfTrail, Since, To
from services.cli.parameters import Argument, Option
from services.cli.references import kind_of
from services.cli.screens import err
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import as_line, counted, progress_bar, read_or_fail, said, say, times_or_fail
from services.ownership import write_private
from services.wording import names

UNKNOWN_OF_LOG = "a permission would be asked that never was"
UNKNOWN_OF_TRAIL = "the trail does not show what would decide; --json names it"


def _result(lines: Iterator[Any], what: str) -> Any:
    """The result at the end of an answer that reports its progress."""
    with progress_bar() as progress:
        task = progress.add_task(what, total=None)
        for line in lines:
            if "result" in line:
                return line["result"]
            progress.update(task, completed=line["done"], total=line["of"])
    return fail("The answer ended before its result. Try again.")


def recheck(since: Since = None, until: To = None, as_json: AsJson = False, data: Data = None) -> None:
    """Decide every logged decision again, in the state that it was decided in, and compare."""
    times = times_or_fail()
    span = said(lambda: times.span(since, until))
    client = Client(data)
    found = _result(client.lines("/v1/recheck", **span.parameters), "deciding again")
    if as_json:
        as_line(found)
    else:
        if print_rows(found["evaluators"], BY_EVALUATOR, asked_for("no decisions", span, times)):
            _came_out(found)
        for gap in found["gaps"]:
            gone = f": {counted(gap['missing'], 'record')} of partition {gap['partition']}"
            say(Text.assemble(("not there any more", "yellow"), gone), screen=err)
        if found["leaves"] is not None:
            _agree(found["leaves"])
        for each in found["explained"]:
            _explain(each, client.account)
        tell_of_the_beginning(client, times)
    if found["mismatches"] or found["gaps"] or _differing(found["leaves"]):
        raise Exit(1)


def _differing(leaves: dict[str, Any] | None) -> int:
    return leaves["not_leaves"] + leaves["without_row"] if leaves is not None else 0


def _agree(leaves: dict[str, Any]) -> None:
    """Whether the rows that were decided again are those of the transparency log."""
    count = _differing(leaves)
    if not count:
        compared = counted(leaves["compared"], "leaf", "leaves")
        say(f"Each is a leaf of the transparency log, and none of its {compared} is missing.", "dim")
        return
    say(Text.assemble((f"{counted(count, 'decision')} and leaves of the transparency log do not agree:", "bold red")))
    for each in leaves["named"]:
        say(each, indent=2)
    say("A leaf without a row was removed from Postgres, or is a copy: `keytrail verify` says which.", "dim")


def _evaluator(row: Row) -> str:
    return str(row["evaluator"]) if row["evaluator"] else "(no permission asked)"


BY_EVALUATOR = (
    Column("evaluator of then", _evaluator),
    member("decisions", number=True),
    member("decided", heading="different ones", number=True),
    member("mismatches", heading="come out otherwise", number=True),
)
"""Decisions by the version of the evaluator that made them. Decisions that are alike are made again only once."""


def _came_out(found: dict[str, Any]) -> None:
    decisions, otherwise = counted(found["decisions"], "decision"), found["mismatches"]
    gone = " Some are gone, and nothing can be said of them:" if found["gaps"] else ""
    if otherwise:
        say(Text.assemble((f"{otherwise} of {decisions} came out otherwise.", "bold red"), gone))
    else:
        say(Text.assemble(("Every decision came out the same", "bold green"), f": {decisions}.{gone}"))
    if not gone:
        words = "Changes are among them, which stand on the log: `keytrail verify` counts the other calls apart."
        say(words, "dim")


def what_if(
    key: Annotated[
        str | None,
        Argument(
            name="key-or-principal",
            help="Whose policy the draft is: a key (id, ARN or alias/NAME), or a user, group or role",
        ),
    ] = None,
    policy: Annotated[Path | None, Option(help="The file with the draft, a policy document")] = None,
    principal: Annotated[
        str | None,
        Option(value="WHO", help="Whose policy the draft is: bob, role/app, or the ARN of a user, group or role"),
    ] = None,
    policy_name: Annotated[
        str, Option(value="NAME", help="The inline policy that the draft replaces or adds")
    ] = "draft",
    grant: Annotated[
        str | None, Option(value="GRANT_ID", help="A grant of the key: what if it had been revoked?")
    ] = None,
    since: Since = None,
    until: To = None,
    calls: Annotated[bool, Option("--calls", help="List the calls as well")] = False,
    trail: OfTrail = None,
    go_on: Annotated[Path | None, Option(help="Go on with an interrupted run: the file that it wrote")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What a draft of a policy would have done: every logged call is decided again with the draft in place. Ctrl-C keeps
    what was found so far."""
    if key is None and principal is None:
        fail("Name a key, or a --principal with the draft of its policy (--policy FILE).", 2)
    if policy is None and grant is None:
        fail("Name the draft (--policy FILE), or the grant that would have been revoked (--grant).", 2)
    times, client = times_or_fail(), Client(data)
    span = said(lambda: times.span(since, until))
    if key is not None and principal is None and kind_of(client, key, trail) == "principals":
        key, principal = None, key
    body: dict[str, Any] = {
        "key": key,
        "principal": principal,
        "grant": grant,
        **span.parameters,
        "calls": calls,
        "trail": trail,
    }
    if policy is not None:
        body |= {"policy": read_or_fail(policy), "policy_name": policy_name}
    words = [since, until]
    kept = _kept(go_on, body, words)
    body |= {name: kept["asked"][name] for name in ("from", "to") if "asked" in kept}
    last: dict[str, Any] = {}
    with progress_bar() as progress:
        task = progress.add_task("deciding again", total=None)
        try:
            for line in client.lines("/v1/what-if", body | {"after": kept["through"]}, trail=trail):
                if "flipped" in line:
                    as_line(line["flipped"])
                    continue
                last = line
                progress.update(task, completed=line["done"], total=line["of"])
        except KeyboardInterrupt:
            _keep(body, words, kept, last)
    if not last.get("end"):
        fail("The answer ended before its result. Try again.")
    found = _added(kept["result"], last["result"])
    if as_json:
        as_line(found)
        return
    say(
        Text.assemble(
            f"{counted(found['decisions'], 'decision')} decided again: ",
            (str(found["flipped"]), "bold"),
            " come out otherwise",
            f", {found['unknown']} cannot be known ({UNKNOWN_OF_TRAIL if trail else UNKNOWN_OF_LOG})"
            if found["unknown"]
            else "",
        )
    )
    columns = (
        member("calls", number=True),
        Column("who", lambda row: names.short(row["principal"], client.account), leads=True),
        member("operation", heading="what", leads=True),
        member("effect", heading="", leads=True),
        Column("why", lambda row: short_words(row["decided_by"], client.account), wraps=True),
        Column("first", lambda row: times.shown(row["first"])),
        Column("last", lambda row: times.shown(row["last"])),
    )
    print_rows(found["groups"], columns, "(nothing would have been different)")
    tell_of_the_beginning(client, times)


def short_words(text: str, account: str) -> str:
    """An answer's text about what decided, with a shortened ARN."""
    policy, statement, rest = text.partition(" statement ")
    return f"{names.short(policy, account)}{statement}{rest}" if statement else text.replace("-", " ")


def _kept(go_on: Path | None, body: dict[str, Any], words: list[str | None]) -> dict[str, Any]:
    """What an earlier run found, if this run continues it. "7d" keeps the meaning that it had then."""
    nothing = {"through": None, "result": {"decisions": 0, "flipped": 0, "unknown": 0, "groups": []}}
    if go_on is None:
        return nothing
    try:
        found: Any = json.loads(read_or_fail(go_on))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("asked"), dict):
        fail(f"{go_on} was not written by an interrupted `keytrail what-if`.", 2)
    span = {name: found["asked"].get(name) for name in ("from", "to")}
    if found["asked"] != body | span or found.get("words") != words:
        fail(f"{go_on} belongs to another question.", 2)
    kept: dict[str, Any] = found
    return kept


def _keep(body: dict[str, Any], words: list[str | None], kept: dict[str, Any], last: dict[str, Any]) -> None:
    if "through" not in last:
        fail("It was stopped before it found anything.")
    path = Path(f"what-if-{last['through']}.json")
    found = {
        "asked": body,
        "words": words,
        "through": last["through"],
        "result": _added(kept["result"], last["result"]),
    }
    write_private(path, json.dumps(found))
    fail(f"Stopped after {found['result']['decisions']} decisions; the same command with --go-on {path} goes on.")


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Adds up two parts of one result."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in (*one["groups"], *other["groups"]):
        name = tuple(each[part] for part in ("principal", "operation", "effect", "decided_by"))
        held = groups.get(name)
        if held is None:
            groups[name] = dict(each)
        else:
            held["calls"] += each["calls"]
            held["first"], held["last"] = min(held["first"], each["first"]), max(held["last"], each["last"])
    counts = {name: one[name] + other[name] for name in ("decisions", "flipped", "unknown")}
    return counts | {"groups": sorted(groups.values(), key=lambda each: -each["calls"])}


def _explain(mismatch: dict[str, Any], account: str) -> None:
    say(
        Text.assemble(
            (f"{mismatch['calls']} calls", "red"),
            f" of {mismatch['operation']} by {names.short(mismatch['principal'], account)} at @{mismatch['seen']}, "
            f"the first {mismatch['first']}",
        )
    )
    for name, words in (("on_record", "on record"), ("now", "now")):
        say(f"{words}: {json.dumps(mismatch[name])}", indent=2)
    for difference in mismatch["differences"]:
        say(str(difference), indent=2)

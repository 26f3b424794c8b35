"""who-can, can-what: who could do what with a key, by which path and under which conditions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from domain.keys.states import KEY_ACTIONS
from domain.policy import unseen
from services.cli.calls import tell_of_the_beginning
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, At, Data, From, KeyArgument, Most, OfTrail, To
from services.cli.parameters import Argument, Option
from services.cli.tables import Column, Row, print_rows
from services.cli.terminal import as_line, progress_bar, said, say, times_or_fail
from services.cli.times import Span, Times
from services.wording import names

Between = Annotated[
    tuple[str, str] | None,
    Option(help="What earlier versions called --from and --to", hidden=True),
]
OldestFirst = Annotated[bool, Option("--reverse", help="With --from: the oldest change comes first")]


def who_can(
    action: Annotated[
        str, Argument(help="For example kms:Decrypt. ReEncrypt is two: kms:ReEncryptFrom and kms:ReEncryptTo")
    ],
    key: KeyArgument,
    at: At = None,
    since: From = None,
    until: To = None,
    between: Between = None,
    reverse: OldestFirst = False,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Everyone who could call an operation on a key: the statement or grant that lets each one in, and the conditions that
    still have to be met. With --from (and --to): who gained and who lost the permission, when, and by whose change."""
    client, times = Client(data), times_or_fail()
    span = _span(times, at, since, until, between)
    if span is not None:
        _between(client, f"/v1/who-could/{key}", span, times, as_json, reverse, action=action, trail=trail)
        return
    found = client.get(f"/v1/who-can/{key}", action=action, at=said(lambda: times.at(at)), trail=trail)
    if as_json:
        as_line(found)
        return
    when = f"@{found['position']} ({times.shown(found['at'])})"
    say(f"{found['action']} on {key} as of {when}", "dim")
    columns = (
        Column("who", lambda row: _who(row["principal"], client.account), leads=True),
        Column("kind", lambda row: row["kind"], leads=True),
        Column("by", lambda row: _by(row["path"], client.account), leads=True),
        Column("only", lambda row: names.shortened(_conditions(row["path"]["open"]), client.account), wraps=True),
        Column("unless", lambda row: names.shortened(_unless(row), client.account), wraps=True),
    )
    rows = [row | {"path": path} for row in found["items"] for path in row["paths"]]
    print_rows(rows, columns, f"(nobody could call {found['action']} on {key} as of {when})")


A_SESSION = "/session"
"""The end of the name by which an answer means every session of a role."""


def _who(principal: str, account: str) -> str:
    """Names a role itself: what is true of the role is true of each of its sessions."""
    name = names.short(principal, account)
    return name.removesuffix(A_SESSION).replace("assumed-role/", "role/", 1) if name.endswith(A_SESSION) else name


def _unless(row: Row) -> str:
    return "; ".join(_conditions(each["open"]) for each in row["unless"])


def _span(
    times: Times, at: str | None, since: str | None, until: str | None, between: tuple[str, str] | None
) -> Span | None:
    """The two moments that the question is about; None if it is about one moment."""
    first, last = between if between is not None else (since, until)
    if first is None and last is None:
        return None
    if at is not None:
        fail("--at and --from exclude each other: --at is one moment, --from and --to are two.", 2)
    if first is None:
        fail("--to needs --from.", 2)
    return said(lambda: times.moments(first, last))


def _by(path: dict[str, Any], account: str) -> str:
    by = names.statement(path["by"], account)
    return f"{by} (delegated by {names.statement(path['delegation'], account)})" if "delegation" in path else by


def _conditions(found: list[dict[str, Any]]) -> str:
    return " and ".join(_condition(each) for each in found)


def _condition(shown: dict[str, Any]) -> str:
    wanted = "|".join(map(str, shown["wanted"]))
    return f"(not known: {wanted})" if shown["key"] == unseen.KEY else f"{shown['key']} {shown['operator']} {wanted}"


def can_what(
    principal: Annotated[str, Argument(help="Who: bob, role/app, or the ARN of a user, role, session or root")],
    at: At = None,
    since: From = None,
    until: To = None,
    between: Between = None,
    reverse: OldestFirst = False,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """Every key that a principal could use, and for what. With --from (and --to): what the principal gained and lost."""
    client, times = Client(data), times_or_fail()
    span = _span(times, at, since, until, between)
    if span is not None:
        _between(client, f"/v1/could-what/{principal}", span, times, as_json, reverse, trail=trail)
        return
    items = client.items(f"/v1/can-what/{principal}", most, at=said(lambda: times.at(at)), trail=trail)
    if as_json:
        for item in items:
            as_line(item)
        return
    columns = (
        Column("key", names.key_of, lambda row: names.key_of(row, whole=False), leads=True),
        Column("for sure", lambda row: _every(row["operations"]), wraps=True),
        Column("under conditions", lambda row: "; ".join(_under(row["under_conditions"])), wraps=True),
    )
    print_rows(items, columns, f"({principal} could do nothing with any key by itself)")
    if roles := client.first_page.get("roles"):
        say(f"{principal} could also assume a role, and then do what the role could:")
        asked = {"--at": at, "--trail": trail}
        more = "".join(f" {name} {shlex.quote(value)}" for name, value in asked.items() if value)
        print_rows((row | {"path": path} for row in roles for path in row["paths"]), _roles(client.account, more), "")


def _roles(account: str, more: str) -> tuple[Column, ...]:
    """`more`: the options of this question, for the command that asks the next one."""
    return (
        Column("role", lambda row: names.short(row["principal"], account), leads=True),
        Column("by", lambda row: _by(row["path"], account), leads=True, wraps=True),
        Column("only", lambda row: names.shortened(_conditions(row["path"]["open"]), account), wraps=True),
        Column("unless", lambda row: names.shortened(_unless(row), account), wraps=True),
        Column("what it could", lambda row: f"keytrail can-what {names.short(row['principal'], account)}{more}"),
    )


def _every(operations: list[str]) -> str:
    return "everything (kms:*)" if len(operations) == len(KEY_ACTIONS) else ", ".join(operations)


def _under(operations: dict[str, Any]) -> Iterator[str]:
    """Groups the operations by their conditions."""
    found: dict[str, list[str]] = {}
    for name, told in operations.items():
        found.setdefault(_conditions(told["paths"][0]["open"]) or "unless denied", []).append(name)
    for conditions, those in found.items():
        yield f"{', '.join(those)}: {conditions}"


def _between(
    client: Client, path: str, span: Span, times: Times, as_json: bool, reverse: bool, **parameters: Any
) -> None:
    """Prints the changes: a bar during the search, then a table. With --json, each change as it is found."""
    rows: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    with progress_bar() as progress:
        task = progress.add_task("following the changes", total=None)
        for line in client.lines(path, **parameters, **span.parameters):
            if as_json and ("change" in line or "result" in line):
                as_line(line)
            if "done" in line:
                progress.update(task, completed=line["done"], total=line["of"])
            result = line.get("result", result)
            if "change" in line:
                rows.append(line)
    if as_json:
        return
    columns = (
        Column("at", lambda row: times.shown(row["change"].get("at")), leads=True),
        Column("who", lambda row: names.short(row["change"]["principal"], client.account), leads=True),
        Column(
            "change",
            lambda row: names.summary(row["change"], client.account) or row["change"]["operation"],
            leads=True,
            wraps=True,
        ),
        Column("key", names.key_of, lambda row: names.key_of(row, whole=False)),
        *(Column(name, _of(name, client), wraps=True) for name in ("gained", "lost")),
        Column("changed", lambda row: "; ".join(otherwise(row, client.account)), wraps=True),
        Column("call", lambda row: row["change"].get("call_id"), spare=True),
    )
    print_rows(rows if reverse else rows[::-1], columns, f"(nothing changed {times.between(span)})")
    tell_of_the_beginning(client, times)
    if result.get("gained") or result.get("lost"):
        say(f"In sum, {times.between(span)}: + gained, - lost", "dim")
    for name, sign, shade in (("gained", "+", "green"), ("lost", "-", "red")):
        for each in result.get(name, ()):
            say(f"{sign} {_who(each, client.account)}", shade)


def otherwise(row: Row, account: str) -> Iterator[str]:
    """The principals (or operations) with access before and after the change, and how that access changed."""
    found: dict[str, list[str]] = {}
    for each in row["changed"]:
        if isinstance(each, dict):
            name, before, now = _who(each["principal"], account), each.get("before"), each
        else:
            both = row.get("otherwise", {}).get(each, {})
            name, before, now = each.removeprefix("kms:"), both.get("before"), both.get("now")
        words = "" if before is None or now is None else "; ".join(_ways(before, now, account))
        found.setdefault(words, []).append(name)
    for words, those in found.items():
        yield ", ".join(those) + (f": {words}" if words else "")


def _ways(before: dict[str, Any], now: dict[str, Any], account: str) -> Iterator[str]:
    """The statements and grants that give access only now, and those that gave it only before. Their versions do not matter."""
    if before["for_sure"] and not before["paths"]:
        yield "no longer whatever the request says"
    if now["for_sure"] and not now["paths"]:
        yield "now whatever the request says"
    had, has = ({_way(each): each for each in told["paths"]} for told in (before, now))
    for sign, some, others in (("also by", has, had), ("no longer by", had, has)):
        for name, path in some.items():
            if name not in others:
                asked = _conditions(path["open"])
                yield names.shortened(f"{sign} {_by(path, account)}{f' if {asked}' if asked else ''}", account)
    kept, keeps = ({json.dumps(each["open"]): each for each in told["unless"]} for told in (before, now))
    for sign, some, others in (("now refused if", keeps, kept), ("no longer refused if", kept, keeps)):
        for name, each in some.items():
            if name not in others:
                yield names.shortened(f"{sign} {_conditions(each['open'])}", account)


def _way(path: dict[str, Any]) -> str:
    by = {name: value for name, value in path["by"].items() if name not in ("version", "position", "index")}
    return json.dumps([by, "delegation" in path, path["open"]], sort_keys=True)


def _of(name: str, client: Client) -> Callable[[Row], str]:
    """A cell with the operations or the principals that a change let in or kept out."""

    def cell(row: Row) -> str:
        found = [each["principal"] if isinstance(each, dict) else each for each in row[name]]
        return _every([_who(each, client.account) for each in found])

    return cell

"""who-can, can-what: who could do what with a key, by which path and under which conditions."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from domain.cloudtrail import unseen
from services.cli.client import Client
from services.cli.terminal import AsJson, Data, Most, OfTrail, as_line, fail, out, progress_bar

At = Annotated[str | None, typer.Option(help="As of a time (RFC 3339) or a @position; now where left out")]
Between = Annotated[
    tuple[str, str] | None,
    typer.Option(help="Two moments, each a time or a @position: what changed from one to the other"),
]


def who_can(
    action: Annotated[str, typer.Argument(help="kms:Decrypt, for instance; kms:ReEncryptFrom or kms:ReEncryptTo")],
    key: Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")],
    at: At = None,
    between: Between = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Everyone who could: the statement or grant that lets each in, and the conditions that are still open. With --between,
    who gained and who lost, when, by which change and whose."""
    if between is not None:
        _between(Client(data), f"/v1/who-could/{key}", at, between, as_json, action=action, trail=trail)
        return
    found = Client(data).get(f"/v1/who-can/{key}", action=action, at=at, trail=trail)
    if as_json:
        as_line(found)
        return
    out.print(f"{found['action']} as of @{found['position']} ({found['at']})", style="dim")
    table = Table("principal", "kind", "by", "only", "unless", box=None, header_style="bold", pad_edge=False)
    for row in found["items"]:
        for number, path in enumerate(row["paths"]):
            who = (row["principal"], row["kind"]) if number == 0 else ("", "")
            unless = "; ".join(_conditions(each["open"]) for each in row["unless"]) if number == 0 else ""
            table.add_row(*who, _by(path), _conditions(path["open"]), unless)
    out.print(table if found["items"] else "nobody")


def _by(path: dict[str, Any]) -> str:
    by = _statement(path["by"])
    return f"{by} (delegated by {_statement(path['delegation'])})" if "delegation" in path else by


def _statement(by: dict[str, Any]) -> str:
    if "grant" in by:
        return f"grant {by['grant'][:12]}…"
    if "policy" not in by:
        return f"{by['kind']} of the other account"
    name = by["policy"].rpartition("/")[2] if by["kind"] != "key-policy" else f"key policy v{by['version']}"
    return f"{name} statement {by['index']}" + (f" {by['sid']!r}" if by["sid"] else "")


def _conditions(found: list[dict[str, Any]]) -> str:
    return " and ".join(_condition(each) for each in found)


def _condition(shown: dict[str, Any]) -> str:
    wanted = "|".join(map(str, shown["wanted"]))
    return f"(not known: {wanted})" if shown["key"] == unseen.KEY else f"{shown['key']} {shown['operator']} {wanted}"


def can_what(
    principal: Annotated[str, typer.Argument(help="ARN of a user, role, session or root")],
    at: At = None,
    between: Between = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """Every key that a principal could do something with, and what. With --between, what it gained and lost."""
    if between is not None:
        _between(Client(data), f"/v1/could-what/{principal}", at, between, as_json, trail=trail)
        return
    items = Client(data).items(f"/v1/can-what/{principal}", most, at=at, trail=trail)
    if as_json:
        for item in items:
            as_line(item)
        return
    table = Table("key", "for sure", "under conditions", box=None, header_style="bold", pad_edge=False)
    for item in items:
        under = [
            f"{name}: {_conditions(told['paths'][0]['open']) or 'unless denied'}"
            for name, told in item["under_conditions"].items()
        ]
        table.add_row(item["key_id"], ", ".join(item["operations"]), "\n".join(under))
    out.print(table if table.row_count else "nothing")


def _between(
    client: Client, path: str, at: str | None, between: tuple[str, str], as_json: bool, **parameters: Any
) -> None:
    """Changes as they are found: with a bar while they are looked for, a table at the end."""
    if at is not None:
        fail("--at and --between exclude each other", 2)
    table = Table("when", "change", "by", "what", box=None, header_style="bold", pad_edge=False)
    result: dict[str, Any] = {}
    with progress_bar() as progress:
        task = progress.add_task("following the changes", total=None)
        for line in client.lines(path, **parameters, **{"from": between[0], "to": between[1]}):
            if as_json and ("change" in line or "result" in line):
                as_line(line)
            if "done" in line:
                progress.update(task, completed=line["done"], total=line["of"])
            result = line.get("result", result)
            if "change" in line:
                change = line["change"]
                where = f"on {line['key_id']} " if "key_id" in line else ""
                summary = change.get("summary", change["operation"])
                for name, colour in (("gained", "green"), ("lost", "red"), ("changed", "yellow")):
                    if line[name]:
                        names = ", ".join(str(_name(each)) for each in line[name])
                        who = Text.assemble(where, (name, colour), f" {names}")
                        table.add_row(change["at"], summary, change["principal"], who)
    if as_json:
        return
    out.print(table if table.row_count else "nothing changed")
    for name, sign in (("gained", "+"), ("lost", "-")):
        for each in result.get(name, ()):
            out.print(f"{sign} {each}")


def _name(each: Any) -> Any:
    """An operation, or the principal of a row."""
    return each["principal"] if isinstance(each, dict) else each

"""decisions, last-use, unused: calls by any field, counted, exported; what was used last, and what never."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.keys.states import KEY_ACTIONS
from projections.decisions.queries import FIELDS
from services.cli import names
from services.cli.calls import EXPLAINED, asked_for, of_calls, print_calls
from services.cli.client import Client
from services.cli.references import kind_of
from services.cli.result_files import BY_NAME, Export, OfExport, asked_format, write_calls
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import (
    AsJson,
    Data,
    Errors,
    Force,
    Most,
    MostOfAll,
    OfTrail,
    Reverse,
    as_line,
    err,
    fail,
    said,
    say,
    settings_or_fail,
    times_or_fail,
)
from services.cli.times import From, Times, To
from services.exports.formats import CallFormat
from services.questions.nearest import in_words, nearest

MOST_COUNTED = 1000
"""Rows of --by, where --limit does not say how many."""
WHERE = f"""FIELD=VALUE, * for any characters; may be repeated. Fields: {", ".join(FIELDS)}, encryption_context
(NAME=VALUE)"""


def decisions(
    key: Annotated[str | None, typer.Option(help="id, ARN or alias of a key")] = None,
    principal: Annotated[
        str | None, typer.Option(help="Who called: bob, role/app, an ARN; * for any characters")
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Encrypt, for instance")] = None,
    effect: Annotated[str | None, typer.Option(help="allowed or refused")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help=WHERE),
    ] = None,
    since: From = None,
    until: To = None,
    by: Annotated[
        str | None, typer.Option(help="Count them: principal,operation for instance; key, hour, day or any field")
    ] = None,
    errors: Errors = False,
    reverse: Reverse = False,
    trail: OfTrail = None,
    export: Export = None,
    form: OfExport = None,
    force: Force = False,
    as_json: AsJson = False,
    most: MostOfAll = None,
    data: Data = None,
) -> None:
    """Every call of KMS, IAM and STS, what was answered, and which statement or rule decided it; the newest first. Of
    questions to the audit API, such as this one, those that were refused are here too."""
    times = times_or_fail()
    span = said(lambda: times.span(since, until))
    form = asked_format(export, form, BY_NAME)
    asked: dict[str, str | None] = {"operation": operation, "principal": principal, "key": key, "effect": effect}
    asked |= fields_or_fail(where)
    wanted = {**asked, **span.parameters, "trail": trail}
    client = Client(data)
    if by is not None:
        if export is not None:
            fail("--by and --export exclude each other.", 2)
        found = client.get("/v1/decisions/counts", by=by, limit=most or MOST_COUNTED, **wanted)
        client.began = found.get("began")
        columns = (*(counted_by(name, client, times) for name in by.split(",")), *_counts(times))
    else:
        columns = of_calls(times, client, texts=errors)
    nothing = asked_for("no decisions", span, times, **asked, trail=trail)
    if by is not None:
        print_calls(iter(found["items"]), columns, client, nothing, times, as_json=as_json)
        if len(found["items"]) == MOST_COUNTED and most is None:
            words = f"These are the {MOST_COUNTED} that came most often: there may be more. Ask of less, by --from or a filter."
            say(words, "yellow", screen=err)
        return
    list_calls(
        "/v1/decisions", client, wanted, columns, nothing, times,
        most=most, reverse=reverse, export=export, form=form, force=force, as_json=as_json,
    )  # fmt: skip


def fields_or_fail(where: list[str] | None) -> dict[str, str | None]:
    """What --where says: values by their fields."""
    found: dict[str, str | None] = {}
    for each in where or ():
        name, equals, value = each.partition("=")
        if not equals or name not in (*FIELDS, "encryption_context"):
            near = in_words(nearest(name, FIELDS))
            fail(f"--where is FIELD=VALUE; a field is one of {', '.join(FIELDS)}, encryption_context.{near}", 2)
        found[name] = value
    return found


def list_calls(
    path: str,
    client: Client,
    wanted: dict[str, str | None],
    columns: tuple[Column, ...],
    nothing: str,
    times: Times,
    *,
    most: int | None,
    reverse: bool,
    export: Path | None,
    form: CallFormat | None,
    force: bool,
    as_json: bool,
) -> None:
    """People read the newest first; machines and exports get what is asked for in the order of time. Of more than --limit
    takes, they get the newest like people."""
    machine = as_json or export is not None
    inputs = {} if export is None else {"inputs": "true"}
    turned = machine and most is not None and not reverse
    newest_first = turned or reverse is machine
    items = client.items(path, most, **inputs, order="newest" if newest_first else None, **wanted)
    if turned:
        items = reversed(list(items))
    if export is not None and form is not None:
        write_calls(items, export, form, settings_or_fail().region, force=force)
        return
    below = "" if wanted["trail"] else EXPLAINED  # a trail's calls were decided elsewhere
    print_calls(items, columns, client, nothing, times, as_json=as_json, below=below)


def counted_by(name: str, client: Client, times: Times) -> Column:
    """The column of what calls are counted by."""
    match name:
        case "principal" | "decided_by":
            return Column(name.replace("_", " "), lambda row: names.short(row[name], client.account), leads=True)
        case "hour" | "day":
            return Column(name, lambda row: times.shown(row[name]), leads=True)
        case "key":
            return Column(name, lambda row: _counted_key(row), lambda row: _counted_key(row, whole=False), leads=True)
    return member(name, leads=True)


def _counted_key(row: Row, *, whole: bool = True) -> str:
    """Of calls that concern no key the count has none."""
    return names.key_of({**row, "key_id": row["key"]}, whole=whole) or "(no key)"


def _counts(times: Times) -> tuple[Column, ...]:
    return (
        member("calls", number=True),
        member("refused", number=True),
        Column("first", lambda row: times.shown(row["first"])),
        Column("last", lambda row: times.shown(row["last"])),
    )


def last_use(
    key: Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")],
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """When a key was last used, for what and by whom."""
    client, times = Client(data), times_or_fail()
    found = client.get(f"/v1/keys/{key}/last-use", trail=trail)
    if as_json:
        as_line(found)
        return
    made = times.shown(found["created_at"])
    since = f"it was made: {made}" if made else "the record began; when it was made is not known"
    columns = (
        member("operation", heading="what", leads=True),
        member("calls", number=True),
        Column("last", lambda row: times.shown(row["last"]), leads=True),
        Column("who", lambda row: names.short(row["principal"], client.account), leads=True),
        member("call_id", heading="call"),
    )
    print_rows(found["by_operation"], columns, f"(no use of {key} since {since})")


NOT_COUNTED = (
    "not counted: whether that was used is not looked at here. `keytrail decisions --principal NAME` has calls of IAM and STS; "
    "an answered question of an auditor leaves no record"
)


def unused(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="key-or-principal",
            help="A key (id, ARN or alias/NAME), or a user or role: its own policies; everything where left out",
        ),
    ] = None,
    principal: Annotated[str | None, typer.Option(help="The user or role, said so")] = None,
    days: Annotated[int | None, typer.Option(help="How far back a use counts: 90 days where left out", min=1)] = None,
    since: From = None,
    until: To = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """What the statements and grants in force allow, and nobody used: of a key, of a principal, or of the installation."""
    if days is not None and since is not None:
        fail("--days and --from exclude each other.", 2)
    if key is not None and principal is not None:
        fail("Name a key or a --principal, not both.", 2)
    client, times = Client(data), times_or_fail()
    span = said(lambda: times.span(since, until))
    if key is not None and kind_of(client, key, trail) == "principals":
        key, principal = None, key
    pages = _unused_pages(client, {"key": key, "principal": principal, "days": days, "trail": trail, **span.parameters})
    first = next(pages)
    rows = islice(chain(first["items"], (row for page in pages for row in page["items"])), most)
    if as_json and (key is not None or principal is not None):
        as_line(first | {"items": list(rows)})
        return
    if as_json:
        for row in rows:
            as_line({name: first[name] for name in ("since", "until", "began")} | row)
        return
    asked = since is not None or days is not None
    say(_looked_at(first, times, asked=asked), "dim")
    if "unknown" in first:
        words = f"not known, and so not counted, is what was before the trail began: {first['unknown']}"
        say(f"{words}; `{first['settled_by']}` settles it", "yellow")
    columns = (
        Column("of", lambda row: names.key_of(row) or names.short(row.get("principal"), client.account), leads=True),
        Column("allowed by", lambda row: _allowed_by(row["by"], client.account), leads=True),
        Column("never used", lambda row: _unused_actions(row), wraps=True),
        Column("used", _used, wraps=True),
        Column("not counted", lambda row: ", ".join(row.get("not_counted", ())), wraps=True),
        Column(
            "never came",
            lambda row: ", ".join(names.short(each, client.account) for each in row["principals_unused"]),
            wraps=True,
        ),
    )
    known = "known " if "unknown" in first else ""
    nothing = f"(no {known}statement or grant of {key or 'this account'} allows anything)"
    if principal is not None:
        nothing = (
            f"(no {known}policy of {principal} allows anything; keytrail can-what {principal} has what keys let it do)"
        )
    beside = Beside(rows)
    print_rows(beside, columns, nothing)
    if beside.met:
        say(NOT_COUNTED, "dim")


class Beside:
    """Rows as they go by, and whether one allows what is not counted."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows, self.met = rows, False

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.met = self.met or bool(row.get("not_counted"))
            yield row


def _unused_pages(client: Client, asked: dict[str, Any]) -> Iterator[Any]:
    cursor = None
    while True:
        page = client.get("/v1/unused", cursor=cursor, **asked)
        yield page
        cursor = page["next"]
        if cursor is None:
            return


def _looked_at(found: dict[str, Any], times: Times, *, asked: bool) -> str:
    """The span that was looked at: never one before the record."""
    words = f"uses between {times.shown(found['since'])} and {times.shown(found['until'])}"
    if found["began"] == found["since"]:
        asked_for = "the time asked for" if asked else "90 days"
        return f"{words}: the record begins then, and is shorter than {asked_for}; whether anything was used before is not known"
    return f"{words}; the record begins at {times.shown(found['began'])}"


def _allowed_by(by: dict[str, Any], account: str) -> str:
    if "grant" in by:
        return f"{names.statement(by, account)} to {names.short(by.get('grantee'), account)}"
    return names.statement(by, account)


def _used(row: Row) -> str:
    return ", ".join(f"{action.removeprefix('kms:')} ({use['calls']})" for action, use in row["used"].items())


def _unused_actions(row: Row) -> str:
    """In words where it is everything."""
    if not row["unused"]:
        return ""
    used = [each.removeprefix("kms:") for each in row["used"]]
    if len(row["unused"]) + len(used) >= len(KEY_ACTIONS):
        return f"everything but {', '.join(used)}" if used else "everything (kms:*)"
    return ", ".join(each.removeprefix("kms:") for each in row["unused"])

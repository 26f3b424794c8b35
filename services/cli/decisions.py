"""decisions: calls, found by any field, counted or exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from projections.decisions.queries import FIELDS
from services.cli.calls import EXPLAINED, asked_for, of_calls, print_calls
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, Errors, Force, From, MostOfAll, OfEffect, OfTrail, Reverse, To
from services.cli.parameters import Option
from services.cli.result_files import BY_NAME, Export, OfExport, asked_format, write_calls
from services.cli.screens import err
from services.cli.tables import Column, Row, member
from services.cli.terminal import said, say, settings_or_fail, times_or_fail
from services.cli.times import Times
from services.exports.formats import CallFormat
from services.questions.nearest import in_words, nearest
from services.wording import names

MOST_COUNTED = 1000
"""How many rows --by shows without --limit."""
Where = Annotated[
    list[str] | None,
    Option(
        value="FIELD=VALUE",
        help="Only calls with this value, in which * is any text. May be repeated. Fields: "
        f"{', '.join(FIELDS)}, encryption_context (NAME=VALUE)",
    ),
]


def decisions(
    key: Annotated[str | None, Option(value="KEY", help="A key: id, ARN or alias/NAME")] = None,
    principal: Annotated[
        str | None, Option(value="WHO", help="Who called: bob, role/app, an ARN; * is any text")
    ] = None,
    operation: Annotated[str | None, Option(value="NAME", help="For example Encrypt")] = None,
    effect: OfEffect = None,
    answerable: Annotated[
        bool, Option("--answerable", help="Leave out questions to the audit API that it could not answer")
    ] = False,
    where: Where = None,
    since: From = None,
    until: To = None,
    by: Annotated[
        str | None,
        Option(
            value="FIELDS",
            help="Count the calls by fields, for example principal,operation: key, hour, day, or any field of --where",
        ),
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
    """Every call of KMS, IAM and STS, whether it was allowed, and which statement or rule decided it. The newest come
    first. Questions to the audit API, such as this one, are listed only if they were refused."""
    times = times_or_fail()
    span = said(lambda: times.span(since, until))
    form = asked_format(export, form, BY_NAME)
    asked: dict[str, str | None] = {"operation": operation, "principal": principal, "key": key, "effect": effect}
    asked |= fields_or_fail(where)
    wanted = {**asked, **span.parameters, "trail": trail, "unanswered": "false" if answerable else None}
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
        if found.get("more") and most is None:
            which = "latest" if {"hour", "day"} & set(by.split(",")) else "most frequent"
            words = f"These are the {MOST_COUNTED} {which}; there are more. Ask for less with --from or a filter."
            say(words, "yellow", screen=err)
        return
    list_calls(
        "/v1/decisions", client, wanted, columns, nothing, times,
        most=most, reverse=reverse, export=export, form=form, force=force, as_json=as_json,
    )  # fmt: skip


def fields_or_fail(where: list[str] | None) -> dict[str, str | None]:
    """The values that --where gives, by field."""
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
    """People get the newest first; machines and exports get the calls in the order of time. If --limit leaves some out,
    everybody gets the newest."""
    machine = as_json or export is not None
    inputs = {"inputs": "true"} if form is not None and form.whole else {}
    turned = machine and most is not None and not reverse
    newest_first = turned or reverse is machine
    items = client.items(path, most, **inputs, order="newest" if newest_first else None, **wanted)
    if turned:
        items = reversed(list(items))
    if export is not None and form is not None:
        write_calls(items, export, form, settings_or_fail().region, force=force)
        return
    below = "" if wanted["trail"] else EXPLAINED  # a trail's calls were not decided here
    print_calls(items, columns, client, nothing, times, as_json=as_json, below=below)


def counted_by(name: str, client: Client, times: Times) -> Column:
    """The column with the field by which calls are counted."""
    match name:
        case "principal" | "decided_by":
            return Column(name.replace("_", " "), lambda row: names.short(row[name], client.account), leads=True)
        case "hour" | "day":
            return Column(name, lambda row: times.shown(row[name]), leads=True)
        case "key":
            return Column(name, lambda row: _counted_key(row), lambda row: _counted_key(row, whole=False), leads=True)
    return member(name, leads=True)


def _counted_key(row: Row, *, whole: bool = True) -> str:
    """The key of a count; calls that concern no key have none."""
    return names.key_of({**row, "key_id": row["key"]}, whole=whole) or "(no key)"


def _counts(times: Times) -> tuple[Column, ...]:
    return (
        member("calls", number=True),
        member("refused", number=True),
        Column("first", lambda row: times.shown(row["first"])),
        Column("last", lambda row: times.shown(row["last"])),
    )

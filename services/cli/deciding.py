"""decisions, last-use, unused: calls by any field, counted, exported; what was used last, and what never."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from projections.decisions.queries import FIELDS
from services.cli.client import Client
from services.cli.terminal import AsJson, Data, Most, OfTrail, as_line, fail, out, progress_bar, settings_or_fail, show
from services.ownership import replacing

WHERE = f"""FIELD=VALUE, * for any characters; may be repeated. Fields: {", ".join(FIELDS)}, encryption_context
(NAME=VALUE)"""


class Format(StrEnum):
    """What decisions are written as."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    OCSF = "ocsf"
    CLOUDTRAIL = "cloudtrail"


def decisions(
    key: Annotated[str | None, typer.Option(help="id, ARN or alias of a key")] = None,
    principal: Annotated[str | None, typer.Option(help="ARN of who called")] = None,
    operation: Annotated[str | None, typer.Option(help="Encrypt, for instance")] = None,
    effect: Annotated[str | None, typer.Option(help="allowed or refused")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help=WHERE),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="A time or @position")] = None,
    until: Annotated[str | None, typer.Option("--to", help="A time or @position")] = None,
    by: Annotated[
        str | None, typer.Option(help="Count them: principal,operation for instance; key, hour, day or any field")
    ] = None,
    trail: OfTrail = None,
    export: Annotated[Path | None, typer.Option(help="Write them to a file; - for the output")] = None,
    form: Annotated[Format, typer.Option("--format", help="Of the export")] = Format.JSON,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:  # fmt: skip
    """Every call, what was answered, and which statement or rule decided it."""
    wanted = {
        "key": key,
        "principal": principal,
        "operation": operation,
        "effect": effect,
        "from": since,
        "to": until,
        "trail": trail,
    }
    for each in where or ():
        name, equals, value = each.partition("=")
        if not equals or name not in (*FIELDS, "encryption_context"):
            fail(f"--where is FIELD=VALUE; a field is one of {', '.join(FIELDS)}, encryption_context.", 2)
        wanted[name] = value
    client = Client(data)
    if by is not None:
        if export is not None:
            fail("--by and --export exclude each other.", 2)
        found = client.get("/v1/decisions/counts", by=by, limit=most or 1000, **wanted)["items"]
        show(found, (*by.split(","), "calls", "refused", "first", "last"), as_json, "no decisions")
    elif export is not None:
        _export(client.items("/v1/decisions", most, inputs="true", **wanted), export, form, settings_or_fail().region)
    else:
        columns = ("at", "principal", "operation", "key_id", "effect", "kind", "decided_by", "sid", "error")
        show(client.items("/v1/decisions", most, **wanted), columns, as_json, "no decisions")


def _export(items: Iterator[Any], path: Path, form: Format, region: str) -> None:
    if form is Format.PARQUET and str(path) == "-":
        fail("Parquet is written to a file.", 2)
    # The exports' libraries take a second to load: only who exports waits for them.
    from services.exports.flat import csv_lines, write_parquet

    with progress_bar() as progress:
        task = progress.add_task("exporting", total=None)
        counted = _counted(items, lambda: progress.advance(task))
        try:
            if form is Format.PARQUET:
                with replacing(path) as place:
                    write_parquet(counted, place)
                return
            lines = csv_lines(counted) if form is Format.CSV else _lines(counted, form, region)
            if str(path) == "-":
                sys.stdout.writelines(lines)
            else:
                with replacing(path) as place, place.open("w", encoding="utf-8", newline="") as written:
                    written.writelines(lines)
        except OSError as fault:
            fail(f"{path} cannot be written: {fault}")


def _counted(items: Iterator[Any], count: Callable[[], None]) -> Iterator[Any]:
    for item in items:
        yield item
        count()


def _lines(items: Iterator[Any], form: Format, region: str) -> Iterator[str]:
    """A JSON object a line."""
    from services.exports.cloudtrail import record_of
    from services.exports.ocsf import event_of

    own = version("keytrail")
    for item in items:
        match form:
            case Format.OCSF:
                item = event_of(item, region, own)
            case Format.CLOUDTRAIL:
                item = record_of(item, region)
        yield json.dumps(item, separators=(",", ":")) + "\n"


def last_use(
    key: Annotated[str, typer.Argument(help="A key: id, ARN or alias/NAME")],
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """When a key was last used, for what and by whom."""
    found = Client(data).get(f"/v1/keys/{key}/last-use", trail=trail)
    if as_json:
        as_line(found)
        return
    empty = f"never used since it was made ({found['created_at'] or 'before the log'})"
    show(found["by_operation"], ("operation", "calls", "last", "principal", "call_id"), False, empty)


def unused(
    key: Annotated[str | None, typer.Argument(help="A key: id, ARN or alias/NAME")] = None,
    principal: Annotated[str | None, typer.Option(help="Or the ARN of a user or role: its own policies")] = None,
    days: Annotated[int, typer.Option(help="How far back a use counts, from a trail's end on", min=1)] = 90,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What the statements and grants in force allow, and nobody used."""
    found = Client(data).get("/v1/unused", key=key, principal=principal, days=days, trail=trail)
    if as_json:
        as_line(found)
        return
    out.print(f"since {found['since']}", style="dim")
    rows = []
    for each in found["items"]:
        by = each["by"]
        name = by.get("policy") or f"grant {by.get('grant', '')[:12]}… to {by.get('grantee')}"
        where = f" statement {by['index']} {by['sid']!r}" if "index" in by else ""
        rows.append(
            {
                "allowed by": name.rpartition("/")[2] + where,
                "used": ", ".join(
                    f"{action.removeprefix('kms:')} ({use['calls']})" for action, use in each["used"].items()
                ),
                "never used": ", ".join(action.removeprefix("kms:") for action in each["unused"]),
                "never came": ", ".join(each["principals_unused"]),
            }
        )
    if "unknown" in found:
        words = f"not known, and so not counted, is what was before the trail began: {found['unknown']}"
        out.print(f"{words}; `{found['settled_by']}` settles it", style="yellow")
    empty = "nothing is known to be allowed" if "unknown" in found else "nothing is allowed"
    show(rows, ("allowed by", "used", "never used", "never came"), False, empty)

"""changes: who changed access, and what each change let in and took away."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, assert_never

from services.cli.calls import before_the_record, tell_of_the_beginning
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, Force, From, MostOfAll, OfTrail, Reverse, To
from services.cli.parameters import Argument, Option
from services.cli.references import kind_of
from services.cli.result_files import asked_format, target_or_fail, write_lines, wrote
from services.cli.screens import err
from services.cli.tables import Column, Row, print_rows
from services.cli.terminal import as_line, counted, progress_bar, say, settings_or_fail
from services.cli.times import BadTime, Span, Times
from services.wording.change_words import besides, exact, sentences, subject
from services.wording.names import short


class ChangeFormat(StrEnum):
    """The formats of a list of changes."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


BY_NAME = {
    ".csv": ChangeFormat.CSV,
    ".html": ChangeFormat.HTML,
    ".htm": ChangeFormat.HTML,
    ".json": ChangeFormat.JSON,
    ".jsonl": ChangeFormat.JSON,
    ".ndjson": ChangeFormat.JSON,
}
CSV = (
    "time", "position", "by", "access key", "from", "operation", "call", "kind", "what", "keys", "about", "let in",
    "took away", "besides",
)  # fmt: skip
EXACT = "exact"
"""The column that --detail adds: the findings as the API returns them."""
HTML = ("When", "Who", "Did", "To what", "Let in", "Took away", "Besides", "Call")


def changes(
    of: Annotated[
        str | None,
        Argument(
            name="key-or-principal",
            help="A key (id, ARN or alias/NAME) or a principal (bob, role/app or an ARN). Default: everything",
        ),
    ] = None,
    since: From = None,
    until: To = None,
    trail: OfTrail = None,
    detail: Annotated[bool, Option("--detail", help="Name every operation, and how it was answered before and after")] = False,
    export: Annotated[
        Path | None, Option("--export", help="Write them to a file, .csv, .html or .json; - is the standard output")
    ] = None,
    form: Annotated[
        ChangeFormat | None,
        Option(
            "--format", value="FORMAT", help="The format of the export: json, csv or html. Default: as the file's name ends"
        ),
    ] = None,
    force: Force = False,
    reverse: Reverse = False,
    as_json: AsJson = False,
    most: MostOfAll = None,
    data: Data = None,
) -> None:  # fmt: skip
    """Who changed who may do what (policies, grants, users, groups, roles), and what each change let in and took away. The
    newest first."""
    settings = settings_or_fail(data=data)
    times = Times(settings.time_zone)
    try:
        span = times.span(since, until)
    except BadTime as fault:
        fail(f"{fault}.", 2)
    form = asked_format(export, form, BY_NAME)
    if export is not None:
        target_or_fail(export, force=force)
    asked: dict[str, Any] = {**span.parameters, "trail": trail}
    client = Client(data)
    if of is not None:
        asked["principal" if kind_of(client, of, trail) == "principals" else "key"] = of
    found, result = _found(client, asked)
    machine = as_json or export is not None
    rows = found if most is None else found[:most] if reverse and not machine else found[-most:]
    rows = rows if reverse is not machine else rows[::-1]
    shown = _Shown(times, result["account"], detail=detail)
    if export is not None and form is not None:
        evidence = _evidence(of, since, until, trail, most, span, times, result, client, len(rows))
        _export(rows, export, form, shown, title(of, span, times), evidence)
    elif as_json:
        for row in rows:
            as_line(row)
        return
    else:
        print_rows(rows, shown.columns(), f"(no changes {title(of, span, times).removeprefix('Changes ')})")
        if rows and not detail:
            words = "--detail has every operation; keytrail explain CALL_ID tells why a change was allowed"
            say(words, "dim", screen=err)
    tell_of_the_beginning(client, times)


def _evidence(
    of: str | None,
    since: str | None,
    until: str | None,
    trail: str | None,
    most: int | None,
    span: Span,
    times: Times,
    result: dict[str, Any],
    client: Client,
    count: int,
) -> list[str]:
    """The notes in an exported file: which log and records were searched, by which question, when, and by which version."""
    options = {"--from": since, "--to": until, "--trail": trail, "--limit": None if most is None else str(most)}
    command = ["keytrail", "changes", *([of] if of else [])]
    command += [part for name, value in options.items() if value is not None for part in (name, value)]
    source = f"trail {trail}" if trail else f"log {result['log']}" if "log" in result else "the log"
    account = f"account {result['account']}, " if result["account"] else ""
    asked = times.between(span) or "of all that is on record"
    notes = [
        f"Of {account}{source}: {counted(count, 'change')}, looked for in records @{result['from'] + 1} to @{result['to']}.",
        f"Asked {asked}, with: {shlex.join(command)}",
        f"Made at {times.now()} by keytrail {version('keytrail')}. Times are in {times.name}.",
    ]
    return notes + ([before_the_record(client.began, times)] if client.began is not None else [])


def title(of: str | None, span: Span, times: Times) -> str:
    what = f"Changes of {of}" if of else "Changes of who may do what"
    between = times.between(span)
    return f"{what} {between}" if between else what


class _Shown:
    """A change in words, for a reader's account and time zone."""

    def __init__(self, times: Times, account: str, *, detail: bool) -> None:
        self._times, self._account, self._detail = times, account, detail

    def columns(self) -> list[Column]:
        return [
            Column("at", lambda row: self._times.shown(row["change"]["at"]), leads=True),
            Column("who", self.who, leads=True),
            Column("did", lambda row: row["change"].get("operation"), leads=True),
            Column("to what", self._what_long, self._what_short, leads=True, wraps=True),
            Column("let in", lambda row: "; ".join(self.let_in(row)), wraps=True),
            Column("took away", lambda row: "; ".join(self.took_away(row)), wraps=True),
            Column("besides", lambda row: "; ".join(self.besides(row)), wraps=True),
            Column("call", lambda row: row["change"].get("call_id"), spare=True),
        ]

    def who(self, row: Row) -> str:
        return short(row["change"]["principal"], self._account)

    def what(self, row: Row) -> str:
        return subject(row, self._account)

    def _what_long(self, row: Row) -> str:
        return subject(row, self._account, grant=12)

    def _what_short(self, row: Row) -> str:
        return subject(row, self._account, whole=False, grant=12)

    def let_in(self, row: Row) -> list[str]:
        return sentences(row, "gained", self._account, detail=self._detail)

    def took_away(self, row: Row) -> list[str]:
        return sentences(row, "lost", self._account, detail=self._detail)

    def besides(self, row: Row) -> list[str]:
        return besides(row, self._account)

    @property
    def csv_headings(self) -> tuple[str, ...]:
        return (*CSV, EXACT) if self._detail else CSV

    def csv(self, row: Row) -> list[Any]:
        change = row["change"]
        keys = [" ".join([*each["key_aliases"], each["key_id"]]) for each in row["keys"]]
        made = [change.get(name) for name in ("position", "principal", "access_key", "source", "operation", "call_id")]
        told = [
            row["kind"],
            self.what(row),
            keys,
            row["about"],
            self.let_in(row),
            self.took_away(row),
            self.besides(row),
        ]
        return [change["at"], *made, *told, *([exact(row)] if self._detail else [])]

    def html(self, row: Row) -> list[Any]:
        change = row["change"]
        made = {"with": change.get("access_key"), "from": change.get("source")}
        return [
            [self._times.shown(change["at"]), f"@{change['position']}"],
            [self.who(row), *(f"{name} {value}" for name, value in made.items() if value)],
            change.get("operation"),
            self.what(row),
            self.let_in(row),
            self.took_away(row),
            self.besides(row),
            change.get("call_id"),
        ]


def _found(client: Client, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with progress_bar() as progress:
        task = progress.add_task("reading the changes", total=None)
        for line in client.lines("/v1/changes", **asked):
            if "result" in line:
                return rows, line["result"]
            if "change" in line:
                rows.append(line)
            else:
                progress.update(task, completed=line["done"], total=line["of"])
    return fail("The answer ended before its result. Try again.")


def _export(
    rows: list[dict[str, Any]], path: Path, form: ChangeFormat, shown: _Shown, heading: str, evidence: list[str]
) -> None:
    # Imported only for an export.
    from services.exports.changes_table import csv_text, html_text

    lines: Iterator[str] | Iterable[str]
    match form:
        case ChangeFormat.CSV:
            lines = csv_text(shown.csv_headings, map(shown.csv, rows))
        case ChangeFormat.HTML:
            lines = html_text(heading, evidence, HTML, map(shown.html, rows))
        case ChangeFormat.JSON:
            lines = (json.dumps(row) + "\n" for row in rows)
        case _:
            assert_never(form)
    try:
        write_lines(lines, path)
    except OSError as fault:
        fail(f"{path} cannot be written: {fault.strerror or fault}")
    wrote(len(rows), path)

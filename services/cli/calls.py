"""Tables of calls for people: who did what, when, to which key, and why it was let in or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.cli.client import Client
from services.cli.screens import err, out
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import as_line, say
from services.cli.times import Span, Times
from services.wording import names
from services.wording.change_words import close_misses

CALL = member("call_id", heading="call", spare=True)
EXPLAINED = "keytrail explain CALL_ID tells why a call was decided so, statement by statement"


def of_calls(times: Times, client: Client, *, texts: bool) -> tuple[Column, ...]:
    """`texts`: whether to show the sentence that each refused caller read."""
    return (
        Column("at", lambda row: times.shown(row["at"]), leads=True),
        Column("who", lambda row: names.short(row["principal"], client.account), leads=True),
        member("operation", heading="what", leads=True),
        member("effect", heading="", leads=True),
        Column("key", names.key_of, lambda row: names.key_of(row, whole=False)),
        Column("why", lambda row: names.decider(row, client.account), wraps=True),
        Column("came close", lambda row: close_misses(row, client.account), wraps=True),
        Column("told", lambda row: row.get("message") or names.error(row), wraps=True)
        if texts
        else Column("error", names.error),
        CALL,
    )


def of_changes(times: Times, client: Client, *, texts: bool, keys: bool) -> tuple[Column, ...]:
    """Columns of a history: what was changed, from where, with which credential. `keys`: whether it may be about several keys."""
    key = Column("key", names.key_of, lambda row: names.key_of(row, whole=False))
    return (
        Column("position", lambda row: f"@{row['position']}", leads=True),
        Column("at", lambda row: times.shown(row["at"]), leads=True),
        Column("who", lambda row: names.short(row["principal"], client.account), leads=True),
        member("operation", heading="what", leads=True),
        member("effect", heading="", leads=True),
        *([key] if keys else []),
        Column("change", lambda row: _change(row, client.account, texts=texts), wraps=True),
        Column("came close", lambda row: close_misses(row, client.account), wraps=True),
        member("source", heading="from"),
        member("access_key", heading="with"),
        CALL,
    )


def _change(row: Row, account: str, *, texts: bool) -> str:
    """Shows a refused attempt by its kind. The log has the sentence that its caller read; `texts` shows it."""
    if row.get("effect") == "refused" and not texts:
        return names.error(row) or (row.get("kind") or "").replace("-", " ")
    return names.summary(row, account)


def print_calls(
    items: Iterator[Any],
    columns: tuple[Column, ...],
    client: Client,
    nothing: str,
    times: Times,
    *,
    as_json: bool,
    below: str = "",
) -> None:
    """`below`: a sentence for a person at a terminal, after the rows."""
    if as_json:
        for item in items:
            as_line(item)
        return
    found = print_rows(items, columns, nothing)
    tell_of_the_beginning(client, times)
    if found and below and out.is_terminal:
        say(below, "dim")


def tell_of_the_beginning(client: Client, times: Times) -> None:
    """Says where the record begins, if the question is about an earlier time: nothing found does not mean nothing happened."""
    if client.began is not None:
        say(before_the_record(client.began, times), "yellow", screen=err)


def before_the_record(began: str, times: Times) -> str:
    return f"The record begins at {times.shown(began)}: of what was before, nothing is known."


def asked_for(what: str, span: Span, times: Times, **asked: str | None) -> str:
    """The question in words: (no decisions of Decrypt by user/bob on alias/payroll between ... and ...)"""
    words = {"operation": "of", "principal": "by", "key": "on", "effect": "that were", "trail": "in the trail"}
    parts = [what]
    for name, value in asked.items():
        if value:
            parts.append(f"{words[name]} {value}" if name in words else f"with {name}={value}")
    parts.append(times.between(span) or "on record")
    return f"({' '.join(part for part in parts if part)})"

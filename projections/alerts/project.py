"""Turns alerts, and what was done about them, into the rows of `alerts` and `marks`."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from domain.alerts.severities import SEVERITIES
from domain.log.events import AlertMarked
from projections.log.changes import Appends, InsertsOnce, TableRow
from projections.log.entry import ALERTS, Entry

COLUMNS = (
    "id", "number", "at", "rule", "severity", "rank", "account", "key_id", "subject", "about", "title", "summary",
    "suppressed", "evidence", "source",
)  # fmt: skip
MARKS = ("alert", "position", "at", "state", "note", "principal", "call_id")


def changes(entries: Sequence[Entry]) -> list[Appends | InsertsOnce]:
    raised: dict[str, TableRow] = {}
    marks = []
    for entry in entries:
        if entry.topic == ALERTS:
            raised.setdefault(entry.document["id"], _alert(entry))
        elif isinstance(entry.event, AlertMarked):
            marks.append(_mark(entry, entry.event))
    found: list[Appends | InsertsOnce] = []
    if raised:
        found.append(InsertsOnce("alerts", COLUMNS, list(raised.values())))
    if marks:
        found.append(Appends("marks", MARKS, marks))
    return found


def _alert(entry: Entry) -> TableRow:
    alert = entry.document
    suppressed = alert["suppressed"]
    return (
        alert["id"],
        entry.offset,
        entry.at,
        alert["rule"],
        alert["severity"],
        SEVERITIES.index(alert["severity"]),
        alert["account"],
        alert["key"].rpartition("/")[2] or None,
        alert["subject"],
        alert["about"],
        alert["title"],
        alert["summary"],
        None if suppressed is None else orjson.dumps(suppressed).decode(),
        orjson.dumps(alert["evidence"]).decode(),
        orjson.dumps(alert["source"]).decode(),
    )


def _mark(entry: Entry, event: AlertMarked) -> TableRow:
    call = entry.document["call"]
    return event.alert, entry.offset, entry.at, event.state, event.note, call["principal"], call["id"]

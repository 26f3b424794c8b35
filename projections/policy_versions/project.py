"""Turns the events of CreateKey and PutKeyPolicy into the rows of `policy_versions`."""

from __future__ import annotations

from collections.abc import Sequence

from domain.log import events
from projections.log.changes import Appends, TableRow
from projections.log.entry import Entry

COLUMNS = (
    "key_id",
    "version",
    "document",
    "at",
    "position",
    "principal",
    "access_key",
    "call_id",
    "bypassed_lockout_check",
    "locked_out",
)


def changes(entries: Sequence[Entry]) -> list[Appends]:
    rows = [row for entry in entries if (row := _row(entry)) is not None]
    return [Appends("policy_versions", COLUMNS, rows)] if rows else []


def _row(entry: Entry) -> TableRow | None:
    event = entry.event
    if not isinstance(event, events.KeyCreated | events.PolicyReplaced):
        return None
    call = entry.document["call"]
    return (
        event.key,
        event.version if isinstance(event, events.PolicyReplaced) else 1,
        event.policy,
        entry.at,
        entry.offset,
        call["principal"],
        call["access_key"],
        call["id"],
        event.bypassed_lockout_check,
        event.locked_out,
    )

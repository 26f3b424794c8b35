"""Events of keys to the rows of `keys`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from domain.arn import key_arn
from domain.keys.states import State
from domain.trail import events
from projections.entry import Entry, Partial, Upserts, merged

COLUMNS = (
    "key_id",
    "account",
    "arn",
    "spec",
    "usage",
    "origin",
    "state",
    "description",
    "tags",
    "policy_version",
    "created_at",
    "created_by",
    "changed_at",
    "position",
)


def changes(entries: Sequence[Entry]) -> list[Upserts]:
    partials = [partial for entry in entries if (partial := _partial(entry)) is not None]
    return [Upserts("keys", "key_id", COLUMNS, merged("key_id", partials))] if partials else []


def _partial(entry: Entry) -> Partial | None:
    columns = _columns(entry)
    if columns is None:
        return None
    return {**columns, "changed_at": entry.at, "position": entry.offset}


def _columns(entry: Entry) -> Partial | None:
    match entry.event:
        case events.KeyCreated() as event:
            return {
                "key_id": event.key,
                "account": event.account,
                "arn": key_arn(entry.region, event.account, event.key),
                "spec": event.spec,
                "usage": event.usage,
                "origin": event.origin,
                "state": State.ENABLED.value,
                "description": event.description,
                "tags": json.dumps(event.tags),
                "policy_version": 1,
                "created_at": entry.at,
                "created_by": entry.document["call"]["principal"],
            }
        case events.KeyEnabled() as event:
            return {"key_id": event.key, "state": State.ENABLED.value}
        case events.KeyDisabled() as event:
            return {"key_id": event.key, "state": State.DISABLED.value}
        case events.KeyDescribed() as event:
            return {"key_id": event.key, "description": event.description}
        case events.PolicyReplaced() as event:
            return {"key_id": event.key, "policy_version": event.version}
    return None

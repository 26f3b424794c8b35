"""Turns events of keys into the rows of `keys`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from domain.arn import key_arn
from domain.keys.states import State
from domain.log import events
from domain.log.catalogue import CATALOGUE
from projections.log.changes import ChangedColumns, Upserts, merged_by
from projections.log.entry import Entry

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
    "manager",
    "deletion_at",
    "rotation_days",
    "next_rotation_at",
    "expires_at",
    "created_at",
    "created_by",
    "changed_at",
    "position",
)


DELETED = "Deleted"
OF_KEYS = frozenset(row.event for row in CATALOGUE.values() if row.name.startswith("key."))
"""The events of keys. Each moves `changed_at`, also one that changes no other column."""
_key_of = attrgetter("key")


def changes(entries: Sequence[Entry]) -> list[Upserts]:
    partials = [partial for entry in entries if (partial := _partial(entry)) is not None]
    return [Upserts("keys", "key_id", COLUMNS, merged_by("key_id", partials))] if partials else []


def _partial(entry: Entry) -> ChangedColumns | None:
    columns = _columns(entry)
    if columns is None:
        return None
    return {**columns, "changed_at": entry.at, "position": entry.offset}


def _columns(entry: Entry) -> ChangedColumns | None:
    match entry.event:
        case events.KeyCreated() as event:
            return {
                **dict.fromkeys(COLUMNS),
                "key_id": event.key,
                "account": event.account,
                "arn": key_arn(entry.region, event.account, event.key),
                "spec": event.spec,
                "usage": event.usage,
                "origin": event.origin,
                "state": (State.ENABLED if event.material else State.PENDING_IMPORT).value,
                "description": event.description,
                "tags": json.dumps(event.tags),
                "policy_version": 1,
                "manager": event.manager or None,
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
        case events.KeyTagged() | events.KeyUntagged() as event:
            return {"key_id": event.key, "tags": json.dumps(event.all_tags)}
        case events.RotationEnabled() as event:
            return {"key_id": event.key, "rotation_days": event.period_days, "next_rotation_at": _time(event.next)}
        case events.RotationDisabled() as event:
            return {"key_id": event.key, "rotation_days": None, "next_rotation_at": None}
        case events.KeyRotated() as event:
            return {"key_id": event.key} | ({"next_rotation_at": _time(event.next)} if event.next else {})
        case events.MaterialImported() as event:
            expires = {} if event.pending else {"expires_at": _time(event.valid_to)}
            return {"key_id": event.key, "state": event.state} | expires
        case events.MaterialDeleted() | events.MaterialExpired() as event:
            return {"key_id": event.key, "state": event.state}
        case events.DeletionScheduled() as event:
            return {
                "key_id": event.key,
                "state": State.PENDING_DELETION.value,
                "deletion_at": _time(event.due),
            }
        case events.DeletionCancelled() as event:
            return {"key_id": event.key, "state": event.state, "deletion_at": None}
        case events.KeyDeleted() as event:
            return {"key_id": event.key, "state": DELETED}
        case event if type(event) in OF_KEYS:
            return {"key_id": _key_of(event)}
    return None


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

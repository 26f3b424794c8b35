"""Questions to `keys`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from domain.keys.origins import EXTERNAL
from domain.keys.states import State
from projections.log.conditions import QueryConditions
from projections.log.schema import AskedLog, Table

KEYS = Table("keys", "keys")
# index: primary key
ONE = f"SELECT * FROM {KEYS} WHERE key_id = $1 AND account = $2"


FIELDS = ("key_id", "arn", "state", "spec", "usage", "origin", "description")
"""Columns by which keys can be found: the whole text, or with `*` for any characters."""


MAY_HAVE_ENDED = (State.ENABLED.value, State.DISABLED.value)
"""States in which imported material may end before a writer records that."""


@dataclass(frozen=True, slots=True)
class KeyFilters:
    """Selects keys; a member that is None or empty does not narrow the selection."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """Values of FIELDS."""
    tag: tuple[str, str | None] | None = None
    """A tag's name, and its value unless any value will do."""
    managed: bool | None = None
    """Whether a service manages the key for the account."""
    ids: Sequence[str] | None = None
    """Only keys with these ids."""


async def page(log: AskedLog, account: str, after: str, limit: int, filters: KeyFilters = KeyFilters()) -> list[Any]:
    """The next keys of an account after a key id, in the state that is on record. Where PendingImport is asked for, keys are
    among them whose imported material may have ended without a record of that: a key itself knows (`state_at`). Index:
    keys_account."""
    where = QueryConditions(account, after)
    where.add("account = $1 AND key_id > $2")
    for name, wanted in filters.fields.items():
        assert name in FIELDS, "only a column's name becomes part of a query"
        if name == "state" and wanted == State.PENDING_IMPORT.value:
            where.add("(state = {} OR origin = {} AND state = ANY({}))", wanted, EXTERNAL, [*MAY_HAVE_ENDED])
        else:
            where.add_text(name, wanted)
    if filters.tag is not None:
        name, value = filters.tag
        if value is None:
            where.add("tags ? {}", name)
        else:
            where.add("tags @> {}::jsonb", orjson.dumps({name: value}).decode())
    if filters.managed is not None:
        where.add(f"manager IS {'NOT ' if filters.managed else ''}NULL")
    if filters.ids is not None:
        where.add("key_id = ANY({})", list(filters.ids))
    where.add("TRUE ORDER BY key_id LIMIT {}", limit)
    return await log.fetch(f"SELECT * FROM {KEYS} WHERE {where}", *where.values)


async def one(log: AskedLog, account: str, key_id: str) -> Any | None:
    return await log.fetchrow(ONE, key_id, account)

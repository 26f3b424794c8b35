"""Questions to `decisions` about changes: the records of `events`, in the log's order. All use the index decisions_position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.decisions.queries import DECISIONS
from projections.log.schema import AskedLog

_OF_A_CHANGE = "position, at, call_id, account, principal, access_key, source, operation, summary, event_type, event"


async def events_between(log: AskedLog, after: int, last: int, limit: int) -> list[Any]:
    """(position, at, event_type, event) of the next changes after one position, up to another."""
    query = f"""SELECT position, at, event_type, event FROM {DECISIONS}
        WHERE position > $1 AND position <= $2 AND event_type IS NOT NULL ORDER BY position LIMIT $3"""
    return await log.fetch(query, after, last, limit)


async def of_types(log: AskedLog, after: int, last: int, types: Sequence[str], limit: int) -> list[Any]:
    """The next changes of these event types."""
    query = f"""SELECT {_OF_A_CHANGE} FROM {DECISIONS}
        WHERE position > $1 AND position <= $2 AND event_type = ANY($3) ORDER BY position LIMIT $4"""
    return await log.fetch(query, after, last, list(types), limit)


async def of_keys_and_people(
    log: AskedLog, after: int, last: int, keys: Sequence[str], account: str, limit: int
) -> list[Any]:
    """The next changes of some keys, their aliases and grants, and of anything else in an account ("" for every account)."""
    of_keys = "(event_type LIKE 'key.%' OR event_type LIKE 'alias.%' OR event_type LIKE 'grant.%')"
    query = f"""SELECT {_OF_A_CHANGE} FROM {DECISIONS}
        WHERE position > $1 AND position <= $2 AND event_type IS NOT NULL
            AND (NOT {of_keys} OR event->>'key' = ANY($3) OR event->>'previous_key' = ANY($3))
            AND ({of_keys} OR event->>'account' LIKE $5)
        ORDER BY position LIMIT $4"""
    return await log.fetch(query, after, last, list(keys), limit, account or "%")


async def of_owners(log: AskedLog, after: int, last: int, owners: Sequence[str] | None) -> Any:
    """A cursor over the changes that one of these accounts may see, or over all changes (None)."""
    query = f"""SELECT position, at, principal, account, operation, call_id, event_type, event FROM {DECISIONS}
        WHERE position > $1 AND position <= $2 AND event_type IS NOT NULL AND ($3::text[] IS NULL OR owners && $3)
        ORDER BY position"""
    return await log.cursor(query, after, last, owners)


async def region_at(log: AskedLog, position: int) -> str:
    """The Region of keys that are created next; "" before an event names a Region. A trail has several Regions."""
    query = f"""SELECT event->>'region' FROM {DECISIONS}
        WHERE position <= $1 AND event_type LIKE 'log.created.%' ORDER BY position DESC LIMIT 1"""
    return await log.fetchval(query, position) or ""

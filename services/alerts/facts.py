"""What rules read of the past, out of the projections, which are waited for: a rule is never judged on less than there was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from domain.alerts.change import NO_FACTS, Facts, Version
from domain.keys.key import Key
from domain.trail.codec import micros_of
from domain.trail.events import DeletionScheduled, GrantCreated, KeyDisabled, PolicyReplaced
from projections.decisions import queries as decisions
from projections.history import queries as history
from services.adapters.postgres import Pool

WAIT = 0.02


async def facts_of(source: Any, event: object, key: Key | None, position: int, at: int) -> Facts:
    """Of the event at a position, before it. `source`: the projections of a log or a trail, which have come so far."""
    if key is None:
        return NO_FACTS
    if isinstance(event, DeletionScheduled | KeyDisabled):
        used = await decisions.used_before(source, key.id, key.arn, _moment(at))
        return Facts(used=0 if used is None else micros_of(used))
    if isinstance(event, GrantCreated) or (isinstance(event, PolicyReplaced) and event.version > 2):
        return Facts(versions=await versions(source, key, position))
    return NO_FACTS


def reads_uses(event: object) -> bool:
    return isinstance(event, DeletionScheduled | KeyDisabled)


async def versions(source: Any, key: Key, position: int) -> tuple[Version, ...]:
    """The policies of a key before the one in force."""
    found = []
    for row in await history.policy_spans(source, key.id, position):
        held = history.aggregate(row)
        assert isinstance(held, Key), "the row is a key's"
        if held.policy_version < key.policy_version:
            until = micros_of(row["until_at"])
            found.append(Version(held.policy_version, held.policy_text, dict(held.principals), until))
    return tuple(found)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, UTC)


async def history_written(pool: Pool, position: int) -> None:
    """Return when the history has taken in the record at this position of `events`."""
    while await history.reached(pool) < position:  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(WAIT)


async def decisions_projected(pool: Pool, ends: dict[int, int]) -> None:
    """Return when the decisions are in Postgres up to these ends of their partitions."""
    wanted = {partition: end for partition, end in ends.items() if end}
    while wanted:
        rows = await pool.fetch("SELECT partition, next FROM p_decisions.positions WHERE topic = 'decisions'")
        there = {row["partition"]: row["next"] for row in rows}
        if all(there.get(partition, 0) >= end for partition, end in wanted.items()):
            return
        await asyncio.sleep(WAIT)


async def keys_there(pool: Pool, arns: Sequence[str]) -> None:
    """Return when these keys are in the projection, which they are of for ever."""
    count = "SELECT count(*) FROM p_keys.keys WHERE arn = ANY($1)"
    while await pool.fetchval(count, list(arns)) < len(arns):  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(WAIT)

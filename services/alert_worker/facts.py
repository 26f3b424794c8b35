"""What rules read of the past: asked of the projections, which may have to be waited for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from domain.alerts.change import Version
from domain.keys.key import Key
from domain.log.codec import micros_of
from domain.state.principals import own_principals
from projections.decisions import queries as decisions
from projections.decisions import uses
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.log.schema import AskedLog

WAIT = 0.02


async def used(log: AskedLog, key: Key, at: int) -> int:
    """The key's last use before a time, both in microseconds; 0 for never."""
    found = await uses.used_before(log, key.id, key.arn, datetime.fromtimestamp(at / 1_000_000, UTC))
    return 0 if found is None else micros_of(found)


async def versions(log: AskedLog, key: Key, position: int) -> list[Version]:
    """The policies of a key before the one in force, the oldest first."""
    found = []
    for row in await history.policy_spans(log, key.id, position):
        held = aggregate_of(row)
        assert isinstance(held, Key), "the row is a key's"
        if held.policy_version < key.policy_version:
            until = micros_of(row["until_at"])
            found.append(
                Version(held.policy_version, held.policy_text, own_principals(held.principals, held.account), until)
            )
    return sorted(found, key=lambda each: each.version)


async def history_written(log: AskedLog, position: int) -> None:
    """Wait until the history has taken in the record at this position of `events`."""
    while await history.reached(log) < position:  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(WAIT)


async def decisions_projected(log: AskedLog, ends: dict[int, int]) -> None:
    """Wait until the decisions are in Postgres up to these ends of their partitions."""
    wanted = {partition: end for partition, end in ends.items() if end}
    while wanted:
        there = await decisions.reached_by_partition(log)
        if all(there.get(partition, 0) >= end for partition, end in wanted.items()):
            return
        await asyncio.sleep(WAIT)

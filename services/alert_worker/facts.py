"""What rules read of the past, asked of the projections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

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
DecisionEnds = Callable[[], Awaitable[Mapping[int, int]]]
"""For each partition of `decisions`: the offset of its next record. Raises Unavailable."""


class PastFacts(Protocol):
    """Facts about a key or alias before a record of `events`."""

    async def used(self, key: Key, at: int) -> int:
        """The key's last use before a time, both in microseconds; 0 for never. Raises INTERRUPTED, Unavailable."""
        ...

    async def versions(self, key: Key, position: int) -> list[Version]:
        """The policies of a key before the one in force at the record at `position`, the oldest first. Raises INTERRUPTED."""
        ...

    async def former_key(self, alias: str, position: int) -> str:
        """The id of the key that an alias (an ARN) pointed to when it was last deleted before a position; "" if it never was.
        Raises INTERRUPTED."""
        ...


class ProjectedFacts:
    """Facts from the projections of our log or of a trail, as far as they are written."""

    def __init__(self, log: AskedLog) -> None:
        self._log = log

    async def used(self, key: Key, at: int) -> int:
        found = await uses.used_before(self._log, key.id, key.arn, datetime.fromtimestamp(at / 1_000_000, UTC))
        return 0 if found is None else micros_of(found)

    async def versions(self, key: Key, position: int) -> list[Version]:
        found = []
        for row in await history.policy_spans(self._log, key.id, position):
            held = aggregate_of(row)
            assert isinstance(held, Key), "the row is a key's"
            if held.policy_version < key.policy_version:
                until = micros_of(row["until_at"])
                found.append(
                    Version(held.policy_version, held.policy_text, own_principals(held.principals, held.account), until)
                )
        return sorted(found, key=lambda each: each.version)

    async def former_key(self, alias: str, position: int) -> str:
        return await history.former_key(self._log, alias, position)


class AwaitedFacts:
    """Facts of our log while it goes on. The projections are waited for, so that a rule never judges on less than there was."""

    def __init__(self, log: AskedLog, ends: DecisionEnds) -> None:
        self._log, self._ends = log, ends
        self._projected = ProjectedFacts(log)

    async def used(self, key: Key, at: int) -> int:
        wanted = {partition: end for partition, end in (await self._ends()).items() if end}
        while wanted:
            there = await decisions.reached_by_partition(self._log)
            if all(there.get(partition, 0) >= end for partition, end in wanted.items()):
                break
            await asyncio.sleep(WAIT)
        return await self._projected.used(key, at)

    async def versions(self, key: Key, position: int) -> list[Version]:
        await self._written_before(position)
        return await self._projected.versions(key, position)

    async def former_key(self, alias: str, position: int) -> str:
        await self._written_before(position)
        return await self._projected.former_key(alias, position)

    async def _written_before(self, position: int) -> None:
        while await history.reached(self._log) < position - 1:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(WAIT)

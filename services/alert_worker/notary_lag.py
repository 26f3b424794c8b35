"""A watch over the notary: records become leaves within some seconds, or an operator gets an alert.

A notary that has stopped cannot say so, and one that was never started even less. So alert workers look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from asyncpg import UndefinedTableError

from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import notary_behind
from domain.log.authority import Authority
from domain.log.codec import rfc3339
from domain.transparency.order import LeafOrder, LeafPartition
from services.adapters.alert_publisher import Publisher
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import INTERRUPTED, Pool
from services.adapters.record_topics import topics_read
from services.adapters.topic_bounds import TopicBounds
from services.notary import leaf_rows
from services.settings import Settings

PATIENCE = 5.0
"""Seconds that Postgres may take to say how far the notary is."""


@dataclass(slots=True)
class _Awaited:
    """Where the topics ended at a time (monotonic seconds, and microseconds): the notary has to come so far. `told`: under
    which name the alert about it was raised."""

    ends: Mapping[LeafPartition, int]
    since: float
    at: int
    told: str = ""


class NotaryWatch:
    """`authority` says which key of records is in force."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        keys: VaultKeyring,
        authority: Callable[[], Awaitable[Authority]],
        judge: Callable[[], Judge],
        publisher: Publisher,
    ) -> None:
        self._pool, self._keys, self._authority = pool, keys, authority
        self._judge, self._publisher = judge, publisher
        self._kinds = {topic: kind for kind, topic in topics_read(settings).items()}
        self._bounds = TopicBounds(settings, *self._kinds)
        self._awaited: _Awaited | None = None

    async def look(self) -> None:
        """Raises Unavailable."""
        try:
            order = await self._reached()
            bounds = await self._bounds.now()
        except INTERRUPTED:
            return  # the watch over the alerts themselves speaks of Postgres
        ends = {
            (self._kinds[topic], part): end if end > begin else 0
            for topic, parts in bounds.items()
            for part, (begin, end) in parts.items()
        }
        awaited = self._awaited
        if awaited is None or all(order.next.get(part, 0) >= end for part, end in awaited.ends.items()):
            if awaited is not None and awaited.told:
                summary = f"The notary, which was behind since {rfc3339(awaited.at)}, has caught up"
                await self._raise(f"{awaited.told} over", summary)
            self._awaited = _Awaited(ends, time.monotonic(), time.time_ns() // 1000)
            return
        least = self._judge().settings.numbers_of(notary_behind.RULE)[notary_behind.LAG]
        if time.monotonic() - awaited.since >= least and not awaited.told:
            waiting = sum(max(0, end - order.next.get(part, 0)) for part, end in ends.items())
            summary = (
                f"{waiting} records are not leaves of the transparency log, some since {rfc3339(awaited.at)} or earlier; it has "
                f"{order.size} leaves"
            )
            await self._raise(str(order.size), summary)
            awaited.told = str(order.size)

    async def _reached(self) -> LeafOrder:
        under = (await self._authority()).key or self._keys.newest
        try:
            async with asyncio.timeout(PATIENCE):
                return await leaf_rows.kept_order(self._pool, self._keys, under)
        except UndefinedTableError:
            return LeafOrder()

    async def _raise(self, where: str, summary: str) -> None:
        health = Health(notary_behind.RULE, where, time.time_ns() // 1000, summary)
        await self._publisher.publish(self._judge().of_health(health))

    async def close(self) -> None:
        await self._bounds.close()

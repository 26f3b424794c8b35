"""How the installation stands: who leads, how far everybody is, and what waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from domain.authorization.audience import Told
from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from projections.registry import PROJECTIONS
from services.adapters.kafka import ends
from services.adapters.postgres import INTERRUPTED, Pool
from services.adapters.topics import names
from services.audit_api.alerting import Alerting
from services.kms_api.live_state import BEGIN_DEADLINE, LiveState
from services.projector.store import are_made, positions
from services.settings import Settings

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit

ASK_PATIENCE = 2.0
"""Seconds that the broker may take to say where its topics end."""


async def projected(pool: Pool) -> None:
    """Return when the projections have their tables, or after BEGIN_DEADLINE: whoever asks about the past right after the very
    first start waits for the projector, and is not refused."""
    with suppress(*INTERRUPTED):  # also TimeoutError
        async with asyncio.timeout(BEGIN_DEADLINE):
            while not await are_made(pool, PROJECTIONS.values()):  # noqa: ASYNC110  # another process makes them
                await asyncio.sleep(0.05)


class Standing:
    """The route's function, beside those of Audit."""

    def __init__(self, audit: Audit, alerting: Alerting, settings: Settings, present: LiveState, pool: Pool) -> None:
        self._audit = audit
        self._alerting = alerting
        self._settings = settings
        self._present = present
        self._pool = pool

    async def status(self, asked: Asked) -> Told:
        """The installation as a whole is the hosting account's to see: how much it holds, and the log's head, say what the
        other accounts do. An account sees where the log stands and what it has itself."""
        present, account = self._present, asked.caller.account
        if not self._audit.hosts(asked):
            own = {
                "log": present.world.log,
                "position": present.position,
                "keys": len(present.world.key_ids(account)),
                "accounts": [account],
            }
            return asked.audience.own(account, own)
        async with self._pool.acquire() as connection:
            reached = {
                name: {f"{topic}/{partition}": after for (topic, partition), after in found.items()}
                for name in PROJECTIONS
                if (found := await positions(connection, f"p_{name}")) is not None
            }
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
        topics = names(self._settings)
        decisions_end, alerts_end = await asyncio.gather(
            *(self._ends(each) for each in (topics.decisions, topics.alerts))
        )
        there = {EVENTS: {0: present.next}, DECISIONS: decisions_end, ALERTS: alerts_end}
        whole = {
            "log": present.world.log,
            "leader": present.world.writer,
            "position": present.position,
            "head": present.head,
            "next_command": present.world.next_command,
            "void_records": present.voids,
            "keys": len(present.world.keys),
            "accounts": sorted(present.world.accounts),
            "projections": reached,
            "lag": {
                name: sum(
                    max(0, end - each.get(f"{topic}/{partition}", 0))
                    for topic in PROJECTIONS[name].topics
                    for partition, end in there[topic].items()
                )
                for name, each in reached.items()
            },
            "alerts": await self._alerting.how_far(decisions_end),
            "database_bytes": size,
        }
        return asked.audience.public(whole)

    async def _ends(self, topic: str) -> dict[int, int]:
        """Where the partitions of a topic end, {} while the broker does not say."""
        try:
            async with asyncio.timeout(ASK_PATIENCE):
                return await ends(self._settings, topic)
        except (Unavailable, TimeoutError):
            return {}

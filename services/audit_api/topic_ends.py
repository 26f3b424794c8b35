"""Where the topics end now, for whoever is told what waits."""

from __future__ import annotations

import asyncio

from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from services.adapters.topics import names
from services.audit_api.context import AuditContext
from services.followers.lag import TopicEnds, ends_of

ASK_PATIENCE = 2.0
"""Seconds in which the broker has to say where its topics end."""


async def topic_ends(audit: AuditContext) -> TopicEnds:
    """None for `decisions` and `alerts` while the broker does not say."""
    topics, known = names(audit.settings), dict[str, dict[int, int]]()
    try:
        async with asyncio.timeout(ASK_PATIENCE):
            for topic, parts in (await audit.bounds.now()).items():
                known[topic] = ends_of(parts)
    except (Unavailable, TimeoutError):
        pass
    return {EVENTS: {0: audit.live.next}, DECISIONS: known.get(topics.decisions), ALERTS: known.get(topics.alerts)}

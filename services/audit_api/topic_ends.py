"""Where the topics end now, for whoever is told what waits."""

from __future__ import annotations

import asyncio

from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from services.adapters.topics import names
from services.audit_api.context import AuditContext
from services.followers.lag import TopicEnds

ASK_PATIENCE = 2.0
"""Seconds in which the broker has to say where its topics end."""


async def topic_ends(audit: AuditContext) -> TopicEnds:
    """None for `decisions` and `alerts` while the broker does not say. A partition whose records were all removed by a retention
    is left out: nothing waits there, also for a follower that has read nothing of it."""
    topics, known = names(audit.settings), dict[str, dict[int, int]]()
    try:
        async with asyncio.timeout(ASK_PATIENCE):
            for topic, parts in (await audit.bounds.now()).items():
                known[topic] = {part: end for part, (begin, end) in parts.items() if begin < end or not end}
    except (Unavailable, TimeoutError):
        pass
    return {EVENTS: {0: audit.live.next}, DECISIONS: known.get(topics.decisions), ALERTS: known.get(topics.alerts)}

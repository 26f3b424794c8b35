"""Since when the read model has every decision."""

from __future__ import annotations

from datetime import datetime

from projections.decisions import uses
from projections.log.schema import AskedLog
from services.adapters.topic_bounds import TopicBounds
from services.adapters.topics import names
from services.settings import Settings


async def whole_since(settings: Settings, bounds: TopicBounds, log: AskedLog) -> datetime | None:
    """None: since the log began. While the topic has its first records, the read model has them too. Once a retention removed
    them, it depends on when the read model was built. Raises Unavailable."""
    parts = (await bounds.now())[names(settings).decisions]
    return await uses.whole_since(log, [part for part, (first, _) in parts.items() if first])

"""A log beside that of the shared installation, on the same broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from services.adapters import topics
from services.adapters.kafka import administering
from services.settings import Settings


@asynccontextmanager
async def another_log(settings: Settings, **changed: Any) -> AsyncIterator[Settings]:
    """Its settings, as `settings` are but for its topics and what is `changed`. Its topics go at the end."""
    found = replace(settings, topic_prefix=f"another-{uuid4().hex[:8]}", **changed)
    await topics.prepare(found, flush=False)
    yield found
    async with administering(found) as admin:
        await admin.delete_topics([each for each in await admin.list_topics() if each.startswith(found.topic_prefix)])

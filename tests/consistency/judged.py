"""Reads the topics of a running installation, and lets the judge look at what its clients were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.adapters.topic_bounds import bounds, values_of
from services.adapters.topics import names
from services.settings import Settings
from tests.consistency.explained import Judge, read_log
from tests.consistency.observed import ObservedCall

LOOKS_FOR = 1.0


async def values(settings: Settings, topic: str, partition: int = 0) -> list[tuple[int, bytes]]:
    """(offset, value), in order."""
    found: list[tuple[int, bytes]] = []
    async for some, _ in values_of(settings, topic, partition):
        found += [(each.offset, each.value) for each in some]
    return found


async def decisions(settings: Settings) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """By the call's id."""
    topic = names(settings).decisions
    found: dict[str, list[Mapping[str, Any]]] = {}
    for partition in await bounds(settings, topic):
        for _, value in await values(settings, topic, partition):
            document = json.loads(value)
            found.setdefault(document["call"]["id"], []).append(document)
    return found


def judged(settings: Settings, calls: Sequence[ObservedCall]) -> list[str]:
    """What the log and the decisions do not explain of these calls."""
    log = read_log(asyncio.run(values(settings, names(settings).events)))
    return Judge(log, asyncio.run(decisions(settings)), settings.fresh_for + LOOKS_FOR).judge(calls)

"""Reads records that were there when the end of their topic was asked for.

A reader waits for what comes. If brokers lose a topic's tail after its end was asked for, whoever reads up to that end would wait
for ever. A writer that has just been elected would hold the leadership meanwhile, so that no record could come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from domain.log.chain import digest
from domain.ports import OutOfRange, Reader, Stored, Topic, Unavailable

KNOWN_WITHIN = 10.0
"""Seconds. The brokers' failover takes less."""


async def read_known(reader: Reader, limit: int) -> Sequence[Stored]:
    """`reader.read`, where the next record is known to be on the topic. Raises OutOfRange; Unavailable, also if none comes."""
    try:
        async with asyncio.timeout(KNOWN_WITHIN):
            return await reader.read(limit)
    except TimeoutError:
        raise Unavailable(
            f"a record that was on the topic has not come for {KNOWN_WITHIN:.0f} s: the brokers do not answer, or have lost it"
        ) from None


async def read_between(reader: Reader, start: int, end: int, at_once: int) -> AsyncGenerator[list[Stored], None]:
    """The values from `start`, where the reader is, up to before `end`, at most `at_once` at a time. Raises OutOfRange,
    Unavailable."""
    at = start
    while at < end:
        found = [each for each in await read_known(reader, at_once) if each.offset < end]
        if not found:
            return
        at = found[-1].offset + 1
        yield found


async def record_at(topic: Topic, position: int) -> Stored:
    """The first record from this position on, which is known to be on the topic. Raises OutOfRange, Unavailable."""
    reader = await topic.reader(position)
    try:
        return (await read_known(reader, 1))[0]
    finally:
        await reader.close()


async def has_record(topic: Topic, position: int, head: str) -> bool:
    """Whether the topic has the record with this digest at this position. Raises Unavailable."""
    if await topic.end() <= position:
        return False
    try:
        stored = await record_at(topic, position)
    except OutOfRange:
        return False
    return stored.offset == position and digest(stored.value) == head

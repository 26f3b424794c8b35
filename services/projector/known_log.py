"""Whether the log is still the one that the projections were made of.

If brokers lost records that they had acknowledged, others may be in their place by the time that the projector comes back or
reads on. Every record after those would be void to it: the tables would stand still, and no error would say so. The same holds
where the servers' disks were put back to different times, and where settings name the broker of one installation and the
database of another.
"""

from __future__ import annotations

from contextlib import aclosing

from domain.log.chain import digest
from domain.ports import OutOfRange, Topic
from projections.log.entry import EVENTS
from services.adapters.kafka import KafkaTopic
from services.adapters.known_records import read_between
from services.adapters.topics import names
from services.projector.store import ReadTo
from services.projector.topics import ProjectedTopics
from services.settings import Settings

LOOKED_BACK = 100
"""How many records before its place it looks at first. Only void records can be between its place and the last valid one."""
FURTHER = 30
READ_AT_ONCE = 1000


async def require_known_log(topics: ProjectedTopics, start: ReadTo) -> None:
    """Raises OutOfRange if no record before `start` is the last valid one that was read; Unavailable."""
    place = start.offsets.get((EVENTS, 0), 0)
    if start.digest and not await _holds_before(topics.events(), place, start.digest):
        raise OutOfRange(
            f"{topics.name} does not hold the record that the projections were read up to, before {place}. "
            "Brokers lost records that they had acknowledged, the topic was replaced, Kafka was put back to an earlier time than "
            "Postgres, or KEYTRAIL_KAFKA, KEYTRAIL_TOPIC_PREFIX and KEYTRAIL_POSTGRES do not belong together. Check these "
            "settings first. Then bring the brokers back that have the records, or everything from a backup (keytrail restore). "
            "If what is lost stays lost, build each projection again (keytrail rebuild), and let alert workers go on (keytrail "
            "accept-loss)."
        )


async def has_before(settings: Settings, place: int, head: str) -> bool:
    """Whether the record with this digest is on the log, before this place. Raises Unavailable."""
    return await _holds_before(KafkaTopic(settings, names(settings).events), place, head)


async def _holds_before(events: Topic, place: int, head: str) -> bool:
    """It closes the topic."""
    back = LOOKED_BACK
    try:
        first, end = await events.start(), await events.end()  # as another broker confirms it
        while place <= end:
            since = max(first, place - back)
            if since < place and await _is_between(events, since, place, head):
                return True
            if since == first:
                break
            back *= FURTHER
    finally:
        await events.close()
    return False


async def _is_between(events: Topic, since: int, place: int, head: str) -> bool:
    reader = await events.reader(since)
    try:
        async with aclosing(read_between(reader, since, place, READ_AT_ONCE)) as batches:
            async for found in batches:
                if any(digest(each.value) == head for each in found):
                    return True
    finally:
        await reader.close()
    return False

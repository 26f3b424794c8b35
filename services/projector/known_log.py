"""Whether the log is still the one that the projections were made of.

If brokers lost records that they had acknowledged, others may be in their place by the time that the projector comes back. Every
record after those would be void to it: the tables would stand still, and no error would say so. The same holds where the servers'
disks were put back to different times, and where settings name the broker of one installation and the database of another.
"""

from __future__ import annotations

from contextlib import aclosing

from domain.log.chain import digest
from domain.ports import OutOfRange
from projections.log.entry import EVENTS
from services.adapters import topics
from services.adapters.kafka import KafkaTopic
from services.adapters.topic_bounds import values_between
from services.projector.store import ReadTo
from services.settings import Settings

LOOKED_BACK = 100
"""How many records before its place it looks at first. Only void records can be between its place and the last valid one."""
FURTHER = 30


async def require_known_log(settings: Settings, start: ReadTo) -> None:
    """Raises OutOfRange if no record before `start` is the last valid one that was read; Unavailable."""
    place = start.offsets.get((EVENTS, 0), 0)
    if start.digest and not await has_before(settings, place, start.digest):
        raise OutOfRange(
            f"{topics.names(settings).events} does not hold the record that the projections were read up to, before {place}. "
            "Brokers lost records that they had acknowledged, the topic was replaced, Kafka was put back to an earlier time than "
            "Postgres, or KEYTRAIL_KAFKA, KEYTRAIL_TOPIC_PREFIX and KEYTRAIL_POSTGRES do not belong together. Check these "
            "settings first. Then bring the brokers back that have the records, or everything from a backup (keytrail restore). "
            "If what is lost stays lost, build each projection again (keytrail rebuild), and let alert workers go on (keytrail "
            "accept-loss)."
        )


async def has_before(settings: Settings, place: int, head: str) -> bool:
    """Whether the record with this digest is on the log, before this place. Raises Unavailable."""
    topic, back = topics.names(settings).events, LOOKED_BACK
    events = KafkaTopic(settings, topic)
    try:
        first, end = await events.start(), await events.end()  # as another broker confirms it
    finally:
        await events.close()
    while place <= end:
        since = max(first, place - back)
        async with aclosing(values_between(settings, topic, 0, since, place)) as batches:
            async for found in batches:
                if any(digest(each.value) == head for each in found):
                    return True
        if since == first:
            break
        back *= FURTHER
    return False

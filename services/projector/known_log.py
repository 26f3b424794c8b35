"""Whether the log is still the one that the projections were made of.

If brokers lost records that they had acknowledged, others may be in their place by the time that the projector comes back or
reads on. Every record after those would be void to it: the tables would stand still, and no error would say so. The same holds
where the servers' disks were put back to different times, and where settings name the broker of one installation and the
database of another.
"""

from __future__ import annotations

from domain.ports import OutOfRange
from projections.log.entry import EVENTS
from services.adapters.log_now import has_before
from services.projector.store import ReadTo
from services.projector.topics import ProjectedTopics


async def require_known_log(topics: ProjectedTopics, start: ReadTo) -> None:
    """Raises OutOfRange if no record before `start` is the last valid one that was read; Unavailable."""
    place = start.offsets.get((EVENTS, 0), 0)
    if start.digest and not await has_before(topics.events(), place, start.digest):
        raise OutOfRange(
            f"{topics.name} does not hold the record that the projections were read up to, before {place}. "
            "Brokers lost records that they had acknowledged, the topic was replaced, Kafka was put back to an earlier time than "
            "Postgres, or KEYTRAIL_KAFKA, KEYTRAIL_TOPIC_PREFIX and KEYTRAIL_POSTGRES do not belong together. Check these "
            "settings first. Then bring the brokers back that have the records, or everything from a backup (keytrail restore). "
            "If what is lost stays lost, build each projection again (keytrail rebuild), and let alert workers go on (keytrail "
            "accept-loss)."
        )

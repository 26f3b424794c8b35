"""Whether the log is still the one that the projections were made of.

If brokers lost records that they had acknowledged, others may be in their place by the time that the projector comes back or
reads on. Every record after those would be void to it: the tables would stand still, and no error would say so. The same holds
where the servers' disks were put back to different times, and where settings name the broker of one installation and the
database of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.ports import OutOfRange
from projections.log.entry import EVENTS, Entry
from services.adapters.log_now import has_before
from services.projector.topics import ProjectedTopics

LogPlace = tuple[int, str]
"""The next offset of `events`, and the digest of the last valid record before it; "" if there is none."""


async def require_known_log(topics: ProjectedTopics, read: Iterable[LogPlace]) -> None:
    """`read`: how far each projection has read. A projector that was killed leaves them at different places.
    Raises OutOfRange if the last record that one of them has read is not there; Unavailable."""
    for place, digest in sorted(set(read)):
        if digest and not await has_before(topics.events(), place, digest):
            raise OutOfRange(_unknown(topics.name, place))


def require_same_records(stored: LogPlace, to: LogPlace, since: str, entries: Sequence[Entry]) -> None:
    """Raises OutOfRange if tables that have read up to `stored` have read another record than the one that a batch brings for
    the same place. `to`: where the batch ends. `since`: the digest of the last valid record before it. `entries`: the batch's.

    Entries below a stored position are left out, since an earlier batch wrote them. Another projector may have written it,
    after this one looked where the tables are: it was stopped, or cut off, and the brokers lost its last record meanwhile.
    """
    (place, digest), (end, last) = stored, to
    if end > place:
        before = [each.digest for each in entries if each.topic == EVENTS and each.offset < place]
        last = before[-1] if before else since
    if end >= place and last != digest:
        raise OutOfRange(_unknown("the log", place))


def _unknown(name: str, place: int) -> str:
    return (
        f"{name} does not hold the record that the projections were read up to, before {place}. "
        "Brokers lost records that they had acknowledged, the topic was replaced, Kafka was put back to an earlier time than "
        "Postgres, or KEYTRAIL_KAFKA, KEYTRAIL_TOPIC_PREFIX and KEYTRAIL_POSTGRES do not belong together. Check these "
        "settings first. Then bring the brokers back that have the records, or everything from a backup (keytrail restore). "
        "If what is lost stays lost, build each projection again (keytrail rebuild), and let alert workers go on (keytrail "
        "accept-loss)."
    )

"""Whether the log is still the one that the projections were made of.

If brokers lost records that they had acknowledged, others may be in their place by the time that the projector comes back or
reads on. Every record after those would be void to it: the tables would stand still, and no error would say so. The same holds
where the servers' disks were put back to different times, and where settings name the broker of one installation and the
database of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.log.authority import Authority
from domain.ports import OutOfRange, Topic
from projections.log.entry import EVENTS, Entry
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import is_last_before
from services.projector.topics import ProjectedTopics

GO_ON = (
    "bring the brokers back that have the records, or everything from a backup (keytrail restore); if what is lost stays lost, "
    "build each projection again (keytrail rebuild), and let alert workers go on (keytrail accept-loss)"
)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """`next`: the next offset of `events`. `digest`: that of the last valid record before it; "" if there is none. `authority`:
    what is authentic after that record."""

    next: int
    digest: str
    authority: Authority = field(default_factory=Authority)


async def require_known_log(topics: ProjectedTopics, read: Iterable[LogPlace], keys: VaultKeyring) -> None:
    """`read`: how far each projection has read. A projector that was killed leaves them at different places.
    Raises OutOfRange if the last record that one of them has read is not the last one there; Unavailable, KeyMissing."""
    for place in {(each.next, each.digest): each for each in read}.values():
        if not await is_known(topics.events(), place, keys):
            raise OutOfRange(_unknown(topics.name, place.next))


async def is_known(events: Topic, place: LogPlace, keys: VaultKeyring) -> bool:
    """Whether the log still has what was read up to this place. It closes the topic. Raises Unavailable, KeyMissing."""
    return not place.digest or await is_last_before(events, place.next, place.digest, place.authority, keys)


def require_same_records(stored: LogPlace, to: LogPlace, since: str, entries: Sequence[Entry]) -> None:
    """Raises OutOfRange if tables that have read up to `stored` have read another record than the one that a batch brings for
    the same place. `to`: where the batch ends. `since`: the digest of the last valid record before it. `entries`: the batch's.

    Entries below a stored position are left out, since an earlier batch wrote them. Another projector may have written it,
    after this one looked where the tables are: it was stopped, or cut off, and the brokers lost its last record meanwhile.
    """
    last = to.digest
    if to.next > stored.next:
        before = [each.digest for each in entries if each.topic == EVENTS and each.offset < stored.next]
        last = before[-1] if before else since
    if to.next >= stored.next and last != stored.digest:
        raise OutOfRange(_unknown("the log", stored.next))


def _unknown(name: str, place: int) -> str:
    return (
        f"the last valid record of {name} before {place} is not the one that the projections were read up to. "
        "Brokers lost records that they had acknowledged, the topic was replaced, Kafka was put back to an earlier time than "
        "Postgres, or KEYTRAIL_KAFKA, KEYTRAIL_TOPIC_PREFIX and KEYTRAIL_POSTGRES do not belong together. Check these "
        f"settings first. Then {GO_ON}."
    )

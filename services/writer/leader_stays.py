"""How the group of writers assigns the one partition of `commands`: to the member that leads, as long as that is in the group.

aiokafka's sticky assignor does not keep a generation. A former leader that comes back after a pause claims the partition as the
new one does, and either may get it. Then the one that leads ends, and changes wait for the start of a process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from struct import Struct, error

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

VERSION = 0
_TERMS = Struct(">qq")
"""The term in which a member leads, 0 if it does not; and the latest term that it knows."""


class LeaderStays(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no type information
    """One member's view of terms, each of which begins with an election. What others say of theirs comes by the broker."""

    name = "keytrail-leader-stays"

    def __init__(self) -> None:
        self._leads = self._latest = 0

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(VERSION, list(topics), _TERMS.pack(self._leads, self._latest))

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Everything to one member, by id: the one that leads in the latest term, or else the first one."""
        terms = {member: _terms(told.user_data) for member, told in members.items()}
        chosen = max(sorted(members), key=lambda member: terms[member][0])
        term, _ = terms[chosen]
        if not term:
            latest = max(latest for _, latest in terms.values())
            term = max(latest + 1, time.time_ns() // 1_000_000)  # members that all started anew know of no earlier term
        topics = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in members[chosen].subscription]
        return {
            member: ConsumerProtocolMemberAssignment(
                VERSION, topics if member == chosen else [], _TERMS.pack(term if member == chosen else 0, term)
            )
            for member in members
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        self._leads, self._latest = _terms(assignment.user_data)


def _terms(user_data: bytes) -> tuple[int, int]:
    try:
        leads, latest = _TERMS.unpack(user_data)
    except error:
        return 0, 0
    return leads, latest

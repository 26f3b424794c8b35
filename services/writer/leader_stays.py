"""How the group of writers assigns the one partition of `commands`: to the one that leads, while it is in the group.

aiokafka's sticky assignor would do that if it were told the group's generations, which aiokafka 0.14 does not do. So a former
leader that comes back after a pause claims the partition as the new one does, and either may get it. Then the one that leads
ends, and changes wait for the start of a process.

This one bears the sticky assignor's name, and says its claims in the same form, so that a group may have writers of both
versions. (With two assignors, aiokafka joins with the first one alone, and then once more with both.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition

VERSION = 0
CLAIMS_NOTHING = -2
"""Less than the generation of a member that claims the partition and knows no generation (-1)."""


class LeaderStays(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no type information
    """One member's. `generation` returns the group's, for which members join or have joined last; `own_id` this member's id."""

    name = StickyPartitionAssignor.name

    def __init__(self, generation: Callable[[], int], own_id: Callable[[], str]) -> None:
        self._of_group, self._own_id = generation, own_id
        self._held: list[TopicPartition] = []
        self._generation = -1

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return StickyPartitionAssignor._metadata(topics, self._held, self._generation)

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Everything to one member: to the one that claims it for the latest generation. If nobody does, to one that stood by, or
        else to the one that assigns."""
        leads = max(sorted(members), key=lambda member: self._rank(member, members[member]))
        topics = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in members[leads].subscription]
        return {
            member: ConsumerProtocolMemberAssignment(VERSION, topics if member == leads else [], b"")
            for member in members
        }

    def _rank(self, member: str, told: ConsumerProtocolMemberMetadata) -> tuple[int, bool, bool]:
        """A member that was killed is in the group until its session ends, with what it told when it joined. Whoever tells of the
        last generation has joined anew for this one, and so has the member that assigns."""
        parsed = StickyPartitionAssignor.parse_member_metadata(told)
        stood_by = parsed.generation == self._of_group() - 1
        claims = parsed.generation if parsed.partitions else CLAIMS_NOTHING
        return claims, stood_by, not stood_by and member == self._own_id()

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        self._held, self._generation = assignment.partitions(), self._of_group()

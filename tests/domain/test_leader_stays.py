"""Who leads: the writer that leads already, whoever joins or comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.structs import TopicPartition

from services.writer.leader_stays import LeaderStays

COMMANDS = "commands"


class Group:
    """Members of one group, each with its own assignor, as in processes of their own."""

    def __init__(self) -> None:
        self.members: dict[str, LeaderStays] = {}
        self.told: dict[str, Any] = {}
        """What each member told when it joined last; a member that was killed is in the group with it until its session ends."""
        self.generation = 0
        self.assigns = ""
        self.cluster = mock.create_autospec(ClusterMetadata, instance=True)
        self.cluster.partitions_for_topic.return_value = {0}
        self.cluster.topics.return_value = {COMMANDS}

    def joins(self, name: str) -> None:
        self.members[name] = LeaderStays(lambda: self.generation, lambda: self.assigns)

    def leaves(self, name: str) -> LeaderStays:
        self.told.pop(name, None)
        return self.members.pop(name)

    def kills(self, *names: str) -> None:
        for each in names:
            del self.members[each]

    def comes_back(self, name: str) -> None:
        """As `Election` does it: the member of the former life leaves the group."""
        del self.told[name]
        self.joins(name)

    def rebalances(self, by: str) -> str:
        """By the assignor of this member. Returns who leads."""
        self.generation += 1
        self.assigns = by
        self.told |= {name: each.metadata([COMMANDS]) for name, each in self.members.items()}
        assigned = self.members[by].assign(self.cluster, self.told)
        assert assigned.keys() == self.told.keys()
        for name, member in self.members.items():
            member.on_assignment(assigned[name])
        leaders = [name for name, each in assigned.items() if each.partitions()]
        (leader,) = leaders
        assert assigned[leader].partitions() == [TopicPartition(COMMANDS, 0)]
        return leader


@pytest.fixture
def group() -> Group:
    return Group()


def both(group: Group) -> Mapping[str, LeaderStays]:
    group.joins("one")
    assert group.rebalances("one") == "one"
    group.joins("two")
    return group.members


@pytest.mark.parametrize("by", ["one", "two"])
def test_the_leader_stays_when_another_joins(group: Group, by: str) -> None:
    both(group)
    assert group.rebalances(by) == "one"


@pytest.mark.parametrize("by", ["one", "two"])
def test_of_new_members_the_one_that_assigns_leads(group: Group, by: str) -> None:
    group.joins("two")
    group.joins("one")
    assert group.rebalances(by) == by


@pytest.mark.parametrize("by", ["one", "two"])
@pytest.mark.parametrize("leading", ["one", "two"])
def test_a_leader_that_was_killed_and_comes_back_stands_by(group: Group, leading: str, by: str) -> None:
    standing_by = {"one": "two", "two": "one"}[leading]
    group.joins(leading)
    group.rebalances(leading)
    group.joins(standing_by)
    assert group.rebalances(leading) == leading
    group.kills(leading)
    group.comes_back(leading)
    assert group.rebalances(by) == standing_by


def test_whoever_was_killed_is_never_preferred_to_whoever_comes_back(group: Group) -> None:
    """Each of the two is killed, comes back, and stands by; then both are killed, and the one that led comes back."""
    both(group)
    group.rebalances("one")
    group.kills("one")
    group.comes_back("one")
    assert group.rebalances("two") == "two"
    group.kills("one", "two")
    group.comes_back("two")
    assert group.rebalances("two") == "two"


def test_of_three_the_one_that_was_not_killed_leads(group: Group) -> None:
    both(group)
    group.joins("three")
    assert group.rebalances("one") == "one"
    group.kills("one", "two")
    group.comes_back("one")
    assert group.rebalances("one") == "three"


@pytest.mark.parametrize("by", ["one", "two"])
def test_a_former_leader_that_comes_back_does_not_lead(group: Group, by: str) -> None:
    """It was paused, and believes that it leads still."""
    both(group)
    group.rebalances("one")
    paused = group.leaves("one")
    assert group.rebalances("two") == "two"
    group.members["one"] = paused
    assert group.rebalances(by) == "two"


@pytest.mark.parametrize("by", ["one", "two", "three"])
def test_beside_a_writer_of_the_version_before_the_leader_stays(group: Group, by: str) -> None:
    """That one knows no generations, and its assignor understands what this one says."""
    both(group)
    group.rebalances("one")
    told = {name: each.metadata([COMMANDS]) for name, each in group.members.items()}
    told["three"] = StickyPartitionAssignor._metadata([COMMANDS], [], -1)
    assigned = (StickyPartitionAssignor if by == "three" else group.members[by]).assign(group.cluster, told)
    assert [name for name, each in assigned.items() if each.partitions()] == ["one"]


def test_one_of_the_version_before_that_leads_stays(group: Group) -> None:
    both(group)
    paused = group.leaves("two")
    told = {name: each.metadata([COMMANDS]) for name, each in {"two": paused}.items()}
    told["zero"] = LeaderStays(lambda: 0, lambda: "").metadata([COMMANDS])
    told["old"] = StickyPartitionAssignor._metadata([COMMANDS], [TopicPartition(COMMANDS, 0)], -1)
    assigned = paused.assign(group.cluster, told)
    assert [name for name, each in assigned.items() if each.partitions()] == ["old"]

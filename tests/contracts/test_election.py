"""The election of the writer, on a broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from services.adapters.kafka import discard
from services.adapters.topics import names
from services.settings import Settings
from services.writer.election import HEARTBEAT_MS, SESSION_MS, Election
from tests.contracts.another_log import another_log
from tests.installation import Installation

PATIENCE = 20.0
Joined = Callable[[str], Election]


@pytest.fixture
async def settings(installation: Installation) -> AsyncIterator[Settings]:
    """Another log on the same broker."""
    async with another_log(installation.settings) as found:
        yield found


@pytest.fixture
async def member(settings: Settings) -> AsyncIterator[Joined]:
    made: list[Election] = []

    def one(name: str) -> Election:
        made.append(Election(settings, names(settings).commands, f"{settings.topic_prefix}.writer", name))
        return made[-1]

    yield one
    for each in made:
        if each._consumer is not None:
            await discard(each._consumer)


async def join_in_turn(leader: Election, standby: Election) -> None:
    await leader.join()
    await leader.elected()
    await standby.join()


async def killed(*members: Election) -> None:
    """None leaves the group."""
    for each in members:
        assert each._consumer is not None
        await discard(each._consumer)


async def test_a_leader_that_ends_in_order_hands_over_at_once(member: Joined) -> None:
    """Each restart of a writer took its start, or a session of six seconds, though another one stood by."""
    one, two = member("one"), member("two")
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.elected(), 1.0)
        assert one._consumer is not None
        began = time.monotonic()
        await one.hand_over()
        await discard(one._consumer)  # as the process ends
        await two.elected()
    assert time.monotonic() - began < SESSION_MS / 1000 / 2


async def test_a_leader_without_a_standby_keeps_its_place(member: Joined) -> None:
    """It comes back under its name, and leads at once; a group without members would be put together anew first."""
    only, again = member("one"), member("one")
    async with asyncio.timeout(PATIENCE):
        await only.join()
        await only.elected()
        await only.hand_over()
        assert only._consumer is not None
        generation = only._consumer._coordinator.generation
        await again.join()
        await again.elected()
    assert again._consumer is not None
    assert again._consumer._coordinator.generation == generation


async def test_a_leader_that_was_killed_and_comes_back_lets_the_standby_lead(member: Joined) -> None:
    """By its name it led again at once, with a log that it had to read first. The standby has read it."""
    one, two, again = member("one"), member("two"), member("one")
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        await killed(one)
        began = time.monotonic()
        joining = asyncio.create_task(again.join())
        await two.elected()
        assert time.monotonic() - began < SESSION_MS / 1000 / 2
        await joining
        await asyncio.sleep(3 * HEARTBEAT_MS / 1000)
    assert not again._leads.is_set()
    assert not two._lost.is_set()


async def test_one_of_a_similar_name_does_not_count_as_the_former_leader(member: Joined) -> None:
    one, two, similar = member("one"), member("two"), member("on")
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        await similar.join()
        await asyncio.sleep(3 * HEARTBEAT_MS / 1000)
    assert not one._lost.is_set()


async def test_a_leader_whose_standby_was_killed_too_leads_again(member: Joined) -> None:
    """The standby is a member until its session ends, and would be given the partition if its name came first."""
    one, two, one_again, two_again = member("one"), member("two"), member("one"), member("two")
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        await killed(one)
        await one_again.join()
        await two.elected()
        await killed(one_again, two)
        await two_again.join()
    assert two_again._leads.is_set()


async def test_one_that_stands_by_hands_nothing_over(member: Joined) -> None:
    one, two = member("one"), member("two")
    await two.hand_over()  # it has not joined yet
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        assert one._consumer is not None
        await asyncio.sleep(3 * HEARTBEAT_MS / 1000)
        generation = one._consumer._coordinator.generation
        await two.hand_over()
        await asyncio.sleep(3 * HEARTBEAT_MS / 1000)
        assert one._consumer._coordinator.generation == generation
        assert not two._leads.is_set()


async def test_members_of_an_earlier_version_are_replaced_one_after_another(member: Joined) -> None:
    one, two, new_one, new_two = member("one"), member("two"), member("one"), member("two")
    for each in (one, two):
        each._assignor = StickyPartitionAssignor
    async with asyncio.timeout(PATIENCE):
        await join_in_turn(one, two)
        for old, new in ((one, new_one), (two, new_two)):
            assert old._consumer is not None
            await discard(old._consumer)
            await new.join()
        # The assignor of that version keeps what it assigned on its class: in one process, either member of it may have led.
        leading = [asyncio.create_task(each.elected()) for each in (new_one, new_two)]
        await asyncio.wait(leading, return_when=asyncio.FIRST_COMPLETED)
    for waiting in leading:
        waiting.cancel()

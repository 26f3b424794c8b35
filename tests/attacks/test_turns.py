"""A client that asks for all of a worker's time before it is known gets a share of the time, and others get theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack

from services.api.door import Door
from services.waiting_room import TURN_SECONDS, WaitingRoom
from tests.attacks.doorway import Doorway
from tests.attacks.strangers import Stranger, post
from tests.installation import eventually

FLOOD = 60


def busy(done: list[str], name: str) -> Callable[[], None]:
    """Work that takes a whole turn's share."""

    def work() -> None:
        ends = time.perf_counter() + TURN_SECONDS
        while time.perf_counter() < ends:
            pass
        done.append(name)

    return work


async def test_a_flood_of_one_address_is_one_address() -> None:
    """Ten connections of single bytes made everybody else wait until all of them were read."""
    room, done = WaitingRoom(), list[str]()
    for _ in range(FLOOD):
        room.wait("198.51.100.1", busy(done, "flood"))
    room.wait("192.0.2.1", busy(done, "client"))
    for _ in range(3 * FLOOD):
        await asyncio.sleep(0)
    assert len(done) == FLOOD + 1
    assert done.index("client") == 1, "the second turn is the second address's"


async def test_many_addresses_that_ask_for_all_come_behind_one_that_asks_for_little() -> None:
    """Forty addresses that connect all the time made each newcomer wait for forty turns."""
    room, done = WaitingRoom(), list[str]()
    for number in range(FLOOD):
        for _ in range(2):
            room.wait(f"198.51.100.{number}", busy(done, "flood"))
    for _ in range(FLOOD + 2):  # each has had a turn
        await asyncio.sleep(0)
    before = len(done)
    room.wait("192.0.2.1", busy(done, "client"))
    for _ in range(3 * FLOOD):
        await asyncio.sleep(0)
    assert before < done.index("client") + 1 <= before + 2


async def test_other_work_goes_on_between_strangers() -> None:
    """A call on a known connection waited for everything that strangers had sent."""
    room, done = WaitingRoom(), list[str]()
    for number in range(FLOOD):
        room.wait(f"198.51.100.{number}", busy(done, "flood"))
    turns = 0
    while len(done) < FLOOD:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= FLOOD, "no turn of the loop did more than its share"


async def test_what_a_stranger_costs_later_is_waited_for_while_somebody_is_answered() -> None:
    """A dozen wrong signatures in each turn of the loop, and an Encrypt that takes a dozen turns: it waited for all of
    them."""
    room, done = WaitingRoom(), list[str]()

    def costly() -> float:
        """Work that is done at once, with a minute's work behind it."""
        done.append("stranger")
        return 60.0

    for _ in range(FLOOD):
        room.wait("198.51.100.1", costly)
    room.busy += 1
    for _ in range(3 * FLOOD):
        await asyncio.sleep(0)
    assert done == ["stranger"]
    room = WaitingRoom()
    for _ in range(FLOOD):
        room.wait("198.51.100.1", costly)
    for _ in range(3 * FLOOD):
        await asyncio.sleep(0)
    assert len(done) == 1 + FLOOD, "nobody else is there: nothing is waited for"


async def test_a_client_that_has_just_connected_calls_before_a_flood_goes_on() -> None:
    """It had its connection at once, but waited a round of forty addresses for its first call."""
    room, done = WaitingRoom(), list[str]()
    for number in range(FLOOD):
        for _ in range(3):
            room.wait(f"198.51.100.{number}", busy(done, "flood"))
    for _ in range(FLOOD + 2):
        await asyncio.sleep(0)

    def connect() -> None:
        done.append("connected")
        room.wait("192.0.2.1", lambda: done.append("called"))

    room.wait("192.0.2.1", connect)
    for _ in range(4 * FLOOD):
        await asyncio.sleep(0)
    assert done.index("called") - done.index("connected") <= 2


async def test_nobody_waits_where_there_is_time() -> None:
    room, done = WaitingRoom(), list[str]()

    def is_free() -> bool:
        return room.is_free

    assert is_free()
    room.do_now(lambda: done.append("at once"))
    assert done == ["at once"]
    assert is_free()
    room.do_now(busy(done, "long"))
    assert not is_free()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert is_free()


def test_many_connections_at_once_are_all_answered() -> None:
    """The counterpart: everything that waits is answered, and in the end nothing waits."""
    door = Door(1000, 1000)
    with Doorway(door) as doorway, ExitStack() as opened:
        strangers = [opened.enter_context(Stranger(doorway.port, f"127.0.4.{1 + n % 5}")) for n in range(300)]
        for each in strangers:
            each.send(post(length=0))
        assert {each.answer()[0] for each in strangers} == {200}
        eventually(lambda: door.waiting_room.is_free)

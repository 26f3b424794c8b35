"""Work that falls due while some of it may not be done: the rest of it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random
from typing import NoReturn

import pytest

from domain.commands.due import Deletion, destructions_due
from domain.durations import DAY_MICROS
from domain.log.codec import rfc3339
from domain.log.events import AccessKeyCreated, AccessKeyEnding, AliasCreated, GrantCreated
from domain.state.fold import Fold
from services.clock import Clock
from services.metrics import DUE_SECONDS
from services.writer.due_work import LOOK_EVERY, MOST_SKEW, DueWork
from services.writer.own_records import OwnRecords
from services.writer.vault_upkeep import VaultUpkeep
from tests.given import ACCOUNT, key_id
from tests.keys import keyring, process_keys
from tests.logs import NOW, Log, command, created
from tests.memory_log import MemoryTopic
from tests.simulation.vault import MemoryVault, VaultRows

LATER = NOW + 120 * DAY_MICROS
"""When everything of the log is due."""
DESTROYED, ROTATED, ENDED = b'"type":"key.deleted.', b'"type":"key.rotated.', b'"type":"access-key.disabled.'


def end(reason: str) -> NoReturn:
    raise AssertionError(reason)


async def nobody(log: str, materials: set[str], keys: list[str]) -> bool:
    return True


class Leading:
    """A writer's due work, on a log where a deletion is due, a rotation, and the end of an access key of the root user."""

    def __init__(self) -> None:
        log = Log()
        for number in (1, 2, 3):
            log.answer(created(number, number))
        for number in (1, 3):
            log.answer(command(3 + number, "ScheduleKeyDeletion", {"KeyId": key_id(number), "PendingWindowInDays": 7}))
        log.answer(command(7, "EnableKeyRotation", {"KeyId": key_id(2), "RotationPeriodInDays": 90}))
        step = log.deciding
        replaced = AccessKeyCreated(ACCOUNT, "AKIATWO"), AccessKeyEnding(ACCOUNT, "AKIAONE", rfc3339(NOW + DAY_MICROS))
        for event in replaced:
            log.values.append(step.record(NOW, step.fold.world.next_command, None, None, event).value)
        self.events, self.rows = MemoryTopic(), VaultRows(Random(1))
        self._step = step
        self.events.values = list(log.values)
        clock = Clock(LATER - time.time_ns() // 1000)
        self.held = False
        upkeep = VaultUpkeep(MemoryVault(self.rows), nobody, self._hold_stands)
        self.own = OwnRecords(self.events, step, upkeep, process_keys(), clock, end)  # type: ignore[arg-type]  # a log in memory keeps the same promises
        self.due = DueWork(step, self.own, upkeep, clock)
        self._before = len(log.values)

    def happen(self, *changes: object) -> None:
        """Puts events onto the log. Call this before the due work's first look."""
        for event in changes:
            self.events.values.append(
                self._step.record(NOW, self._step.fold.world.next_command, None, None, event).value
            )
        self._before = len(self.events.values)

    async def _hold_stands(self, log: str) -> bool:
        assert log == self.fold().world.log
        return self.held

    def done(self) -> set[bytes]:
        new = self.events.values[self._before :]
        return {each for each in (DESTROYED, ROTATED, ENDED) if any(each in value for value in new)}

    async def has_done(self, *kinds: bytes) -> None:
        async with asyncio.timeout(30), self.events.grown:
            await self.events.grown.wait_for(lambda: self.done() >= set(kinds))

    def fold(self) -> Fold:
        fold = Fold.under(keyring())
        for offset, value in enumerate(self.events.values):
            fold.take(offset, value)
        return fold


@pytest.fixture
async def leading() -> AsyncIterator[Leading]:
    found = Leading()
    found.events.ahead = int(MOST_SKEW) + 2  # nothing may be destroyed now
    doing = asyncio.create_task(found.due.keep_doing())
    yield found
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)


async def test_a_deletion_that_has_to_wait_holds_up_no_rotation_and_no_end_of_an_access_key(leading: Leading) -> None:
    """Gained: a leaked access key of a root user worked on after its end, for as long as some key's deletion had to wait."""
    await leading.has_done(ROTATED, ENDED)
    assert leading.done() == {ROTATED, ENDED}
    assert DUE_SECONDS._value.get() > 100 * 86_400, "due after seven days, and it is day 120"
    await leading.own.sends_ended(within=30)
    leading.events.ahead = 0
    leading.own.skew = None  # measured anew, as every half minute
    await leading.has_done(DESTROYED)
    async with asyncio.timeout(30), leading.events.grown:
        await leading.events.grown.wait_for(lambda: set(leading.fold().world.keys) == {key_id(2)})


async def test_a_vault_that_is_away_holds_up_no_deletion(leading: Leading) -> None:
    leading.rows.away = True
    leading.events.ahead = 0
    await leading.has_done(DESTROYED, ENDED)
    assert ROTATED not in leading.done()
    leading.rows.away = False
    await leading.has_done(ROTATED)


async def test_what_a_restore_holds_is_done_once_it_is_released_and_all_else_at_once(leading: Leading) -> None:
    """Gained: a deletion that was cancelled after the backup was carried out a second after the restored log had a writer."""
    leading.held, leading.events.ahead = True, 0
    await leading.has_done(ROTATED, ENDED)
    await asyncio.sleep(2 * LOOK_EVERY)
    assert leading.done() == {ROTATED, ENDED}
    assert DUE_SECONDS._value.get() > 100 * 86_400, "it is waited for, and the alert says so"
    leading.held = False
    await leading.has_done(DESTROYED)


async def test_a_key_with_more_grants_than_a_record_can_name_is_destroyed(leading: Leading) -> None:
    """Gained: the record was longer than Kafka takes, and was refused without end. No other key's work was done any more."""
    grants = [
        GrantCreated(key_id(3), f"{n:064x}", "", "a", "a", "", "", ["Decrypt"], {}, ACCOUNT, "root", "")
        for n in range(15_000)
    ]
    leading.happen(*grants)
    leading.events.ahead = 0
    await leading.has_done(DESTROYED, ROTATED, ENDED)
    async with asyncio.timeout(30), leading.events.grown:
        await leading.events.grown.wait_for(lambda: leading._step.fold.world.keys.keys() == {key_id(2)})
    assert not leading._step.fold.world.grants


async def test_work_that_is_refused_is_refused_once_and_holds_up_nothing(leading: Leading) -> None:
    """More aliases than a key can get, so that no record can hold the deletion."""
    leading.happen(*(AliasCreated(ACCOUNT, f"alias/{n:0240}", key_id(1)) for n in range(4_500)))
    leading.events.ahead = 0
    await leading.has_done(DESTROYED, ROTATED, ENDED)
    await asyncio.sleep(3 * LOOK_EVERY)
    assert leading.fold().world.keys.keys() == {key_id(1), key_id(2)}
    assert sum(b"too large to be put on record" in value for value in leading.events.values) == 1
    assert DUE_SECONDS._value.get() > 100 * 86_400, "it is waited for, and the alert says so"


async def test_a_sweep_removes_nothing_while_a_restore_holds_what_is_due(leading: Leading) -> None:
    upkeep, world = leading.own._upkeep, leading.fold().world
    unused = "0" * 64
    leading.rows.materials = dict.fromkeys({*world.materials, unused}, ("key", b"sealed", 0.0))

    async def leads() -> None:
        return None

    for held in (True, False):
        leading.held = held
        await upkeep.sweep(world, leads)
        assert (unused in leading.rows.materials) is held


def test_what_would_be_destroyed_is_listed_by_its_time() -> None:
    world = Leading().fold().world
    found = [(at, key.id, work) for at, key, work in destructions_due(world, LATER)]
    due = [world.keys[key_id(number)].deletion for number in (1, 3)]
    assert found == sorted(zip(due, map(key_id, (1, 3)), map(Deletion, map(key_id, (1, 3))), strict=True))
    assert destructions_due(world, NOW) == []

"""A writer that stands by folds the log as it comes, and does not lead by what brokers lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain.ports import Unavailable
from domain.state.fold import Fold
from services.adapters.keyring import VaultKeyring
from services.writer.warm_fold import WarmFold
from tests.logs import Log, created
from tests.memory_log import MemoryTopic
from tests.telling import Vault


class Standing:
    """A writer that stands by over this log. `restores` counts how often it began with a snapshot (here: with nothing)."""

    def __init__(self) -> None:
        self.topic, self.restores = MemoryTopic(), 0
        self._elected = asyncio.Event()
        self.caught_up: list[int] = []
        """How long the log was each time that the writer said so."""

    def _note(self) -> None:
        self.caught_up.append(len(self.topic.values))

    async def begun(self) -> Standing:
        vault: Any = Vault()
        self.keys = VaultKeyring(vault, await vault.record_secrets(), strict=True)
        self.log = Log(self.keys)
        self.topic.values = self.log.values
        return self

    async def restored(self) -> Fold:
        self.restores += 1
        return Fold.under(self.keys)

    def stands_by(self, restored: Callable[[], Awaitable[Fold]] | None = None) -> asyncio.Task[Fold]:
        warm = WarmFold(self.topic, restored or self.restored, self.keys, self._note)
        return asyncio.create_task(warm.once(self._wait))

    async def _wait(self) -> None:
        await self._elected.wait()

    async def takes(self, *values: bytes) -> None:
        async with self.topic.grown:
            for each in values:
                self.log.answer(each)
            self.topic.grown.notify_all()
        for _ in range(20):
            await asyncio.sleep(0)

    def elect(self) -> None:
        self._elected.set()


@pytest.fixture
async def standing() -> Standing:
    return await Standing().begun()


async def test_it_says_when_it_could_lead_at_once(standing: Standing) -> None:
    """A new writer was taken for ready while it loaded its snapshot. The one that led was ended then, and every change waited."""
    loaded, before = asyncio.Event(), len(standing.topic.values)

    async def slowly() -> Fold:
        await loaded.wait()
        return await standing.restored()

    task = standing.stands_by(slowly)
    await standing.takes()
    assert standing.caught_up == []
    loaded.set()
    await standing.takes(created(0, 1))
    assert standing.caught_up[:1] == [before + 1]
    standing.elect()
    await task


async def test_it_has_folded_all_that_came_when_it_is_elected(standing: Standing) -> None:
    task = standing.stands_by()
    await standing.takes(created(0, 1), created(1, 2))
    standing.elect()
    fold = await task
    assert (fold.next, fold.chain.head) == (len(standing.topic.values), standing.log.fold().chain.head)
    assert standing.restores == 1


async def test_what_is_void_at_the_end_is_read_again_by_the_leader(standing: Standing) -> None:
    """Brokers may have lost it since, and have a valid record in its place."""
    task = standing.stands_by()
    await standing.takes(created(0, 1))
    standing.topic.values.append(b"void")
    await standing.takes()
    standing.elect()
    fold = await task
    assert fold.next == len(standing.topic.values) - 1


async def test_it_begins_anew_if_the_log_has_other_records_by_then(standing: Standing) -> None:
    """To the state that followed the lost ones, all that comes would be void, and its own records to everybody else."""
    task = standing.stands_by()
    await standing.takes(created(0, 1))
    standing.topic.values = [*standing.topic.values[:-1], b"another", b"and one more"]
    standing.elect()
    assert (await task).next == 0
    assert standing.restores == 2


async def test_a_snapshot_that_is_being_read_when_it_is_elected_is_read_once(standing: Standing) -> None:
    read = asyncio.Event()

    async def slowly() -> Fold:
        found = await standing.restored()
        await read.wait()
        return found

    task = standing.stands_by(slowly)
    await standing.takes(created(0, 1))
    standing.elect()
    await standing.takes()
    read.set()
    assert (await task).next == 0
    assert standing.restores == 1


async def test_it_goes_on_when_the_brokers_were_away(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.writer.warm_fold.AGAIN", 0.0)
    failed = 0

    async def at_first_not() -> Fold:
        nonlocal failed
        if failed < 3:
            failed += 1
            raise Unavailable("away")
        return await standing.restored()

    task = standing.stands_by(at_first_not)
    await standing.takes(created(0, 1))
    standing.elect()
    assert (await task).next == len(standing.topic.values)
    assert (failed, standing.restores) == (3, 1)


async def test_one_that_is_elected_at_once_begins_with_a_snapshot(standing: Standing) -> None:
    standing.elect()
    assert (await standing.stands_by()).next == 0

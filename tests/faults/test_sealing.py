"""What a worker seals its records with: the key in force by a fresh state, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NoReturn

import pytest

from domain.log.authenticity import COMMANDS, key_id, key_of
from domain.log.events import LogKeyRotated
from domain.log.lane import Decided
from domain.ports import Headers, Unavailable
from domain.state.fold import Fold
from services.adapters.decisions import DecisionLanes
from services.adapters.keyring import VaultKeyring
from services.clock import Clock
from services.kms_api.anchors import Anchors
from services.kms_api.live_state import LiveState
from tests.keys import OTHER, ROOT, keyring
from tests.logs import Log, created
from tests.memory_log import MemoryTopic

FRESH_FOR = 5.0


class Vault:
    """Has another key than the process has read so far. `away`: it does not answer."""

    def __init__(self) -> None:
        self.away = False
        self.asked = asyncio.Event()

    async def record_secrets(self) -> list[bytes]:
        self.asked.set()
        if self.away:
            raise Unavailable("Postgres does not answer")
        return [ROOT, OTHER]


class Machine:
    """A host's clock, which goes on while the host is suspended."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Lanes:
    """What a producer of decisions was given, by partition."""

    def __init__(self) -> None:
        self.appended: list[tuple[int, bytes]] = []

    async def append_all(self, topic: str, partition: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        self.appended += [(partition, value) for value, _ in records]

    async def close(self) -> None:
        pass


class Worker:
    def __init__(self) -> None:
        self.log = Log(keyring(ROOT))
        self.log.answer(created(1, 1))
        self.events, self.commands, self.vault, self.machine = MemoryTopic(), MemoryTopic(), Vault(), Machine()
        self.events.values = list(self.log.values)
        self.keys = VaultKeyring(self.vault, [ROOT], strict=True)
        self.live = LiveState(
            self.events, Fold.under(self.keys), self.keys, FRESH_FOR, lambda _: None, _never, self.machine
        )
        self.producer = Lanes()
        self.decisions = DecisionLanes(lambda: self.producer, "decisions", 4, 0, self.live.seal_of_decisions)
        self.anchors = Anchors(self.live, self.decisions, self.commands, Clock())

    async def rotates(self) -> None:
        """The log's last record says that its key is another one."""
        self.log.keys.renew([OTHER])
        self.log._append(self.log.deciding.record(self.log.now, 0, None, None, LogKeyRotated(key_id(OTHER))))
        await self.events.append(self.log.values[-1])

    async def decides(self) -> None:
        await self.decisions.append(Decided(b'{"v":1}', b'{"call":{}}'), ())


def _never(reason: str) -> NoReturn:
    raise AssertionError(reason)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # the fold tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    found = Worker()
    tasks = [asyncio.create_task(found.live.follow()), asyncio.create_task(found.live.keep_asking())]
    await found.live.barrier()
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_rotation_while_the_vault_is_away_ends_no_worker_and_is_followed_once_it_is_back(
    worker: Worker,
) -> None:
    """The task that anchors ended with the process, on every worker at once, and no worker could start again: uses of keys whose
    material is held stopped. And the key was asked for again only with the next record."""
    await worker.decides()
    worker.vault.away = True
    await worker.rotates()
    await worker.vault.asked.wait()
    await until(lambda: worker.live.authority.key == key_id(OTHER))
    with pytest.raises(Unavailable):
        worker.live.sealed(COMMANDS, b"{}")
    with pytest.raises(Unavailable):
        await worker.decides()
    await worker.anchors.anchor()
    assert worker.commands.values == []

    worker.vault.away = False
    await until(lambda: key_id(OTHER) in worker.keys)
    await worker.decides()
    assert [(part, key_of(value)) for part, value in worker.producer.appended] == [
        (0, key_id(ROOT)),
        (0, key_id(OTHER)),
    ], "the lane goes on where it was"
    await worker.anchors.anchor()
    assert [key_of(value) for value in worker.commands.values] == [key_id(OTHER)]
    assert b'"number":2' in worker.commands.values[0]


async def test_a_decision_that_waited_for_a_lane_is_not_sealed_by_a_stale_state(worker: Worker) -> None:
    """It was sealed under the former key after a rotation had waited for all that was under way: its caller had an answer, and the
    record was void."""
    await worker.decides()
    worker.events.down = True
    worker.machine.now += FRESH_FOR
    with pytest.raises(Unavailable):
        await worker.decides()
    assert len(worker.producer.appended) == 1
    worker.events.down = False
    await worker.live.barrier()
    await worker.decides()
    assert [part for part, _ in worker.producer.appended] == [0, 0]


async def test_a_host_that_was_suspended_decides_nothing_by_what_it_knew(worker: Worker) -> None:
    """A key that had been disabled for hours was used for up to five seconds after a laptop or a virtual machine was resumed."""
    assert worker.live.is_fresh()
    worker.machine.now += 3600
    worker.events.down = True
    assert not worker.live.is_fresh()
    assert not worker.live.can_answer()

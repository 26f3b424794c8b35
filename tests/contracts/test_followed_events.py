"""Of several alert workers one judges `events`. The others know what it judged: above all, which key of records is in force."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from domain.alerts.engine.judge import Judge
from domain.alerts.settings import AlertSettings
from domain.log.authenticity import key_id
from domain.log.codec import Unreadable, canonical
from domain.log.events import LogKeyRotated
from domain.ports import Unavailable
from services.adapters.alert_publisher import Publisher
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.alert_worker import takeover
from services.alert_worker.books import Books
from services.alert_worker.events import JudgedEvents
from services.alert_worker.voids import Voids
from tests.contracts.conftest import MemoryMarks
from tests.installation import Installation
from tests.keys import OTHER, ROOT, process_keys
from tests.logs import Log, created
from tests.memory_log import MemoryTopic

NO_FACTS: Any = None
"""No record here makes a rule ask for the past."""


class Followed:
    """`events` alone."""

    def __init__(self, log: Log) -> None:
        self.events = MemoryTopic()
        self.events.values = log.values


class MemoryPublisher(Publisher):
    """Its alerts are of another log than the installation's."""

    def __init__(self, installation: Installation, keys: VaultKeyring) -> None:
        super().__init__(installation.settings, keys)
        self._topic = cast("Any", MemoryTopic())


class TwoWorkers:
    """`judging` is given `events`, and `beside` is not."""

    def __init__(self, pool: Pool, books: Books, publisher: Publisher, log: Log) -> None:
        judge = Judge(books.log, AlertSettings({}))
        topics = cast("Any", Followed(log))
        self.judging, self.beside = (
            JudgedEvents(topics, NO_FACTS, pool, books, lambda: judge, publisher, Voids()) for _ in range(2)
        )


@pytest.fixture
def log() -> Log:
    made = Log(process_keys(ROOT, OTHER))
    for number in (1, 2):
        made.answer(created(number, number))
    return made


@pytest.fixture
async def workers(installation: Installation, pool: Pool, log: Log) -> TwoWorkers:
    keys = cast("VaultKeyring", log.keys)
    publisher, books = MemoryPublisher(installation, keys), Books(keys, "the-log")
    await takeover.prepare(pool, Books(keys, "another"), MemoryMarks())
    await takeover.prepare(pool, books, MemoryMarks())
    return TwoWorkers(pool, books, publisher, log)


async def test_a_worker_without_events_learns_of_a_rotation(pool: Pool, workers: TwoWorkers, log: Log) -> None:
    """It asked what the notary keeps under the former key, found nothing, and raised `notary-behind` after each rotation. And it went
    on believing decisions under that key."""
    await workers.judging.catch_up()
    before = (await workers.beside.authority()).key
    assert before == log.keys.newest

    log.keys.renew([bytes(range(64, 96))])
    log._append(log.deciding.record(log.now, 0, None, None, LogKeyRotated(log.keys.newest)))
    log.answer(created(7, 7))
    await workers.judging.catch_up()
    await workers.beside.follow()
    rotated = (await workers.beside.authority()).key
    assert rotated == key_id(bytes(range(64, 96))) != before


async def test_whoever_judges_everything_anew_knows_from_the_first_whose_decisions_count(
    workers: TwoWorkers, log: Log
) -> None:
    """Its fold was empty, and knew no log's name. So every decision was somebody else's: it was passed over, for good, with an alert
    about void records; and what a stranger wrote counted."""
    log.keys.renew([bytes(range(64, 96))])
    log._append(log.deciding.record(log.now, 0, None, None, LogKeyRotated(log.keys.newest)))
    found, judged = await workers.beside.authority(), log.fold().chain.authority
    assert (found.log, found.key, found.retired) == (judged.log, judged.key, judged.retired) != ("", "", {})


async def test_a_record_of_a_newer_version_ends_nobody_who_has_not_come_to_it(workers: TwoWorkers, log: Log) -> None:
    """Where everything is judged anew, the log is read ahead for its links alone."""
    fold = log.fold()
    newer = json.loads(log.values[-1]) | {"previous": fold.chain.head, "v": 9}
    del newer["auth"]
    log.values.append(fold.chain.sealed(canonical(newer), fold.world.log))
    assert (await workers.beside.authority()).log == fold.world.log
    with pytest.raises(Unreadable):
        await workers.judging.catch_up()


async def test_nobody_says_whose_decisions_count_before_the_log_has_a_record(workers: TwoWorkers, log: Log) -> None:
    log.values.clear()
    with pytest.raises(Unavailable):
        await workers.beside.authority()


async def test_it_judges_on_from_there_once_it_is_given_events(workers: TwoWorkers, log: Log) -> None:
    await workers.judging.catch_up()
    await workers.beside.authority()
    log.answer(created(7, 7))
    await workers.judging.catch_up()
    await workers.beside.follow()
    log.answer(created(8, 8))
    await workers.beside.catch_up()
    await workers.judging.follow()
    assert [each.ages.fold().next for each in (workers.judging, workers.beside)] == [len(log.values)] * 2  # type: ignore[union-attr]

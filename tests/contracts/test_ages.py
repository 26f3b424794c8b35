"""The age of a key: the log gives it, however much of the log is folded so far."""

from __future__ import annotations

import asyncio

import pytest

from domain.alerts.engine.judge import Pair
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rules.table import RULES
from domain.durations import DAY_MICROS, DAY_SECONDS, SECOND_MICROS
from domain.log.events import KeyDeleted
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.alert_worker.key_ages import Ages
from tests.given import ACCOUNT, arn, key_id
from tests.keys import OTHER, keyring, process_keys
from tests.logs import NOW, Log, created
from tests.memory_log import MemoryTopic

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


def used(key: int, at: int) -> Pair:
    return Pair(
        RULES["first-use"],
        ALICE,
        arn(key),
        ObservedCall(at, "c", ALICE, ACCOUNT, "AKIA", "Encrypt", (arn(key),), "", ""),
        {},
    )


class Worker:
    """A log with keys 1, 2 and 3, of which 3 was deleted, and a worker that has folded this many of its values."""

    def __init__(self, folded: int | None = None, *, down: bool = False) -> None:
        self.log = Log()
        for number in (1, 2, 3):
            self.log.answer(created(number, number))
        self.made = {arn(number): NOW + number * SECOND_MICROS for number in (1, 2, 3)}
        gone = KeyDeleted(key_id(3), ACCOUNT, [], [], [])
        self.log.values.append(self.log.deciding.record(self.log.now, 3, None, None, gone).value)
        self.topic = MemoryTopic()
        self.topic.values, self.topic.down = self.log.values, down
        fold = Fold.under(keyring())
        for offset, value in enumerate(self.log.values[:folded]):
            fold.take(offset, value)
        self.ages = Ages(self.topic, process_keys(), lambda: fold)


async def test_a_key_that_is_folded_is_as_old_as_the_log_says_and_nothing_is_asked() -> None:
    worker = Worker(down=True)
    late = NOW + 90 * DAY_MICROS
    assert await worker.ages.of([used(1, late), used(2, late)], 7 * DAY_SECONDS) == {
        each: worker.made[each] for each in (arn(1), arn(2))
    }


async def test_a_key_behind_the_fold_is_too_young_without_asking_while_the_fold_is_younger() -> None:
    worker = Worker(folded=4, down=True)
    assert await worker.ages.of([used(2, NOW + 3 * SECOND_MICROS)], 7 * DAY_SECONDS) == {arn(2): NOW + SECOND_MICROS}
    with pytest.raises(Unavailable):
        await worker.ages.of([used(2, NOW + 8 * DAY_MICROS)], 7 * DAY_SECONDS)


@pytest.mark.parametrize("folded", [0, 4, None])
async def test_whatever_is_folded_every_key_that_ever_was_is_as_old_as_the_log_says(folded: int | None) -> None:
    """Deleted keys too, since their calls are judged again when everything is."""
    worker = Worker(folded)
    late = NOW + 90 * DAY_MICROS
    assert await worker.ages.of([used(number, late) for number in (1, 2, 3)], 7 * DAY_SECONDS) == worker.made
    worker.log.answer(created(4, 4))
    assert await worker.ages.of([used(4, late), used(3, late)], 7 * DAY_SECONDS) == {
        arn(4): NOW + 4 * SECOND_MICROS,
        arn(3): worker.made[arn(3)],
    }


async def test_a_key_that_the_log_does_not_tell_of_is_no_reason_to_be_silent() -> None:
    assert await Worker().ages.of([used(9, NOW + 90 * DAY_MICROS)], 7 * DAY_SECONDS) == {arn(9): 0}


async def test_a_forged_record_makes_no_key_younger() -> None:
    """Somebody who can write to Kafka makes a key for the second time, under a key of his own."""
    worker = Worker()
    forged = Log(keyring(OTHER))
    forged.now = NOW + 80 * DAY_MICROS
    forged.answer(created(1, 3))
    worker.topic.values = [*worker.log.values, forged.values[-1]]
    late = NOW + 90 * DAY_MICROS
    assert await worker.ages.of([used(3, late)], 7 * DAY_SECONDS) == {arn(3): worker.made[arn(3)]}


async def test_a_long_log_is_read_while_the_worker_does_what_else_it_has_to() -> None:
    """A worker that misses its group's heartbeats loses its partitions."""
    worker = Worker(folded=0)
    for number in range(4, 1_500):
        worker.log.answer(created(number, number))
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(beat())
    await worker.ages.of([used(1, NOW + 90 * DAY_MICROS)], 7 * DAY_SECONDS)
    beating.cancel()
    assert beats > 6, "more than one turn for each time that the topic is asked"


async def test_while_nothing_is_folded_the_caller_comes_again() -> None:
    worker = Worker()
    worker.ages.fold = lambda: None
    with pytest.raises(Unavailable):
        await worker.ages.of([used(1, NOW)], 7 * DAY_SECONDS)

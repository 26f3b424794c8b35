"""Snapshots: a start with a snapshot gives the same fold as the log, and a snapshot that does not fit the log is not
used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from domain.state.fold import Fold
from services.adapters.postgres import Pool
from services.adapters.snapshots import KEEP, VERSION
from tests.contracts.adapters import SNAPSHOTS, TOPICS, AnyTopic
from tests.domain.test_snapshot import plain
from tests.keys import OTHER, ROOT, process_keys
from tests.logs import Log, a_log, created

KEYS = process_keys()


@pytest.fixture(params=TOPICS)
async def topic(request: pytest.FixtureRequest) -> AsyncIterator[AnyTopic]:
    async with TOPICS[request.param](lambda: request.getfixturevalue("installation").settings) as found:
        yield found


@pytest.fixture(params=SNAPSHOTS)
async def snapshots(request: pytest.FixtureRequest, pool: Pool) -> ModuleType:
    found: ModuleType = SNAPSHOTS[request.param]
    await found.prepare(pool)
    await pool.execute("DELETE FROM present.versioned_snapshots")
    return found


@pytest.fixture
async def log(topic: AnyTopic) -> Log:
    found = a_log()
    for value in found.values:
        await topic.append(value)
    return found


def known(fold: Fold) -> dict[str, object]:
    """Everything that a fold knows. Its keys belong to the process and are left out."""
    chain = fold.chain
    return plain(fold) | {"chain": (chain.head, chain.position, chain.authority.document())}


def fold_at(log: Log, end: int) -> Fold:
    """The fold of the first `end` values."""
    fold = Fold.under(log.keys)
    for offset, value in log.numbered()[:end]:
        fold.take(offset, value)
    return fold


async def rows(pool: Pool) -> list[tuple[int, int]]:
    found = await pool.fetch("SELECT position, version FROM present.versioned_snapshots ORDER BY position")
    return [(row["position"], row["version"]) for row in found]


async def test_without_a_snapshot_the_log_is_folded_from_its_beginning(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    assert known(await snapshots.restore(pool, topic, KEYS)) == known(Fold.under(KEYS))
    assert known(await snapshots.newest(pool, topic, KEYS)) == known(log.fold())


@pytest.mark.parametrize("end", [3, 5, len(a_log().values)])
async def test_a_snapshot_and_what_came_since_are_the_whole_log(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log, end: int
) -> None:
    await snapshots.save(pool, fold_at(log, end))
    restored = await snapshots.restore(pool, topic, KEYS)
    assert known(restored) == known(fold_at(log, end))
    assert known(await snapshots.newest(pool, topic, KEYS)) == known(log.fold())


async def test_a_snapshot_that_was_saved_again_is_one(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    """The write landed and its answer was lost."""
    for _ in range(2):
        await snapshots.save(pool, log.fold())
    assert len(await rows(pool)) == 1
    assert known(await snapshots.restore(pool, topic, KEYS)) == known(log.fold())


async def test_the_newest_few_are_kept(snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log) -> None:
    ends = range(3, 3 + KEEP + 2)
    for end in ends:
        await snapshots.save(pool, fold_at(log, end))
    assert [position for position, _ in await rows(pool)] == [end - 1 for end in ends][-KEEP:]


async def test_the_newest_at_a_position_or_time_is_used(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    for end in (3, 4, 5):
        await snapshots.save(pool, fold_at(log, end))
    at = fold_at(log, 4).world.at
    for before, position in (((3, None), 3), ((9, at), 3), ((9, None), 4), ((1, None), -1)):
        assert (await snapshots.restore(pool, topic, KEYS, before)).chain.position == position, before


@pytest.mark.parametrize(
    "damage",
    [
        "digest = repeat('0', 64)",
        "position = 999",
        "position = position - 1",
        "log = 'another'",
        f"version = {VERSION + 1}",
        "body = body || '\\x00'",
        "mac = ''",
        "mac = reverse(mac)",
    ],
)
async def test_a_snapshot_that_does_not_fit_or_is_not_ours_is_not_used(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log, damage: str
) -> None:
    await snapshots.save(pool, log.fold())
    await pool.execute(f"UPDATE present.versioned_snapshots SET {damage}")
    assert known(await snapshots.restore(pool, topic, KEYS)) == known(Fold.under(KEYS))
    assert known(await snapshots.newest(pool, topic, KEYS)) == known(log.fold())


async def test_a_snapshot_of_a_recreated_log_is_not_used(snapshots: ModuleType, pool: Pool, topic: AnyTopic) -> None:
    other = a_log()
    await snapshots.save(pool, other.fold())
    assert (await snapshots.restore(pool, topic, KEYS)).chain.position == -1, "the topic is empty"


async def test_a_snapshot_under_a_former_key_is_not_used(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    """The key may have been replaced because somebody else had it."""
    await snapshots.save(pool, log.fold())
    rotated: Any = process_keys(ROOT, OTHER)
    assert (await snapshots.restore(pool, topic, rotated)).chain.position == -1


async def test_a_snapshot_does_not_skip_what_came_in_the_place_of_void_records(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    """Void records after its last valid one can be lost with the log's tail, like others, and valid ones come in their place."""
    fold = log.fold()
    for _ in range(2):
        fold.take(fold.next, b"void")
    await snapshots.save(pool, fold)
    log.answer(created(70, 70))
    await topic.append(log.values[-1])
    assert known(await snapshots.newest(pool, topic, KEYS)) == known(log.fold())

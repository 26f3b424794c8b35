"""Snapshots: a start with a snapshot gives the same fold as the log, and a snapshot that does not fit the log is not
used."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import orjson
import pytest

from domain.log.authenticity import SNAPSHOT
from domain.log.levels import FIRST
from domain.state.fold import Fold
from services.adapters.postgres import Pool
from services.adapters.snapshots import KEEP, VERSION, encode, sealed
from services.upgrade import preparation
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
    found = await pool.fetch("SELECT position, version FROM present.versioned_snapshots ORDER BY position, version")
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


async def add_of(pool: Pool, fold: Fold, version: int, age: str) -> None:
    """A snapshot that another version made so long ago."""
    row = sealed(fold)._replace(version=version)
    await pool.execute(
        "INSERT INTO present.versioned_snapshots (log, version, position, digest, body, mac, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, now() - $7::text::interval)",
        *row,
        age,
    )


async def test_snapshots_of_the_version_before_or_after_are_kept(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    """An upgrade may be prepared, and taken back. Where little happens, the newest snapshot may be old."""
    for end in (3, 4):
        await add_of(pool, fold_at(log, end), VERSION - 2, "3 years")
        await add_of(pool, fold_at(log, end), VERSION - 1, "2 years")
    for end in (4, 5):
        await snapshots.save(pool, fold_at(log, end))
    assert await rows(pool) == [(2, VERSION - 1), (3, VERSION - 1), (3, VERSION), (4, VERSION)]
    await add_of(pool, log.fold(), VERSION + 1, "1 hour")
    await snapshots.save(pool, log.fold())
    end = log.fold().chain.position
    assert await rows(pool) == [(3, VERSION), (4, VERSION), (end, VERSION), (end, VERSION + 1)]


async def test_what_is_made_beside_another_version_drops_nothing(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    for end in range(3, 3 + KEEP):
        await add_of(pool, fold_at(log, end), VERSION - 1, "2 years")
        await add_of(pool, fold_at(log, end), VERSION - 2, "3 years")
    await snapshots.add(pool, log.fold())
    assert len(await rows(pool)) == 2 * KEEP + 1


OF_FIRST = """
CREATE TABLE present.snapshots (
    log text NOT NULL, position bigint NOT NULL, digest text NOT NULL, version int NOT NULL, body bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (log, position), mac text NOT NULL DEFAULT ''
)
"""


async def test_a_snapshot_of_keytrail_0_1_0_is_used_where_it_left_it(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log
) -> None:
    fold = fold_at(log, 5)
    first, *rest = snapshots._parts(encode(fold))
    del first["level"]  # tests/upgrade has snapshots that its own code made
    body = b"".join(snapshots._framed(zlib.compress(orjson.dumps(part))) for part in (first, *rest))
    mac = KEYS.mac(
        SNAPSHOT, *snapshots._mac_fields(log.fold().world.log, fold.chain.position, fold.chain.head, 5, body)
    )
    await pool.execute(OF_FIRST)
    try:
        await pool.execute(
            "INSERT INTO present.snapshots (log, position, digest, version, body, mac) VALUES ($1, $2, $3, 5, $4, $5)",
            log.fold().world.log,
            fold.chain.position,
            fold.chain.head,
            body,
            mac,
        )
        assert known(await snapshots.restore(pool, topic, KEYS)) == known(fold)
        await snapshots.save(pool, fold)
        assert await pool.fetchval("SELECT count(*) FROM present.snapshots") == 1, "that version may take over again"
        raised = log.fold()
        raised.world.level = FIRST + 1
        await snapshots.save(pool, raised)
        assert await pool.fetchval("SELECT count(*) FROM present.snapshots") == 0, "it cannot any more"
    finally:
        await pool.execute("DROP TABLE present.snapshots")


class Interrupted(Exception):
    pass


async def test_a_preparation_that_was_interrupted_goes_on_where_it_was(
    snapshots: ModuleType, pool: Pool, topic: AnyTopic, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of hours must not be folded from its beginning again and again."""
    monkeypatch.setattr(preparation, "BATCH", 3)
    monkeypatch.setattr(preparation, "KEEP_EVERY", 3)

    def tell(done: int, of: int) -> None:
        if done > 3:
            raise Interrupted

    keys: Any = KEYS
    events: Any = topic
    with pytest.raises(Interrupted):
        await preparation._fold_to_end(await snapshots.restore(pool, topic, KEYS), events, pool, keys, tell)
    kept = await snapshots.restore(pool, topic, KEYS)
    assert known(kept) == known(fold_at(log, kept.next))
    assert kept.next == 3
    await preparation._fold_to_end(kept, events, pool, keys, lambda done, of: None)
    assert known(kept) == known(log.fold())

"""The port Topic: Kafka and the log in memory keep every promise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from domain.ports import OutOfRange, Topic, Unavailable
from services.adapters import known_records, snapshots
from services.adapters.postgres import connect
from services.writer.due_work import MOST_SKEW
from services.writer.own_records import BROKERS_TIME
from tests.contracts.adapters import TOPICS, AnyTopic
from tests.installation import Installation
from tests.logs import a_log


@pytest.fixture(params=TOPICS)
async def topic(request: pytest.FixtureRequest) -> AsyncIterator[AnyTopic]:
    async with TOPICS[request.param](lambda: request.getfixturevalue("installation").settings) as found:
        yield found


async def test_sent_values_are_durable_in_order_once_their_future_ends(topic: AnyTopic) -> None:
    futures = [await topic.send(f"value {number}".encode()) for number in range(20)]
    sent = [await future for future in futures]
    assert [each.offset for each in sent] == list(range(20))
    assert {each.timestamp_type for each in sent} == {BROKERS_TIME}
    assert all(abs(each.timestamp / 1000 - time.time()) < MOST_SKEW for each in sent)
    reader = await topic.reader(19)
    (last,) = await reader.read(1)
    await reader.close()
    assert last.value == b"value 19"


async def test_appended_values_are_read_in_order_at_dense_offsets(topic: Topic) -> None:
    offsets = [await topic.append(f"value {number}".encode()) for number in range(20)]
    assert offsets == list(range(20))
    reader = await topic.reader(0)
    read: list[tuple[int, bytes]] = []
    while len(read) < 20:
        read += [(stored.offset, stored.value) for stored in await reader.read(7)]
    assert read == [(number, f"value {number}".encode()) for number in range(20)]
    await reader.close()


async def test_a_reader_begins_where_it_is_told_and_waits_for_what_comes(topic: Topic) -> None:
    await topic.append(b"before")
    reader = await topic.reader(1)
    waiting = asyncio.create_task(reader.read(10))
    done, _ = await asyncio.wait({waiting}, timeout=1)
    assert not done
    await topic.append(b"after")
    assert [stored.value for stored in await waiting] == [b"after"]
    await reader.close()


async def test_a_reader_beyond_the_end_gets_an_error_and_never_starts_over(topic: Topic) -> None:
    await topic.append(b"one")
    reader = await topic.reader(1_000)
    with pytest.raises(OutOfRange):
        await reader.read(1)
    await reader.close()


async def test_the_end_is_the_next_appends_position(topic: Topic) -> None:
    assert await topic.end() == 0
    assert await topic.start() == 0
    offset = await topic.append(b"one", [("ce_id", b"1")])
    assert await topic.end() == offset + 1


async def test_concurrent_appends_all_land_once(topic: Topic) -> None:
    offsets = await asyncio.gather(*(topic.append(f"{number}".encode()) for number in range(200)))
    assert sorted(offsets) == list(range(200))
    reader = await topic.reader(0)
    values: list[bytes] = []
    while len(values) < 200:
        values += [stored.value for stored in await reader.read(500)]
    assert sorted(values) == sorted(f"{number}".encode() for number in range(200))
    await reader.close()


async def test_a_snapshot_is_used_only_where_it_fits_the_log(topic: Topic, installation: Installation) -> None:
    """A snapshot that does not fit (its digest is not the log's at that position) is refused."""
    log = a_log()
    for value in log.values:
        await topic.append(value)
    pool = await connect(installation.settings)
    try:
        await snapshots.prepare(pool)
        fold = log.fold()
        fold.world.log = f"log-{uuid4().hex}"
        await pool.execute("DELETE FROM present.versioned_snapshots WHERE position < 1000")
        await snapshots.save(pool, fold)
        restored = await snapshots.restore(pool, topic, log.keys)
        assert restored.chain == fold.chain
        await pool.execute(
            "UPDATE present.versioned_snapshots SET digest = $1 WHERE log = $2", "0" * 64, fold.world.log
        )
        assert (await snapshots.restore(pool, topic, log.keys)).chain != fold.chain
        await pool.execute("UPDATE present.versioned_snapshots SET position = 999 WHERE log = $1", fold.world.log)
        assert (await snapshots.restore(pool, topic, log.keys)).world.log != fold.world.log
        await pool.execute("DELETE FROM present.versioned_snapshots WHERE log = $1", fold.world.log)
    finally:
        await pool.close()


async def test_a_record_that_was_there_and_is_gone_is_not_waited_for(
    topic: AnyTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers lost it after the topic's end was asked for."""
    monkeypatch.setattr(known_records, "KNOWN_WITHIN", 0.5)  # the time itself is not tested
    await topic.append(b"one")
    reader = await topic.reader(0)
    (found,) = await known_records.read_known(reader, 10)
    assert found.value == b"one"
    with pytest.raises(Unavailable, match="have lost it"):
        await known_records.read_known(reader, 10)
    await reader.close()

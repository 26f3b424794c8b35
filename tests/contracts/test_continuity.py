"""A reader at work goes on where it was after its connection to a broker was renewed, and says so if the topic has other records
there by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError

from domain.log.chain import digest
from domain.ports import OutOfRange, Unavailable
from projections.log.entry import ALERTS
from services.adapters.kafka import KafkaReader, KafkaTopic, administering, connection
from services.adapters.record_topics import RecordTopics
from services.adapters.topics import names
from tests.installation import Installation

PATIENCE = 20.0


@pytest.fixture
async def topic(installation: Installation) -> AsyncIterator[KafkaTopic]:
    """The topic of alerts of another log on the same broker."""
    settings = replace(installation.settings, topic_prefix=f"continuity-{uuid4().hex[:8]}")
    made = KafkaTopic(settings, names(settings).alerts)
    await make(made)
    yield made
    await made.close()
    async with administering(settings) as admin:
        await admin.delete_topics([made.topic])


async def make(topic: KafkaTopic) -> None:
    """It may have been deleted a moment ago: the broker goes on with that after it has answered."""
    async with administering(topic._settings) as admin, asyncio.timeout(PATIENCE):
        while True:
            await admin.create_topics([NewTopic(topic.topic, 1, 1)])
            with suppress(Unavailable):
                if await topic.end() == 0:
                    return
            await asyncio.sleep(0.1)


async def append(topic: KafkaTopic, values: Sequence[bytes]) -> None:
    for each in values:
        await topic.append(each)


async def read(reader: KafkaReader, count: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += [(each.offset, each.value) for each in await reader.read(100)]
    return found


@asynccontextmanager
async def at_work(topic: KafkaTopic) -> AsyncIterator[KafkaReader]:
    """A reader that has read the two records that there are."""
    await append(topic, [b"0", b"1"])
    reader = await KafkaReader(topic._settings, topic.topic).open(0)
    try:
        assert await read(reader, 2) == [(0, b"0"), (1, b"1")]
        yield reader
    finally:
        await reader.close()


def consumer_of(reader: KafkaReader | RecordTopics) -> AIOKafkaConsumer:
    assert reader._consumer is not None
    return reader._consumer


def break_off(consumer: AIOKafkaConsumer) -> None:
    for each in list(consumer._client._conns.values()):
        each.close()


async def replaced(topic: KafkaTopic, consumer: AIOKafkaConsumer, values: Sequence[bytes]) -> None:
    """The topic as brokers have it that lost its last records, and took others since. The consumer sees nothing of that: its machine
    was paused, or its brokers were away."""
    consumer.pause(TopicPartition(topic.topic, 0))
    async with administering(topic._settings) as admin:
        await admin.delete_topics([topic.topic])
    await make(topic)
    await append(topic, values)
    break_off(consumer)
    consumer.resume(TopicPartition(topic.topic, 0))


async def says_so(records: RecordTopics) -> None:
    with pytest.raises(OutOfRange, match="another record at @1 than the one that was read there"):
        async with asyncio.timeout(PATIENCE):
            while True:
                assert await records.next(100, 200) == []


async def test_it_goes_on_by_another_connection_with_each_record_once(topic: KafkaTopic) -> None:
    async with at_work(topic) as reader:
        for number in range(2, 12):
            break_off(consumer_of(reader))
            await append(topic, [b"%d" % number])
            assert await read(reader, 1) == [(number, b"%d" % number)]


async def test_other_records_in_place_of_those_that_were_read_are_noticed(topic: KafkaTopic) -> None:
    """aiokafka goes on at its offset, and record 1 of the new ones would be left out."""
    async with at_work(topic) as reader:
        await replaced(topic, consumer_of(reader), [b"0", b"another", b"2"])
        with pytest.raises(OutOfRange, match="another record at @1 than the one that was read there"):
            await read(reader, 1)


async def test_a_topic_that_was_cut_is_noticed(topic: KafkaTopic) -> None:
    """At once, where one broker is all there is: nobody else has to confirm that it leads."""
    async with at_work(topic) as reader:
        await replaced(topic, consumer_of(reader), [b"0"])
        with pytest.raises(OutOfRange, match="no record at @2: it begins at @0, and its next record is @1"):
            await read(reader, 1)


async def test_whoever_reads_several_topics_notices_too(topic: KafkaTopic) -> None:
    await append(topic, [b"0", b"1"])
    records = RecordTopics(topic._settings, 1, (ALERTS,))
    await records.open({})
    try:
        taken = 0
        while taken < 2:
            taken += sum(len(found) for _, found in await records.next(100, 200))
        await replaced(topic, consumer_of(records), [b"0", b"another", b"2"])
        await says_so(records)
    finally:
        await records.close()


async def test_the_same_records_on_a_topic_that_was_put_back_are_no_fault(topic: KafkaTopic) -> None:
    async with at_work(topic) as reader:
        await replaced(topic, consumer_of(reader), [b"0", b"1", b"2"])
        assert await read(reader, 1) == [(2, b"2")]


async def test_a_record_that_a_retention_removed_meanwhile_is_not_missed(topic: KafkaTopic) -> None:
    where = TopicPartition(topic.topic, 0)
    async with at_work(topic) as reader:
        async with administering(topic._settings) as admin:
            with suppress(KafkaError):
                await admin.delete_records({where: RecordsToDelete(2)})
        assert await topic.start() == 2
        break_off(consumer_of(reader))
        await append(topic, [b"2"])
        assert await read(reader, 1) == [(2, b"2")]


async def test_whoever_kept_the_last_record_compares_it_at_the_beginning(topic: KafkaTopic) -> None:
    await append(topic, [b"0", b"1", b"2"])
    for known, found in ((b"1", [b"2"]), (b"another", None)):
        records = RecordTopics(topic._settings, 1, (ALERTS,))
        await records.open({(ALERTS, 0): 2}, last={(ALERTS, 0): digest(known)})
        try:
            async with asyncio.timeout(PATIENCE):
                while not (taken := await records.next(100, 200)):
                    pass
            assert [each.value for _, some in taken for each in some] == found
        except OutOfRange:
            assert found is None
        finally:
            await records.close()


async def test_a_quiet_topic_is_compared_too(topic: KafkaTopic) -> None:
    """Others may lead and follow again before the next record comes."""
    await append(topic, [b"0", b"1"])
    records = RecordTopics(topic._settings, 1, (ALERTS,))
    await records.open({(ALERTS, 0): 2}, last={(ALERTS, 0): digest(b"1")})
    try:
        assert await records.next(100, 200) == []
        await replaced(topic, consumer_of(records), [b"0", b"another"])
        await says_so(records)
    finally:
        await records.close()


async def in_a_transaction(topic: KafkaTopic, value: bytes, *, commits: bool = True) -> None:
    """A stranger's record. The broker marks the end of the transaction at the offset behind it, after it has answered."""
    end = await topic.end()
    producer = AIOKafkaProducer(**connection(topic._settings), transactional_id=uuid4().hex)
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic.topic, value, partition=0)
        await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()
    async with asyncio.timeout(PATIENCE):
        while True:
            if await topic.end() == end + 2:
                return
            await asyncio.sleep(0.05)


async def test_the_end_of_a_transaction_is_read_as_a_record_without_a_value(topic: KafkaTopic) -> None:
    """aiokafka leaves it out: the next offset was missing, and who read up to the end of the topic waited for ever."""
    async with at_work(topic) as reader:
        await in_a_transaction(topic, b"2")
        assert await read(reader, 2) == [(2, b"2"), (3, b"")]
        break_off(consumer_of(reader))
        await in_a_transaction(topic, b"4", commits=False)
        await append(topic, [b"6"])
        assert await read(reader, 3) == [(4, b"4"), (5, b""), (6, b"6")]
    anew = await KafkaReader(topic._settings, topic.topic).open(3)
    try:
        assert await read(anew, 4) == [(3, b""), (4, b"4"), (5, b""), (6, b"6")]
    finally:
        await anew.close()


async def test_another_record_in_place_of_the_end_of_a_transaction_is_noticed(topic: KafkaTopic) -> None:
    async with at_work(topic) as reader:
        await in_a_transaction(topic, b"2")
        assert await read(reader, 2) == [(2, b"2"), (3, b"")]
        await replaced(topic, consumer_of(reader), [b"0", b"1", b"2", b"another", b"4"])
        with pytest.raises(OutOfRange, match="another record at @3 than the one that was read there"):
            await read(reader, 1)

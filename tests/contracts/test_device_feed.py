"""What one batch for an audit device may be, and where a device goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from domain.log.chain import Chain, digest
from domain.ports import Unavailable
from projections.log.entry import DECISIONS, EVENTS
from services.adapters import topics
from services.adapters.kafka import administering, connection
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now
from services.adapters.record_topics import AT_ONCE
from services.adapters.topic_bounds import bounds
from services.adapters.topics import log_topic, names
from services.audit_devices import feed
from services.projector.store import ReadTo
from services.settings import Settings
from tests.installation import Installation

PATIENCE = 40.0


async def test_large_records_make_small_batches(
    installation: Installation, keys: VaultKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record has up to a megabyte, and compresses well: 2,000 of them would take more memory than the process may have."""
    monkeypatch.setattr(feed, "BATCH_BYTES", 20_000)
    kms = installation.client()
    context = {f"{number}": "x" * 100 for number in range(60)}
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    settings = installation.settings
    async with installation.connected() as pool:
        now = await chain_now(log_topic(settings), pool, keys)
        start = await feed.start_now(settings, now)
        made = set()
        for _ in range(100):
            answer = await asyncio.to_thread(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context)
            made.add(answer["ResponseMetadata"]["RequestId"])
        reading = feed.DeviceFeed(settings, await topics.prepare(settings, flush=False), keys)
        await reading.open(start.reached, now)
        try:
            async with asyncio.timeout(PATIENCE):
                while made:
                    batch = await reading.next()
                    assert batch.passed <= AT_ONCE
                    made -= {each.item.get("call_id") for each in batch.records}
        finally:
            await reading.close()


async def read_all(reading: feed.DeviceFeed, wanted: set[str]) -> ReadTo:
    async with asyncio.timeout(PATIENCE):
        while True:
            batch = await reading.next()
            wanted -= {each.item.get("call_id", "") for each in batch.records}
            if not wanted:
                return batch.reached


async def test_a_position_says_which_record_was_read_last(installation: Installation, keys: VaultKeyring) -> None:
    """So a device goes on where it was, and a partition with another record there is read again from its first one on."""
    kms, settings = installation.client(), installation.settings
    async with installation.connected() as pool:
        now = await chain_now(log_topic(settings), pool, keys)
        start = await feed.start_now(settings, now)
        made = [await asyncio.to_thread(kms.list_keys) for _ in range(20)]
        reading = feed.DeviceFeed(settings, await topics.prepare(settings, flush=False), keys)
        await reading.open(start.reached, now)
        try:
            reached = await read_all(reading, {each["ResponseMetadata"]["RequestId"] for each in made})
        finally:
            await reading.close()
    assert reached.last
    same = await feed.start_after(settings, reached, keys)
    assert (same.again, same.reached.offsets) == ([], reached.offsets)
    strange = min(reached.last)
    other = await feed.start_after(settings, replace(reached, last=reached.last | {strange: digest(b"another")}), keys)
    assert other.again == [strange]
    assert other.reached.offsets == reached.offsets | {strange: 0}
    assert strange not in other.reached.last


@asynccontextmanager
async def with_topics_of_its_own(installation: Installation) -> AsyncIterator[tuple[Settings, AIOKafkaAdminClient]]:
    """With two partitions of decisions, which a test may cut."""
    settings = replace(installation.settings, topic_prefix=f"cut-{uuid4().hex[:8]}", decision_partitions=2)
    await topics.prepare(settings, flush=False)
    async with administering(settings) as admin:
        try:
            yield settings, admin
        finally:
            await admin.delete_topics(
                [each for each in await admin.list_topics() if each.startswith(settings.topic_prefix)]
            )


async def test_a_topic_that_was_cut_and_grew_again_is_read_from_its_first_record(
    installation: Installation, keys: VaultKeyring
) -> None:
    """Records before the device's place would otherwise be left out without a word. The other partition goes on."""
    async with with_topics_of_its_own(installation) as (settings, admin):
        await append(settings, {0: [b"a", b"b"], 1: [b"c"]})
        places = {(DECISIONS, 0): 2, (DECISIONS, 1): 1}
        reached = ReadTo({(EVENTS, 0): 0} | places, last={(DECISIONS, 0): digest(b"b"), (DECISIONS, 1): digest(b"c")})
        assert (await feed.start_after(settings, reached, keys)).again == []
        await admin.delete_topics([names(settings).decisions])
        await made_again(settings)
        await append(settings, {0: [b"x", b"y", b"z"], 1: [b"c", b"d"]})
        found = await feed.start_after(settings, reached, keys)
        assert found.again == [(DECISIONS, 0)]
        assert {where: found.reached.offsets[where] for where in places} == {(DECISIONS, 0): 0, (DECISIONS, 1): 1}
        assert (found.waiting, found.gaps) == (4, [])


async def begun_now(settings: Settings, keys: VaultKeyring) -> ReadTo:
    return (await feed.start_now(settings, Chain())).reached


async def begun_without_digests(settings: Settings, keys: VaultKeyring) -> ReadTo:
    """With a position of a device that had read no record of the partition."""
    return (await feed.start_after(settings, replace(await begun_now(settings, keys), last={}), keys)).reached


@pytest.mark.parametrize("begun", [begun_now, begun_without_digests])
async def test_a_topic_that_was_cut_before_the_device_read_of_it_is_read_from_its_first_record(
    installation: Installation, keys: VaultKeyring, begun: Callable[[Settings, VaultKeyring], Awaitable[ReadTo]]
) -> None:
    """A device that begins now has read no record that could be compared. What came in the place of the lost ones was left out
    without a word."""
    async with with_topics_of_its_own(installation) as (settings, admin):
        await append(settings, {0: [b"a", b"b"]})
        reached = await begun(settings, keys)
        assert reached.last == {(DECISIONS, 0): digest(b"b")}
        same = await feed.start_after(settings, reached, keys)
        assert (same.again, same.reached) == ([], reached)
        await admin.delete_topics([names(settings).decisions])
        await made_again(settings)
        await append(settings, {0: [b"x", b"y", b"z"], 1: [b"c"]})
        found = await feed.start_after(settings, reached, keys)
        assert found.again == [(DECISIONS, 0)]
        assert (found.reached.offsets[DECISIONS, 0], found.reached.offsets[DECISIONS, 1]) == (0, 0)
        assert (found.waiting, found.gaps) == (4, [])


async def append(settings: Settings, values: dict[int, list[bytes]]) -> None:
    producer = AIOKafkaProducer(**connection(settings), acks="all")
    await producer.start()
    try:
        for partition, some in values.items():
            for each in some:
                await producer.send_and_wait(names(settings).decisions, each, partition=partition)
    finally:
        await producer.stop()


async def made_again(settings: Settings) -> None:
    """A broker goes on deleting a topic after it has answered."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                await topics.prepare(settings, flush=False)
                if (await bounds(settings, names(settings).decisions)) == {0: (0, 0), 1: (0, 0)}:
                    return
            await asyncio.sleep(0.2)

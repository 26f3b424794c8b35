"""What an idle projector costs the broker, and its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.protocol.fetch import FetchRequest

from domain.log.chain import Chain, digest
from domain.ports import OutOfRange
from services.adapters import topics
from services.adapters.kafka import FETCH_WAIT_MS, Producer
from services.adapters.keyring import open_keyring
from services.adapters.postgres import connect
from services.adapters.record_topics import RecordTopics
from services.projector.feed import GATHERING, EntryFeed
from services.projector.known_log import LogPlace, require_known_log
from services.projector.store import ReadTo
from services.projector.topics import KafkaProjectedTopics
from services.runtime.bootstrap import open_vault
from tests.installation import Installation
from tests.keys import process_keys


async def test_a_feed_without_records_asks_seldom_and_is_brought_what_comes(installation: Installation) -> None:
    settings = replace(installation.settings, topic_prefix=f"feed{uuid4().hex[:8]}")
    pool = await connect(settings)
    keys = await open_keyring(open_vault(settings, pool))
    records = RecordTopics(settings, await topics.prepare(settings, flush=False))
    feed, producer = EntryFeed(records, settings.region, keys), Producer(settings)
    await feed.open(ReadTo(), Chain(keys=keys))
    client, asked = records.consumer._client, 0
    send = client.send

    async def counted(node: int, request: Any, **options: Any) -> Any:
        nonlocal asked
        asked += isinstance(request, FetchRequest)
        return await send(node, request, **options)

    client.send = counted
    await feed.next(10)
    asked, began = 0, asyncio.get_running_loop().time()
    for _ in range(4):
        assert not (await feed.next(10)).reached.offsets
    took = 1000 * (asyncio.get_running_loop().time() - began)
    assert 0 < asked <= took / FETCH_WAIT_MS + 2 < took / GATHERING[1]

    await producer.append(topics.names(settings).decisions, 0, b"a stranger's", ())
    assert (await feed.next(10)).voids == 1
    await feed.close()
    await producer.close()
    await pool.close()


async def test_a_feed_that_is_closed_before_it_read_anything_ends_like_any_other(installation: Installation) -> None:
    """Verification opens a feed of a topic without records, and has no more to read."""
    settings = replace(installation.settings, topic_prefix=f"feed{uuid4().hex[:8]}")
    pool = await connect(settings)
    keys = await open_keyring(open_vault(settings, pool))
    feed = EntryFeed(RecordTopics(settings, await topics.prepare(settings, flush=False)), settings.region, keys)
    await feed.open(ReadTo(), Chain(keys=keys))
    await feed.close()
    await pool.close()


NAMED = ("KEYTRAIL_TOPIC_PREFIX", "KEYTRAIL_POSTGRES", "keytrail restore", "keytrail rebuild", "keytrail accept-loss")
"""What may be wrong, and each way to go on: those of docs/operations.md, under "If brokers lost the last records of the log"."""


async def test_a_projector_whose_last_record_is_gone_does_not_go_on(installation: Installation) -> None:
    """Brokers lost acknowledged records while it was away, and others have been appended since."""
    settings = replace(installation.settings, topic_prefix=f"feed{uuid4().hex[:8]}")
    await topics.prepare(settings, flush=False)
    producer = Producer(settings)
    for number in range(250):
        await producer.append(topics.names(settings).events, 0, b"record %d" % number, ())
    await producer.close()
    followed, keys = KafkaProjectedTopics(settings, 1), process_keys()
    await require_known_log(followed, [LogPlace(240, digest(b"record 239"))], keys)
    await require_known_log(followed, [LogPlace(240, digest(b"record 3"))], keys)  # all that came after it was void
    for lost in (LogPlace(240, digest(b"another")), LogPlace(251, digest(b"record 250"))):
        with pytest.raises(OutOfRange) as refused:
            await require_known_log(followed, [LogPlace(240, digest(b"record 239")), lost], keys)
        assert [each for each in NAMED if each not in str(refused.value)] == []
    await require_known_log(followed, [LogPlace(0, "")], keys)

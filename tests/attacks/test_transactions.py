"""Somebody who can write to Kafka, and writes in transactions. The broker marks the end of each at an offset of its own, which no
client ever sees, and which was the last of each topic here: a writer that began, and `verify`, waited for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.adapters.kafka import connection
from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from services.settings import Settings
from tests.installation import Installation, eventually


async def in_a_transaction(settings: Settings) -> None:
    """One record on every partition of every topic that Keytrail reads, and the mark of its end behind it."""
    topics = names(settings)
    producer = AIOKafkaProducer(**connection(settings), transactional_id=uuid4().hex)
    await producer.start()
    try:
        async with producer.transaction():
            for topic in (topics.events, topics.decisions, topics.alerts, topics.commands, topics.order):
                for partition in await ends(settings, topic):
                    await producer.send_and_wait(topic, b"of a stranger", partition=partition)
    finally:
        await producer.stop()


@pytest.mark.soak
def test_a_strangers_transactions_stop_nobody_and_are_no_missing_record(tmp_path: Path) -> None:
    """Gained: no further checkpoint, for ever, and a log that `verify` called broken."""
    own = {"KEYTRAIL_NOTARIES": "1", "KEYTRAIL_ALERT_WORKERS": "1"}
    with Installation(tmp_path / "data", variables=own) as running:
        kms = running.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        asyncio.run(in_a_transaction(running.settings))
        running.stop()
        running.start()
        kms = running.client()
        kms.encrypt(KeyId=key, Plaintext=b"x")
        asyncio.run(in_a_transaction(running.settings))
        kms.disable_key(KeyId=key)

        def notarised() -> bool:
            """Every leaf is compared with its record, and none waits for its batch."""
            found = running.verified("--topics-only")
            assert (found["fault"], found["decisions"]["faults"], found["tree"]["differences"]) == ("", [], [])
            return bool(found["tree"]["waiting"] == 0)

        eventually(notarised)
        running.caught_up()
        found = running.verified()
        assert (found["fault"], len(found["strange"]), found["projections"]) == ("", 4, [])
        running.keytrail("backup", str(tmp_path / "of.backup"))

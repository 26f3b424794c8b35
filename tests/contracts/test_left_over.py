"""A backup is not restored onto an earlier installation's counts, notifications and projections. They go on from
positions of topics that no longer exist, and their MACs are valid again once the vault's root secret is back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from services.adapters import topics
from services.adapters.kafka import Producer
from services.adapters.postgres import connect
from services.backup.restoration import NotEmpty, restore
from services.settings import Settings


@pytest.mark.parametrize(
    "schema", ["alerting", "auditing", "notifying", "p_keys", "p_alerts", "p_history", "present", "transparency"]
)
async def test_a_restore_refuses_the_remains_of_an_earlier_installation(schema: str, database: Settings) -> None:
    pool = await connect(database)
    try:
        assert not await pool.fetchval("SELECT to_regnamespace('vault') IS NOT NULL"), "the vault is gone"
        await pool.execute(f"CREATE SCHEMA {schema}")
        with pytest.raises(NotEmpty, match=f"DROP SCHEMA {schema} CASCADE"):
            await restore(database, Path("never read"), 8, lambda *_: None)
        await pool.execute(f"DROP SCHEMA {schema} CASCADE")
        with pytest.raises(NotEmpty, match="holds records already"):  # the shared installation's topics
            await restore(database, Path("never read"), 8, lambda *_: None)
    finally:
        await pool.close()


@pytest.mark.parametrize("kind", ["events", "decisions", "commands", "alerts", "order"])
async def test_a_restore_refuses_records_of_an_earlier_installation(kind: str, database: Settings) -> None:
    settings = replace(database, topic_prefix=f"left.{uuid4().hex}")
    await topics.prepare(settings, flush=False)
    topic = getattr(topics.names(settings), kind)
    producer = Producer(settings)
    await producer.append(topic, 0, b"{}", ())
    await producer.close()
    with pytest.raises(NotEmpty, match=f"{topic} holds records already"):
        await restore(settings, Path("never read"), settings.decision_partitions, lambda *_: None)

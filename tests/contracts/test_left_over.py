"""A backup is not restored onto an earlier installation's counts, notifications and projections. They go on from
positions of topics that no longer exist, and their MACs are valid again once the vault's root secret is back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asyncpg import UniqueViolationError

from domain.ports import LogRefused
from services.adapters import topics, vault_copy
from services.adapters.kafka import Producer
from services.adapters.master_key import FileMasterKey, make
from services.adapters.postgres import connect
from services.adapters.vault import Vault
from services.backup.restoration import NotEmpty, restore
from services.backup.sealed_file import SealedWriter
from services.runtime.bootstrap import prepare
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


MATERIAL: dict[str, Any] = {
    "kind": "vault",
    "table": "materials",
    "rows": [["m", "key", "under", "c2VhbGVk", "2026-01-01 00:00:00+00"]],
}


async def broken_off(settings: Settings, file: Path) -> None:
    """A restore that came as far as some key material: the file has one row of it twice."""
    await topics.prepare(settings, flush=False)
    master = FileMasterKey(settings.master_key_path)
    writer = SealedWriter(file, master, master.newest())
    for document in ({"kind": "start", "credentials": None}, MATERIAL, MATERIAL):
        writer.write(document)
    writer.write({"kind": "end"}, last=True)
    writer.close()
    with pytest.raises(UniqueViolationError):
        await restore(settings, file, settings.decision_partitions, lambda *_: None)


async def test_nothing_starts_on_what_a_killed_restore_left(database: Settings, tmp_path: Path) -> None:
    """Gained: on an operator's own servers the first process began a new log beside the restored key material, and swept that;
    or it answered on a log that was cut before a grant was revoked."""
    make(tmp_path / "master.key")
    settings = replace(database, topic_prefix=f"killed.{uuid4().hex}", data=tmp_path, master_key_file="")
    pool = await connect(settings)
    try:
        await broken_off(settings, tmp_path / "x.backup")
        # The schemas that an interrupted restore's next run once asked for, and no more than those.
        for emptied in ("SELECT 1", "DROP SCHEMA IF EXISTS present CASCADE"):
            await pool.execute(emptied)
            with pytest.raises(
                LogRefused, match=r"restore into this database was not finished.*`keytrail restore` again"
            ):
                await prepare(settings, pool)
            with pytest.raises(NotEmpty, match=r"not finished.*DROP SCHEMA.* vault.*killed\..*\.events"):
                await restore(settings, Path("never read"), settings.decision_partitions, lambda *_: None)
        await pool.execute("DROP SCHEMA vault CASCADE")
        await broken_off(settings, tmp_path / "again.backup")
    finally:
        await pool.execute("DROP SCHEMA IF EXISTS vault, present CASCADE")
        await pool.close()


async def test_a_restore_refuses_a_vault_that_lacks_its_seal(database: Settings) -> None:
    """The seal is loaded last. What was there before it met the backup's rows, and the command ended with Postgres's error."""
    pool = await connect(database)
    try:
        await Vault(pool, FileMasterKey(database.master_key_path)).migrate()
        await vault_copy.load(pool, "materials", MATERIAL["rows"])
        with pytest.raises(NotEmpty, match="DROP SCHEMA vault CASCADE"):
            await restore(database, Path("never read"), 8, lambda *_: None)
    finally:
        await pool.execute("DROP SCHEMA vault CASCADE")
        await pool.close()

"""Which of those that a primary sends its WAL to are standbys, as `keytrail doctor` asks it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from services.adapters.bundled.postgres import binaries
from services.adapters.postgres import Pool, connect
from services.diagnosis.postgres_facts import standbys_of
from services.inherited import for_server
from services.settings import Settings
from tests.cluster.databases import PASSWORD, USER, Database, Databases
from tests.cluster.network import Machine
from tests.installation import eventually
from tests.pausing import paused

WRITTEN = 4 << 20
SENDERS = "SELECT count(*) FROM pg_stat_replication"


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    """The servers of the test run send their WAL to nobody (wal_level=minimal)."""
    found = Databases((Machine("primary", "127.0.0.1"), Machine("standby", "127.0.0.1")))
    found.primary.wal_level = "logical"
    try:
        found.start()
        yield found
    finally:
        found.stop()


@contextmanager
def receiving(primary: Database, program: str, *arguments: str | Path) -> Iterator[None]:
    where = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", USER)
    started = subprocess.Popen(
        [str(binaries() / program), *where, *map(str, arguments)], env=for_server() | {"PGPASSWORD": PASSWORD}
    )
    try:
        eventually(
            lambda: primary.answers(f"{SENDERS} WHERE application_name = '{program}' AND state = 'streaming'") == "1"
        )
        yield
    finally:
        started.terminate()
        started.wait(20)


async def asked(databases: Databases, then: Callable[[], object] = lambda: None) -> list[tuple[str, int]]:
    pool: Pool = await connect(Settings(postgres=databases.dsn), size=1)
    try:
        then()
        return [(each.sync, each.behind or 0) for each in await standbys_of(pool)]
    finally:
        await pool.close()


async def test_what_replays_nothing_or_only_some_tables_is_no_standby(databases: Databases) -> None:
    """Counted as standbys, they made a vault on one disk look like one on three."""
    primary = databases.primary
    primary.answers("CREATE PUBLICATION some_tables")
    subscriber = ("-d", "postgres", "-S", "s", "-P", "pgoutput", "--create-slot", "--start", "-f", os.devnull)
    tables = ("-o", "proto_version=1", "-o", "publication_names=some_tables")
    with (
        TemporaryDirectory() as folder,
        receiving(primary, "pg_receivewal", "-D", folder, "--synchronous"),
        receiving(primary, "pg_recvlogical", *subscriber, *tables),
    ):
        assert primary.answers(SENDERS) == "3"
        assert [sync for sync, _ in await asked(databases)] == ["quorum"]


async def test_how_far_behind_a_standby_is_counts_what_was_not_sent_yet(databases: Databases) -> None:
    primary = databases.primary
    sender = int(primary.answers("SELECT pid FROM pg_stat_replication WHERE application_name = 'walreceiver'"))
    size = f"SELECT pg_logical_emit_message(true, 'test', repeat('x', {WRITTEN}))"
    with paused(psutil.Process(sender)):  # as when the network takes nothing
        ((_, behind),) = await asked(databases, lambda: primary.answers(size))
    assert behind >= WRITTEN

"""What Postgres says: its hosts, its clock and standbys, the vault, and how far the processes that follow have come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from domain.identities.account import Account
from domain.ports import LogRefused, Unavailable, reason_of
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.history.project import ACCOUNT
from projections.log.schema import AskedLog
from services.adapters import level_mark, pins, sessions, vault_tables
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import INTERRUPTED, Pool, hosts_of
from services.adapters.postgres_hosts import HostState, states_of
from services.adapters.vault import Vault
from services.audit_devices import device_rows
from services.followers import lag
from services.notifier import outbox
from services.runtime import collector_faults
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings

PATIENCE = 12.0
LATEST = 2**62
"""A position that no log reaches."""
FAULTS: tuple[type[BaseException], ...] = (
    *INTERRUPTED,
    ValueError,
)  # ValueError: PGPORT, which asyncpg reads, is no port
STATEMENT_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class StandbyState:
    """`sync`: sync, quorum, potential or async. `behind`: bytes of the primary's WAL that it has not replayed. "" and None if
    this user may not see them."""

    name: str
    sync: str
    behind: int | None


@dataclass(frozen=True, slots=True)
class VaultState:
    """`steps`: migrations that this version has and the database lacks; None if there is no vault yet. `refused`: why the master
    key does not open it; "" if it does. `under_others`: rows that another master key seals. `root`: whether the vault has the
    secret of the root's access key that the settings name; None if they name none."""

    steps: int | None
    refused: str = ""
    under_others: int = 0
    root: bool | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """How far each kind of process has come, by partition; None where its tables are not there."""

    projected: Mapping[str, Mapping[str, int]] | None
    judged: Mapping[str, int] | None
    notarised: Mapping[str, int] | None
    notifiers: Sequence[Mapping[str, Any]]
    devices: Sequence[Mapping[str, Any]]
    collector: Mapping[str, Any] | None = None
    """Why the collector of traces takes nothing; None if it does."""


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """`named`: how many hosts the settings name; `hosts`: those that answer. `ahead`: seconds that its clock is ahead of ours, as
    far as the answer's way allows to say it (`within`, seconds). `synchronous`: synchronous_commit. `refused`: why the log on
    Kafka is not this database's; "" if it is, None if that is not known. `root`: the first account, as the projections have it;
    None if they have none. `level`: the log's level and the version that brought it, as the last writer noted them; None if none
    has. `older`: sessions of processes that do not know the newest level."""

    named: int
    hosts: Sequence[HostState]
    version: str
    ahead: float
    within: float
    synchronous: str
    waits_for: str
    standbys: Sequence[StandbyState]
    database_bytes: int
    vault: VaultState
    refused: str | None
    followed: Followed
    root: Account | None
    level: tuple[int, str] | None
    older: int


async def postgres_facts(settings: Settings, *, kafka: bool) -> PostgresFacts:
    """`kafka`: whether a broker answers. Raises Unavailable."""
    async with _asking(settings) as pool:
        return await _facts(settings, pool, await states_of(settings), kafka=kafka)


async def followed_now(settings: Settings) -> Followed:
    """Raises Unavailable."""
    async with _asking(settings) as pool:
        return await _followed(pool)


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[Pool]:
    try:
        async with asyncio.timeout(PATIENCE):
            pool = await open_pool(settings, size=2, patience=STATEMENT_PATIENCE)
            try:
                yield pool
            finally:
                pool.terminate()
    except FAULTS as fault:
        raise Unavailable(reason_of(fault)) from fault


async def _facts(settings: Settings, pool: Pool, hosts: Sequence[HostState], *, kafka: bool) -> PostgresFacts:
    sent = time.time()
    theirs = float(await pool.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
    came = time.time()
    row = await pool.fetchrow(
        "SELECT current_setting('server_version') AS version, current_setting('synchronous_commit') AS synchronous, "
        "current_setting('synchronous_standby_names') AS waits_for, pg_database_size(current_database()) AS bytes"
    )
    assert row is not None, "the question has one row"
    vault, refused = await _vault(settings, pool, kafka=kafka)
    return PostgresFacts(
        named=len(hosts_of(settings.postgres)),
        hosts=hosts,
        version=row["version"].split()[0],
        ahead=theirs - (sent + came) / 2,
        within=(came - sent) / 2,
        synchronous=row["synchronous"],
        waits_for=row["waits_for"],
        standbys=await standbys_of(pool),
        database_bytes=row["bytes"],
        vault=vault,
        refused=refused,
        followed=await _followed(pool),
        root=await _account(pool, settings.account_id),
        level=await level_mark.noted(pool),
        older=await sessions.of_older_versions(pool),
    )


async def standbys_of(pool: Pool) -> list[StandbyState]:
    """Those that replay. Postgres lists others beside them: a base backup that is being taken, pg_receivewal, which replays
    nothing, and a logical subscriber, which may lack the vault. A user who may not see states gets the first two too. Raises
    Postgres's errors."""
    rows = await pool.fetch(
        "SELECT application_name, sync_state, pg_wal_lsn_diff("
        # Not sent_lsn: what waits for a standby with a slow network was not sent yet.
        "  CASE WHEN pg_is_in_recovery() THEN sent_lsn ELSE pg_current_wal_lsn() END, replay_lsn)::bigint AS behind "
        "FROM pg_stat_replication AS seen "
        "WHERE (state IS NULL OR state <> 'backup' AND replay_lsn IS NOT NULL) AND NOT EXISTS ("
        "  SELECT FROM pg_replication_slots AS slot WHERE slot.slot_type = 'logical' AND slot.active_pid = seen.pid)"
    )
    return [StandbyState(each["application_name"] or "", each["sync_state"] or "", each["behind"]) for each in rows]


async def _account(pool: Pool, name: str) -> Account | None:
    try:
        row = await history.one(AskedLog(pool), LATEST, ACCOUNT, name)
    except asyncpg.PostgresError:  # no projector has run here, or one of another version
        return None
    found = None if row is None else aggregate_of(row)
    return found if isinstance(found, Account) else None


async def _vault(settings: Settings, pool: Pool, *, kafka: bool) -> tuple[VaultState, str | None]:
    """The vault's state, and why the log is not the one that it is pinned to."""
    steps = await vault_tables.steps_missing(pool)
    if steps is None or not await Vault.is_sealed(pool):
        return VaultState(None), None
    try:
        vault = open_vault(settings, pool)
        keys = await open_keyring(vault)
        others = await vault.under_others()
        root = None
        if settings.root_access_key_id:
            root = await vault.secret(settings.root_access_key_id) == settings.root_secret_access_key
    except MasterKeyRefused as fault:
        return VaultState(steps, str(fault)), None
    except asyncpg.PostgresError as fault:  # tables that another version has
        return VaultState(steps, f"The vault cannot be read: {fault}"), None
    state = VaultState(steps, "", others, root)
    return state, await _refused(settings, vault, keys) if kafka else None


async def _refused(settings: Settings, vault: Vault, keys: VaultKeyring) -> str | None:
    try:
        await pins.require(settings, vault, keys)
    except LogRefused as fault:
        return str(fault)
    except Unavailable:
        return None
    return ""


async def _followed(pool: Pool) -> Followed:
    try:
        projected = await lag.projected(pool)
    except asyncpg.UndefinedTableError:
        projected = None
    order, notarised = await lag.notarised(pool)
    leaves = notarised if order.size else None
    devices = await device_rows.state(pool)
    return Followed(
        projected, await lag.judged(pool), leaves, await outbox.state(pool), devices, await collector_faults.state(pool)
    )

"""The end of an upgrade: the log is raised to the newest level that this version knows. Before it, the version before could take
over again; after it, that one stops and says why.

An operator says when, not a writer that finds itself leading: nobody can know which processes still run. One may be stopped, or
away from the network, and come back.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import CommandExpired, UpgradeUnfinished
from domain.log.levels import LEVEL, LEVEL_VERSION
from domain.log.own_commands import RAISE_LEVEL
from domain.state.fold import Fold
from services.adapters import level_mark, sessions, snapshots
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.vault import Vault
from services.adapters.writer_requests import NotYet, WriterRefused, ask_writer, recorded
from services.settings import Settings

SAID_BY_A_WRITER_THAT_KNOWS_LEVELS = {UpgradeUnfinished.kind, CommandExpired.kind}


@dataclass(frozen=True, slots=True)
class Completion:
    """`raised` is False if the log was at this level before. `position`: of the log's last record when that was seen."""

    log: str
    level: int
    version: str
    position: int
    raised: bool


async def finish(
    settings: Settings, pool: Pool, vault: Vault, keys: VaultKeyring, *, whatever_runs: bool
) -> Completion:
    """Raise the log to LEVEL. Twice is once, and a command that was interrupted is run again. `whatever_runs`: also if a process
    of an earlier version is seen. Raises NotYet, Unavailable, MasterKeyRefused, OutOfRange, Unreadable, asyncpg's errors."""
    events = log_topic(settings)
    try:
        fold = await snapshots.newest(pool, events, keys)
        if not fold.world.log:
            raise NotYet("There is no log yet. One that this version begins is at its level from the beginning.")
        raised = fold.world.level < LEVEL
        if raised:
            if not whatever_runs:
                await _require_no_older(pool)
            # Before the level, from which on no row without a seal is believed.
            await vault.seal_tree_keys()
            await _raise_level(settings, events, fold, keys)
        world, chain = fold.world, fold.chain
        await level_mark.keep(pool, keys, chain, world.level, world.level_version)
        return Completion(world.log, world.level, world.level_version, chain.position, raised)
    finally:
        await events.close()


async def _require_no_older(pool: Pool) -> None:
    """Raises NotYet. Only what has a session is seen. A process without one stops by itself when it reads the new level, so this
    is there to help, and the log is safe without it."""
    count = await sessions.of_older_versions(pool)
    if count:
        raise NotYet(
            f"Processes of an earlier version are connected to this database (sessions: {count}). They stop when the level is "
            "raised: start them anew with this version and try again. If the sessions are not Keytrail's, add --whatever-runs."
        )


async def _raise_level(settings: Settings, events: KafkaTopic, fold: Fold, keys: VaultKeyring) -> None:
    """Raises NotYet if the writer refuses, Unavailable if it does not answer."""
    reader = await events.reader(fold.next)
    asked = {"level": LEVEL, "version": LEVEL_VERSION}
    try:
        call = await ask_writer(settings, keys, fold.chain.authority, RAISE_LEVEL, asked)
        await recorded(fold, reader, keys, call, lambda _: fold.world.level >= LEVEL)
    except WriterRefused as fault:
        if fault.kind in SAID_BY_A_WRITER_THAT_KNOWS_LEVELS:
            raise
        # It took the command for a call, and refused its caller.
        raise NotYet(
            "The writer that leads is of an earlier version. Start the writers anew with this version, and run the same command "
            "again."
        ) from fault
    finally:
        await reader.close()

"""The end of an upgrade: the log is raised to the newest level that this version knows. Before it, the version before could take
over again; after it, that one stops and says why.

An operator says when, not a writer that finds itself leading: nobody can know which processes still run. One may be stopped, or
away from the network, and come back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from domain.log.levels import LEVEL, LEVEL_VERSION
from domain.log.own_commands import OURSELVES, RAISE_LEVEL
from domain.log.record import Record
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.adapters import keyring, level_mark, sessions, snapshots
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.topics import names
from services.log_keys.rotation import WITHIN, NotYet, ask_writer
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Completion:
    """`raised` is False if the log was at this level before. `position`: of the log's last record when that was seen."""

    log: str
    level: int
    version: str
    position: int
    raised: bool


async def finish(settings: Settings, pool: Pool, keys: VaultKeyring, *, whatever_runs: bool) -> Completion:
    """Raise the log to LEVEL. Twice is once, and a command that was interrupted is run again. `whatever_runs`: also if a process
    of an earlier version is seen. Raises NotYet, Unavailable, OutOfRange, Unreadable, asyncpg's errors."""
    events = KafkaTopic(settings, names(settings).events)
    try:
        fold = await snapshots.newest(pool, events, keys)
        if not fold.world.log:
            raise NotYet("There is no log yet. One that this version begins is at its level from the beginning.")
        raised = fold.world.level < LEVEL
        if raised:
            if not whatever_runs:
                await _require_no_older(pool)
            asked = {"level": LEVEL, "version": LEVEL_VERSION}
            await ask_writer(settings, keys, fold.chain.authority, RAISE_LEVEL, asked)
            await _until_raised(fold, events, keys)
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
            f"{count} sessions on this database are of an earlier version, which stops when the level is raised. Start those "
            "processes anew with this version and try again. If the sessions are not Keytrail's, add --whatever-runs."
        )


async def _until_raised(fold: Fold, events: KafkaTopic, keys: VaultKeyring) -> None:
    reader = await events.reader(fold.next)
    try:
        async with asyncio.timeout(WITHIN):
            while fold.world.level < LEVEL:
                for stored in await reader.read(100):
                    _require_known(await keyring.take(fold, stored, keys))
    except TimeoutError:
        raise Unavailable(
            f"the level was not raised within {WITHIN:.0f} s: run the same command again once a writer leads"
        ) from None
    finally:
        await reader.close()


def _require_known(record: Record | None) -> None:
    """Raises NotYet if a writer answered that it does not know the command."""
    call = None if record is None else record.call
    if call is not None and call.operation == RAISE_LEVEL and call.principal == OURSELVES:
        raise NotYet(
            "The writer that leads is of an earlier version. Start the writers anew with this version, and run the same command "
            "again."
        )

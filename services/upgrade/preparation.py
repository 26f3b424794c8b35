"""A snapshot of this version, made beside the processes of the version before, so that none of this version has to fold the whole
log at its start.

Nothing of the version before changes: it keeps its own snapshots, and the vault is not migrated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.state.fold import Fold
from services.adapters import keyring, snapshots
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.known_records import read_known
from services.adapters.postgres import Pool
from services.adapters.topics import has_log, log_topic
from services.adapters.vault import NoVault, Vault
from services.runtime.memory import look_seldom_beside_batches
from services.settings import Settings

BATCH = 1000
KEEP_EVERY = 500_000
"""Records. A command that was interrupted goes on from the last snapshot that it kept."""
TellFolded = Callable[[int, int], None]
"""(records folded, of how many)"""


@dataclass(frozen=True, slots=True)
class PreparedSnapshot:
    """`position` is that of the snapshot, -1 where there is no log yet. `folded`: how many records were read for it. `after`: the
    position of the snapshot that it goes on from, -1 if it begins with the log."""

    position: int
    folded: int
    after: int


NO_LOG = PreparedSnapshot(-1, 0, -1)


async def prepare_snapshot(settings: Settings, pool: Pool, vault: Vault, tell: TellFolded) -> PreparedSnapshot:
    """Keep a snapshot of this version at the end of the log. Raises NoVault if there is a log without one; Unavailable,
    MasterKeyRefused, OutOfRange, Unreadable, asyncpg's errors."""
    look_seldom_beside_batches()
    try:
        keys = await open_keyring(vault)
    except NoVault:
        if await has_log(settings):
            raise
        return NO_LOG  # and nothing is made in the database: a restore wants it empty
    await snapshots.prepare(pool)
    events = log_topic(settings)
    try:
        fold = await snapshots.restore(pool, events, keys)
        began, after = fold.next, fold.chain.position
        await _fold_to_end(fold, events, pool, keys, tell)
        if fold.chain.position < 0:
            return NO_LOG
        await snapshots.add(pool, fold)  # also where nothing came: the snapshot may be one of an earlier version
        return PreparedSnapshot(fold.chain.position, fold.next - began, after)
    finally:
        await events.close()


async def _fold_to_end(fold: Fold, events: KafkaTopic, pool: Pool, keys: VaultKeyring, tell: TellFolded) -> None:
    end, kept = await events.end(), fold.next
    if fold.next >= end:
        return
    reader = await events.reader(fold.next)
    try:
        while fold.next < end:
            for stored in await read_known(reader, BATCH):
                await keyring.take(fold, stored, keys)
            tell(min(fold.next, end), end)
            if fold.next - kept >= KEEP_EVERY:
                await snapshots.add(pool, fold)
                kept = fold.next
    finally:
        await reader.close()

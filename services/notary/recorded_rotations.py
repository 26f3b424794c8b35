"""What the log says of the keys that sign checkpoints: whoever writes to Postgres cannot change it."""

from __future__ import annotations

from domain.log.events import TreeKeyRotated
from domain.log.levels import FIRST
from domain.state.fold import Fold
from services.adapters import keyring, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.settings import Settings

READ_AT_ONCE = 1000


class RecordedRotations:
    """`keys` are those of records."""

    def __init__(self, settings: Settings, pool: Pool, keys: VaultKeyring) -> None:
        self._settings, self._pool, self._keys = settings, pool, keys

    async def is_first_level(self) -> bool:
        """Whether a process of the version before may still write rows. Raises Unavailable, OutOfRange, Unreadable."""
        events = log_topic(self._settings)
        try:
            return (await snapshots.newest(self._pool, events, self._keys)).world.level == FIRST
        finally:
            await events.close()

    async def newest(self, origin: str) -> str:
        """The verifier key with this name that the log names last; "" for none. It reads the whole log, since no snapshot keeps
        it: only for when something is wrong. Raises Unavailable, OutOfRange, Unreadable."""
        events, found = log_topic(self._settings), ""
        try:
            fold, end = Fold.under(self._keys), await events.end()
            reader = await events.reader(await events.start())
            try:
                while fold.next < end:
                    for stored in await read_known(reader, READ_AT_ONCE):
                        record = await keyring.take(fold, stored, self._keys)
                        event = None if record is None else record.event
                        if isinstance(event, TreeKeyRotated) and event.verifier_key.startswith(f"{origin}+"):
                            found = event.verifier_key
            finally:
                await reader.close()
        finally:
            await events.close()
        return found

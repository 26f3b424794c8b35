"""Taking a backup while calls go on.

The order makes it consistent: the vault first (in one snapshot of the database), then the decisions, then the log up to its end
at that time. Every decision was made at a position that the log has. Material and secrets that were added after the vault was
read are read separately; if they are gone by then, the log is read on to the record that removed them. Then come the decisions
that were made meanwhile, as far as the log in the backup goes.

Last, the vault is asked whether it is still sealed as it was, and whether the log still has the same keys. If a rotation came
between, the parts do not fit together, and the backup begins again. Rotations are rare, so all that was written is thrown away.
So it does if a row of the vault is under another master key than its seal, since a rotation is then not at its end.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

from domain.log.authenticity import DECISIONS
from domain.log.chain import Chain
from domain.log.codec import object_of, rfc3339
from domain.ports import OutOfRange, Unavailable
from domain.state.fold import Fold
from services.adapters import snapshots, topics, vault_copy
from services.adapters.keyring import VaultKeyring, open_keyring, take
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.topic_bounds import bounds, ends, values_between
from services.adapters.topics import log_topic
from services.adapters.vault import Vault
from services.backup.sealed_file import SealedWriter
from services.clock import Clock
from services.runtime.bootstrap import open_pool
from services.runtime.data_folder import Folder
from services.settings import Settings

BATCH = 2000
TRIES = 10
BETWEEN_TRIES_SECONDS = 3.0
"""A rotation of the master key may be under way, and needs time to seal all rows anew."""
Tell = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many)."""


class BackupTaken(NamedTuple):
    """What a backup holds, counted; and the names of the secrets that the log names and the vault lacks."""

    counts: dict[str, int]
    lacking: list[str]


class _RotatedMeanwhile(Exception):
    """The parts of the backup do not fit together. The message says what was rotated, and what to do if it is so each time."""


async def take_backup(settings: Settings, path: Path, tell: Tell) -> BackupTaken:
    """Raises Unavailable, OutOfRange, MasterKeyRefused, BadBackup, OSError."""
    pool = await open_pool(settings)
    try:
        tried = 0
        while True:
            tried += 1
            try:
                return await _Taking(settings, pool, path, tell).run()
            except _RotatedMeanwhile as rotated:
                if tried == TRIES:
                    raise Unavailable(str(rotated)) from None
            await asyncio.sleep(BETWEEN_TRIES_SECONDS)
    finally:
        await pool.close()


class _Taking:
    """One try."""

    def __init__(self, settings: Settings, pool: Pool, path: Path, tell: Tell) -> None:
        self._settings = settings
        self._pool = pool
        self._path = path
        self._tell = tell
        self._master = FileMasterKey(settings.master_key_path)
        self._held: dict[str, set[str]] = {table: set() for table in vault_copy.NAMED}
        """By table, the names of the rows in the backup."""
        self._next: dict[int, int] = {}
        """By partition of decisions: the offset up to which the backup has them."""
        self._decisions = 0

    async def run(self) -> BackupTaken:
        keys = await vault_copy.sealed_keys(self._pool)
        self._under = keys.under
        self._file = SealedWriter(self._path, self._master, keys.under, at=rfc3339(Clock().now()))
        try:
            credentials = self._credentials()
            found = await self._written(credentials)
            if await vault_copy.sealed_keys(self._pool) != keys:
                raise _RotatedMeanwhile(
                    "keys were rotated each time while the backup was taken: take it when no rotation is under way"
                )
            # They come first in the file, so that they are older than its log, which may have disabled them.
            if self._credentials() != credentials:
                raise _RotatedMeanwhile(
                    "the root credential was rotated each time while the backup was taken: take it when that is done"
                )
            self._file.close()
        except BaseException:
            self._file.abandon()
            raise
        return found

    def _credentials(self) -> dict[str, str] | None:
        return _document(Folder(self._settings.data).kept_credentials())

    async def _written(self, credentials: dict[str, str] | None) -> BackupTaken:
        events = log_topic(self._settings)
        try:
            self._next = dict.fromkeys(await ends(self._settings, topics.names(self._settings).decisions), 0)
            self._file.write({"kind": "start", "partitions": len(self._next), "credentials": credentials})
            async with aclosing(vault_copy.copied(self._pool)) as parts:
                async for table, rows in parts:
                    self._write_rows(table, rows)
            # After the vault, so that the backup has a decision's material before the decision; before the log.
            await self._write_decisions()
            keys = await open_keyring(Vault(self._pool, self._master))
            fold = Fold.under(keys)
            for _ in range(TRIES):
                await self._write_log(fold, keys, await events.end())
                if not await self._write_late(fold):
                    break
            if lacking := fold.world.materials - self._held["materials"]:
                raise Unavailable(f"the vault lacks {len(lacking)} materials that the log refers to")
            # The backup has what the log says of decisions (decisions.anchored), so it needs these decisions too.
            await self._write_decisions(_LaterThanLog(fold.chain, keys))
            async with aclosing(snapshots.dump(self._pool, fold.chain.position)) as found:
                async for document in found:
                    self._file.write({"kind": "snapshot", **document})
        finally:
            await events.close()
        head = {"log": fold.world.log, "next": fold.next, "head": fold.chain.head}
        head |= {"level": fold.world.level, "level_version": fold.world.level_version}
        self._file.write({"kind": "end", **head}, last=True)
        counts = {"materials": len(self._held["materials"]), "events": fold.next, "decisions": self._decisions}
        # No reason to take no backup: whoever has lost a secret is given another one, unlike material.
        return BackupTaken(counts, sorted(fold.world.secrets - self._held["secrets"]))

    def _write_rows(self, table: str, rows: vault_copy.Rows) -> None:
        # A rotation names the new key first, and seals the rows anew after that: it may have been at work all the time.
        if any(vault_copy.master_key_of(table, row) != self._under for row in rows):
            raise _RotatedMeanwhile(
                "the vault is sealed under two master keys, since a rotation is not at its end: finish the rotation first "
                "(keytrail master-key rotate)"
            )
        self._file.write({"kind": "vault", "table": table, "rows": rows})
        if table in self._held:
            self._held[table].update(row[0] for row in rows)

    async def _write_late(self, fold: Fold) -> bool:
        """Write the rows that the log names and the backup lacks. Whether there are such rows, written now or not to be found."""
        named = {"materials": fold.world.materials, "secrets": fold.world.secrets}
        lacking = {table: sorted(names - self._held[table]) for table, names in named.items()}
        for table, names in lacking.items():
            async with aclosing(vault_copy.copied_of(self._pool, table, names)) as parts:
                async for rows in parts:
                    self._write_rows(table, rows)
        return any(names - self._held[table] for table, names in named.items())

    async def _write_decisions(self, is_later: _LaterThanLog | None = None) -> None:
        """Write the records that were appended to each partition since the last time, as far as a retention has left them. With
        `is_later`, stop at the first one of which it says so. Raises Unavailable, OutOfRange."""
        topic = topics.names(self._settings).decisions
        found = await bounds(self._settings, topic)
        total = sum(end for _, end in found.values())
        for partition in self._next:
            begin, end = found[partition]
            while True:
                if begin > self._next[partition]:
                    self._file.write({"kind": "decisions", "partition": partition, "offset": begin, "values": []})
                    self._next[partition] = begin
                try:
                    await self._write_partition(partition, end, is_later, total)
                    break
                except OutOfRange:  # a retention has removed what comes next, or the topic is another one
                    begin, end = (await bounds(self._settings, topic))[partition]
                    if begin <= self._next[partition]:
                        raise

    async def _write_partition(self, partition: int, end: int, is_later: _LaterThanLog | None, total: int) -> None:
        topic, start = topics.names(self._settings).decisions, self._next[partition]
        async for offset, values in _values(self._settings, topic, partition, start, end):
            kept = values if is_later is None else values[: is_later.first_of(partition, offset, values)]
            if kept:
                self._file.write({"kind": "decisions", "partition": partition, "offset": offset, "values": kept})
            self._next[partition] = offset + len(kept)
            self._decisions += len(kept)
            self._tell("decisions", sum(self._next.values()), total)
            if len(kept) < len(values):
                break

    async def _write_log(self, fold: Fold, keys: VaultKeyring, end: int) -> None:
        """Write the log from the fold's position to `end`, and fold it."""
        topic = topics.names(self._settings).events
        async for offset, values in _values(self._settings, topic, 0, fold.next, end, fold, keys):
            self._file.write({"kind": "events", "offset": offset, "values": values})
            self._tell("events", fold.next, end)


class _LaterThanLog(NamedTuple):
    """Knows decisions that were made at a later position than the log in the backup has."""

    chain: Chain
    keys: VaultKeyring

    def first_of(self, partition: int, offset: int, values: list[str]) -> int:
        """How many values (in base64) come before the first such decision. `offset`: where the values begin."""
        for count, value in enumerate(values):
            if self._is_later(partition, offset + count, b64decode(value)):
                return count
        return len(values)

    def _is_later(self, partition: int, offset: int, value: bytes) -> bool:
        """Only a decision of this installation's counts. Anybody may write another position, and stop the backup before all that
        comes behind. A key that these keys lack came with a rotation, after which the backup begins again."""
        seen = (object_of(value) or {}).get("seen")
        if not isinstance(seen, int) or seen <= self.chain.position:
            return False
        return self.chain.authority.believes(self.keys, DECISIONS, partition, offset, value)


def _document(credentials: Any) -> dict[str, str] | None:
    if credentials is None:
        return None
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "region": credentials.region,
    }


async def _values(
    settings: Settings,
    topic: str,
    partition: int,
    start: int,
    end: int,
    fold: Fold | None = None,
    keys: VaultKeyring | None = None,
) -> AsyncIterator[tuple[int, list[str]]]:
    """(offset of the first value, values in base64), up to before `end`. `fold`, if given, takes the values in; `keys` are
    its keys. Raises Unavailable, OutOfRange."""
    async with aclosing(values_between(settings, topic, partition, start, end, BATCH)) as batches:
        async for found in batches:
            if fold is not None and keys is not None:
                for each in found:
                    await take(fold, each, keys)
            yield found[0].offset, [b64encode(each.value).decode() for each in found]

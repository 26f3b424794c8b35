"""The vault: sealed key material and access-key secrets in Postgres, schema `vault`. Only this file,
vault_tables.py and tree_key_rows.py know its tables, and restore_mark.py a table of its own beside them.

Everything is sealed under the master key that `vault.seal` names, and each row names its key (`under`). A row is inserted only
while `vault.seal` still names that row's key. So once a rotation has named another key, nothing is sealed under the old one any
more, even by a process that had read its name before. The rows that are left under it can then be rewrapped to the last.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from domain.ports import MasterKey, Unavailable
from services.adapters import tree_key_rows
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import LOST, Connection, Pool
from services.adapters.tree_key_rows import TreeSecret
from services.adapters.vault_tables import (
    HOLDING,
    MIGRATIONS,
    REWRAPPED,
    ROOT,
    ROOT_OF_AUTHENTIC,
    bound_to,
    open_record_secret,
    open_root,
)

_CHECK = b"keytrail vault"
ROOT_BYTES = 32
WAITS_FOR_STANDBY = "SET LOCAL synchronous_commit = remote_apply"
BATCH = 200
TellRewrapped = Callable[[int, int], None]
"""(rows done, rows in all)"""


class NoVault(Exception):
    """The database has no vault: no process has prepared one, or somebody emptied the database. The message says so."""


class AlreadyRotating(Exception):
    """Another process is rotating the same key. The message says which."""


async def _migrate(connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.MIGRATE_VAULT)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS vault")
    await connection.execute("CREATE TABLE IF NOT EXISTS vault.migrations (number int PRIMARY KEY)")
    done = await connection.fetchval("SELECT coalesce(max(number), 0) FROM vault.migrations")
    for number, step in enumerate(MIGRATIONS[done:], done + 1):
        await connection.execute(step)
        await connection.execute("INSERT INTO vault.migrations VALUES ($1)", number)


class Vault:
    """Seals on the way in, opens on the way out. Secrets are bound to their key and material ids."""

    def __init__(self, pool: Pool, master: MasterKey) -> None:
        self._pool = pool
        self._master = master
        self._under = ""

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            yield
        except LOST as fault:
            # If one connection hung, the others may be stale too: none of them is used again.
            await self._pool.expire_connections()
            raise Unavailable("the vault does not answer") from fault

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Connection]:
        """A transaction whose commit waits for the standby, if any: no event on Kafka that names a row may outlive that row."""
        async with self._answering(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(WAITS_FOR_STANDBY)
            yield connection

    async def prepare(self, why_not_new: Callable[[], Awaitable[str]]) -> None:
        """Migrate, and check that the master key is the one that sealed this vault. Makes the root secret if there is none.

        `why_not_new` is called before a root secret is made. If anything shows that this installation had authenticated records,
        its root secret was lost, and a new one would make everything that it wrote void. It returns "" if nothing does. Raises
        MasterKeyRefused.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(WAITS_FOR_STANDBY)
            await _migrate(connection)
            row = await connection.fetchrow("SELECT sealed, under, root FROM vault.seal")
            if (row is None or not row["under"]) and (reason := await why_not_new()):
                raise MasterKeyRefused(reason)
            if row is None:
                under = self._master.newest()
                sealed, root = self._seals(under, os.urandom(ROOT_BYTES), ROOT_OF_AUTHENTIC)
                await connection.execute(
                    "INSERT INTO vault.seal (sealed, under, root) VALUES ($1, $2, $3)", sealed, under, root
                )
                return
            under = row["under"] or self._master.newest()
            if self._master.open(under, row["sealed"], _CHECK) != _CHECK:
                raise MasterKeyRefused("The vault's seal was not made by Keytrail.")
            if not row["under"]:  # from a version whose master keys had no names
                for table in ("materials", "secrets", "seal"):
                    await connection.execute(f"UPDATE vault.{table} SET under = $1 WHERE under = ''", under)
                await connection.execute(
                    "UPDATE vault.seal SET root = $1", self._seals(under, os.urandom(ROOT_BYTES), ROOT)[1]
                )

    async def migrate(self) -> None:
        """Make only the tables, which a restore fills."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _migrate(connection)

    def _seals(self, under: str, root: bytes, bound: bytes) -> tuple[bytes, bytes]:
        return self._master.seal(under, _CHECK, _CHECK), self._master.seal(under, root, bound)

    def _open_root(self, row: Any) -> tuple[bytes, bool]:
        return open_root(self._master, row["under"], row["root"])

    @staticmethod
    async def is_sealed(pool: Pool) -> bool:
        """Whether some master key has sealed this vault already. Raises what LOST names."""
        if not await pool.fetchval("SELECT to_regclass('vault.seal') IS NOT NULL"):
            return False
        return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM vault.seal)"))

    @staticmethod
    async def holds_rows(pool: Pool) -> bool:
        """Whether any table of this vault has a row, sealed or not. Raises what LOST names."""
        for table in HOLDING:
            if await pool.fetchval("SELECT to_regclass($1) IS NULL", f"vault.{table}"):
                continue
            if await pool.fetchval(f"SELECT EXISTS (SELECT FROM vault.{table})"):  # a name of ours
                return True
        return False

    async def require_made(self) -> None:
        """Raises NoVault, Unavailable."""
        async with self._answering():
            made = await self.is_sealed(self._pool)
        if not made:
            raise NoVault("The database has no vault: no process of Keytrail has started on it, or it was emptied.")

    async def root(self) -> bytes:
        """The root secret: 32 bytes that only this installation has, and that a rotation of the master key does not change.
        Raises Unavailable."""
        async with self._answering():
            row = await self._pool.fetchrow("SELECT under, root FROM vault.seal")
        assert row is not None, "prepare comes first"
        return self._open_root(row)[0]

    async def is_authentic(self) -> bool:
        """Whether a log without MACs is no longer accepted for this vault. Raises Unavailable, MasterKeyRefused."""
        async with self._answering():
            row = await self._pool.fetchrow("SELECT under, root FROM vault.seal")
        assert row is not None, "prepare comes first"
        return self._open_root(row)[1]

    async def require_authentic(self) -> None:
        """From now on and for good, accept no log without MACs for this vault. Raises Unavailable, MasterKeyRefused."""
        async with self._writing() as connection:
            row = await connection.fetchrow("SELECT under, root FROM vault.seal FOR UPDATE")
            assert row is not None, "prepare comes first"
            sealed = self._master.seal(row["under"], self._open_root(row)[0], ROOT_OF_AUTHENTIC)
            await connection.execute("UPDATE vault.seal SET root = $1", sealed)

    async def record_secrets(self) -> list[bytes]:
        """The secrets that authenticate records, oldest first; the first is the root secret itself.

        Raises Unavailable, MasterKeyRefused.
        """
        async with self._answering():
            rows = await self._pool.fetch("SELECT number, under, sealed FROM vault.record_secrets ORDER BY number")
        later = [open_record_secret(self._master, row["number"], row["under"], row["sealed"]) for row in rows]
        return [await self.root(), *later]

    async def add_record_secret(self) -> bytes:
        """Add a secret for records, which is durable when this returns. Raises Unavailable."""
        secret = os.urandom(ROOT_BYTES)
        async with self._writing() as connection:
            under = await connection.fetchval("SELECT under FROM vault.seal FOR SHARE")
            number = 1 + await connection.fetchval("SELECT coalesce(max(number), 0) FROM vault.record_secrets")
            sealed = self._master.seal(under, secret, bound_to("record-secret", str(number)))
            await connection.execute(
                "INSERT INTO vault.record_secrets (number, sealed, under) VALUES ($1, $2, $3)", number, sealed, under
            )
        return secret

    async def tree_keys(self) -> list[TreeSecret]:
        """The secrets that sign checkpoints of the transparency log, oldest first. Raises Unavailable, MasterKeyRefused,
        TreeKeyRefused."""
        async with self._answering():
            with tree_key_rows.refusing_another_shape():
                rows = await self._pool.fetch(tree_key_rows.ROWS)
        return tree_key_rows.opened(self._master, rows)

    @asynccontextmanager
    async def _writing_tree_keys(self) -> AsyncIterator[Connection]:
        async with self._writing() as connection:
            await _migrate(connection)  # a command may be the first of this version that writes
            with tree_key_rows.refusing_another_shape():
                yield connection

    async def use_tree_key(self, number: int, since: int, until: int) -> None:
        """Let a secret sign from one time on, and those before it up to another (microseconds since the epoch); one whose times
        somebody else wrote ends at once. Nothing happens if it signs already. Raises Unavailable, MasterKeyRefused."""
        async with self._writing_tree_keys() as connection:
            await tree_key_rows.use(connection, self._master, number, since, until)

    async def add_tree_key(self, secret: bytes, number: int, since: int | None = None) -> bool:
        """Add a secret that signs checkpoints, as the one of this number (from 1 on). Without `since` it signs nothing yet.
        False if another process added one with that number first. Raises Unavailable, MasterKeyRefused."""
        async with self._writing_tree_keys() as connection:
            return await tree_key_rows.add(connection, self._master, secret, number, since)

    async def seal_tree_keys(self) -> None:
        """Believe the times of these secrets as they stand, whoever wrote them. Raises Unavailable, MasterKeyRefused."""
        async with self._writing_tree_keys() as connection:
            await tree_key_rows.seal_as_they_stand(connection, self._master)

    async def pin(self) -> tuple[str, str] | None:
        """The document and the MAC that `keep_pin` kept last. Raises Unavailable."""
        async with self._answering():
            row = await self._pool.fetchrow("SELECT document, mac FROM vault.pin")
        return None if row is None else (row["document"], row["mac"])

    async def keep_pin(self, document: str, mac: str, before: str) -> None:
        """Replace the pin with the MAC `before`, if it is still that one. Raises Unavailable."""
        async with self._writing() as connection:
            await connection.execute(
                "INSERT INTO vault.pin (document, mac) VALUES ($1, $2) "
                "ON CONFLICT (one) DO UPDATE SET document = excluded.document, mac = excluded.mac WHERE pin.mac = $3",
                document,
                mac,
                before,
            )

    async def _insert(self, statement: str, secret: bytes, bound: bytes, *names: str) -> None:
        """Run `statement` with (sealed, under, *names). It inserts nothing if `under` is no longer the seal's key."""
        while True:
            known = self._under
            self._under = known or await self._pool.fetchval("SELECT under FROM vault.seal")
            try:
                sealed = self._master.seal(self._under, secret, bound)
            except MasterKeyRefused:
                # A rotation took the key out that this process knew, and the file was read since, for a row under the new one.
                if not known:
                    raise
                self._under = ""
                continue
            async with self._writing() as connection:
                done = await connection.execute(statement, sealed, self._under, *names)
            if done != "INSERT 0 0":
                return
            self._under = ""

    async def put_material(self, key: str, material: str, secret: bytes) -> None:
        """Store a secret, which is durable when this returns. `material` is a name that no row has had. Raises Unavailable."""
        async with self._answering():
            await self._insert(
                "INSERT INTO vault.materials (sealed, under, material, key) "
                "SELECT $1, under, $3, $4 FROM vault.seal WHERE under = $2 FOR SHARE",
                secret,
                bound_to("material", key, material),
                material,
                key,
            )

    async def material(self, key: str, material: str) -> bytes:
        """The secret. Raises Unavailable, also if the row is missing: for instance, after a backup was restored without its
        vault."""
        async with self._answering():
            row = await self._pool.fetchrow(
                "SELECT sealed, under FROM vault.materials WHERE material = $1 AND key = $2", material, key
            )
        if row is None:
            raise Unavailable(f"the vault holds no material {material} of key {key}")
        return self._master.open(row["under"], row["sealed"], bound_to("material", key, material))

    async def put_secret(self, access_key: str, secret: str) -> None:
        async with self._answering():
            await self._insert(
                "INSERT INTO vault.secrets (sealed, under, access_key) "
                "SELECT $1, under, $3 FROM vault.seal WHERE under = $2 FOR SHARE "
                "ON CONFLICT (access_key) DO UPDATE SET sealed = excluded.sealed, under = excluded.under",
                secret.encode(),
                bound_to("secret", access_key),
                access_key,
            )

    async def secret(self, access_key: str) -> str | None:
        async with self._answering():
            row = await self._pool.fetchrow("SELECT sealed, under FROM vault.secrets WHERE access_key = $1", access_key)
        if row is None:
            return None
        return self._master.open(row["under"], row["sealed"], bound_to("secret", access_key)).decode()

    async def materials(self) -> dict[str, bool]:
        """All material that the vault has: its name, and whether it is older than an hour. An event that refers to younger
        material may still be on its way. Raises Unavailable."""
        async with self._answering():
            rows = await self._pool.fetch("SELECT material, at < now() - interval '1 hour' AS old FROM vault.materials")
        return {row["material"]: row["old"] for row in rows}

    async def old_secrets(self) -> set[str]:
        """The names of the secrets that are older than an hour. Raises Unavailable."""
        async with self._answering():
            rows = await self._pool.fetch("SELECT access_key FROM vault.secrets WHERE at < now() - interval '1 hour'")
        return {row["access_key"] for row in rows}

    async def remove_secrets(self, names: Sequence[str]) -> int:
        """Remove these rows, and what the table still holds of them. Returns how many there were. Raises Unavailable."""
        return await self._removed("secrets", "access_key", names)

    async def destroy(self, materials: Sequence[str]) -> int:
        """Remove these rows, and what the table still holds of them. Returns how many there were. Raises Unavailable."""
        return await self._removed("materials", "material", materials)

    async def _removed(self, table: str, column: str, names: Sequence[str]) -> int:
        async with self._writing() as connection:
            done = await connection.execute(
                f"DELETE FROM vault.{table} WHERE {column} = ANY($1::text[])", names
            )  # our own names
            removed = int(done.rpartition(" ")[2])
        if removed:
            async with self._answering():
                await self._pool.execute(f"VACUUM vault.{table}")
        return removed

    # -- another master key --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def rotating(
        self, lock: AdvisoryLock = AdvisoryLock.ROTATE_MASTER_KEY, what: str = "the master key"
    ) -> AsyncIterator[None]:
        """Only one process can be in this with one lock, wherever it runs. Raises AlreadyRotating, Unavailable."""
        async with self._pool.acquire() as connection:
            async with self._answering():
                if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                    raise AlreadyRotating(f"Another rotation of {what} is under way.")
            try:
                yield
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)

    async def under(self) -> str:
        """The name of the master key that seals at present. Raises Unavailable."""
        async with self._answering():
            return str(await self._pool.fetchval("SELECT under FROM vault.seal"))

    async def adopt(self, under: str) -> None:
        """Seal under another master key from now on. Waits for inserts under the old one. Raises Unavailable."""
        async with self._writing() as connection:
            row = await connection.fetchrow("SELECT under, root FROM vault.seal FOR UPDATE")
            assert row is not None, "prepare comes first"
            secret, authentic = self._open_root(row)
            sealed, root = self._seals(under, secret, ROOT_OF_AUTHENTIC if authentic else ROOT)
            await connection.execute("UPDATE vault.seal SET sealed = $1, under = $2, root = $3", sealed, under, root)
            self._under = under

    async def under_others(self) -> int:
        """How many rows are not sealed under the present master key. While there are any, no other key may be destroyed.
        Raises Unavailable."""
        tables = ("materials", "secrets", "record_secrets", "tree_keys")
        rows = " UNION ALL ".join(f"SELECT under FROM vault.{table}" for table in tables)  # names of ours
        question = f"SELECT count(*) FROM ({rows}) rows WHERE under <> (SELECT under FROM vault.seal)"  # see above
        async with self._answering():
            return int(await self._pool.fetchval(question))

    async def rewrap(self, tell: TellRewrapped) -> int:
        """Seal everything again that is not under the present master key. Returns how many rows. Can be interrupted at any
        time, and goes on where it was. Raises Unavailable, MasterKeyRefused."""
        under, done = await self.under(), 0
        async with self._answering():
            total = await self._pool.fetchval(
                "SELECT (SELECT count(*) FROM vault.materials WHERE under <> $1) + "
                "(SELECT count(*) FROM vault.secrets WHERE under <> $1) + "
                "(SELECT count(*) FROM vault.record_secrets WHERE under <> $1) + "
                "(SELECT count(*) FROM vault.tree_keys WHERE under <> $1)",
                under,
            )
            for fetch, names, store in REWRAPPED:
                while rows := await self._pool.fetch(fetch, under, BATCH):
                    anew = []
                    for row in rows:
                        bound = names(row)
                        secret = self._master.open(row["under"], row["sealed"], bound)
                        anew.append((self._master.seal(under, secret, bound), under, row[2], row["under"]))
                    async with self._writing() as connection:
                        await connection.executemany(store, anew)
                    done += len(rows)
                    tell(done, total)
            async with self._writing_tree_keys() as connection:
                rewrapped = await tree_key_rows.rewrap(connection, self._master, under)
            if rewrapped:
                done += rewrapped
                tell(done, total)
            await self._pool.execute("VACUUM vault.materials")
            await self._pool.execute("VACUUM vault.secrets")
        return done

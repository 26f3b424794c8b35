"""The vault: sealed key material and access-key secrets in Postgres, schema `vault`. Only this file knows its tables."""

from __future__ import annotations

from collections.abc import Iterable

from domain.ports import MasterKey, Unavailable
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import LOST, Pool

# The vault is the only schema that is migrated: each step once, in order, for ever.
MIGRATIONS = (
    """
    CREATE TABLE vault.materials (
        material text PRIMARY KEY,
        key text NOT NULL,
        sealed bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON vault.materials (at);
    CREATE TABLE vault.secrets (access_key text PRIMARY KEY, sealed bytea NOT NULL, at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE vault.seal (one bool PRIMARY KEY DEFAULT true CHECK (one), sealed bytea NOT NULL);
    """,
)
_LOCK = 0x6B657974  # any number of ours: several processes may migrate at once
_CHECK = b"keytrail vault"


def _bound(*names: str) -> bytes:
    return "\0".join(names).encode()


class Vault:
    """Seals on the way in, opens on the way out. Secrets are bound to their key and material ids."""

    def __init__(self, pool: Pool, master: MasterKey) -> None:
        self._pool = pool
        self._master = master

    async def prepare(self) -> None:
        """Migrate, and check that the master key is the one that sealed this vault. Raises MasterKeyRefused."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute("CREATE SCHEMA IF NOT EXISTS vault")
            await connection.execute("CREATE TABLE IF NOT EXISTS vault.migrations (number int PRIMARY KEY)")
            done = await connection.fetchval("SELECT coalesce(max(number), 0) FROM vault.migrations")
            for number, step in enumerate(MIGRATIONS[done:], done + 1):
                await connection.execute(step)
                await connection.execute("INSERT INTO vault.migrations VALUES ($1)", number)
            sealed = await connection.fetchval("SELECT sealed FROM vault.seal")
            if sealed is None:
                await connection.execute(
                    "INSERT INTO vault.seal (sealed) VALUES ($1)", self._master.seal(_CHECK, _CHECK)
                )
            elif self._master.open(sealed, _CHECK) != _CHECK:
                raise MasterKeyRefused("The vault's seal is not this program's.")

    @staticmethod
    async def is_sealed(pool: Pool) -> bool:
        """Whether some master key has sealed this vault already. Raises what LOST names."""
        if not await pool.fetchval("SELECT to_regclass('vault.seal') IS NOT NULL"):
            return False
        return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM vault.seal)"))

    async def put_material(self, key: str, material: str, secret: bytes) -> None:
        """Durable when it returns. Raises Unavailable."""
        sealed = self._master.seal(secret, _bound("material", key, material))
        try:
            await self._pool.execute(
                "INSERT INTO vault.materials (material, key, sealed) VALUES ($1, $2, $3)",
                material,
                key,
                sealed,
            )
        except LOST as fault:
            raise Unavailable("the vault does not answer") from fault

    async def material(self, key: str, material: str) -> bytes:
        """The secret. Raises Unavailable, also where the row is missing: a backup without its vault, for instance."""
        try:
            sealed = await self._pool.fetchval(
                "SELECT sealed FROM vault.materials WHERE material = $1 AND key = $2", material, key
            )
        except LOST as fault:
            raise Unavailable("the vault does not answer") from fault
        if sealed is None:
            raise Unavailable(f"the vault holds no material {material} of key {key}")
        return self._master.open(sealed, _bound("material", key, material))

    async def put_secret(self, access_key: str, secret: str) -> None:
        sealed = self._master.seal(secret.encode(), _bound("secret", access_key))
        try:
            await self._pool.execute(
                "INSERT INTO vault.secrets (access_key, sealed) VALUES ($1, $2) "
                "ON CONFLICT (access_key) DO UPDATE SET sealed = excluded.sealed",
                access_key,
                sealed,
            )
        except LOST as fault:
            raise Unavailable("the vault does not answer") from fault

    async def secret(self, access_key: str) -> str | None:
        try:
            sealed = await self._pool.fetchval("SELECT sealed FROM vault.secrets WHERE access_key = $1", access_key)
        except LOST as fault:
            raise Unavailable("the vault does not answer") from fault
        return None if sealed is None else self._master.open(sealed, _bound("secret", access_key)).decode()

    async def sweep(self, referenced: Iterable[str]) -> int:
        """Remove material older than an hour that no event refers to: of commands that were refused or never came."""
        known = set(referenced)
        try:
            rows = await self._pool.fetch("SELECT material FROM vault.materials WHERE at < now() - interval '1 hour'")
            orphans = [row["material"] for row in rows if row["material"] not in known]
            await self._pool.execute("DELETE FROM vault.materials WHERE material = ANY($1::text[])", orphans)
        except LOST as fault:
            raise Unavailable("the vault does not answer") from fault
        return len(orphans)

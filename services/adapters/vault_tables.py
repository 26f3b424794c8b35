"""The tables of the vault: how they came about, how their rows are sealed again, and how they are written to a backup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.ports import MasterKey
from services.adapters.master_key import MasterKeyRefused

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
    """
    ALTER TABLE vault.materials ADD COLUMN under text NOT NULL DEFAULT '';
    ALTER TABLE vault.secrets ADD COLUMN under text NOT NULL DEFAULT '';
    ALTER TABLE vault.seal ADD COLUMN under text NOT NULL DEFAULT '', ADD COLUMN root bytea;
    """,
    """
    CREATE TABLE vault.record_secrets (
        number int PRIMARY KEY, sealed bytea NOT NULL, under text NOT NULL, at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE vault.pin (one bool PRIMARY KEY DEFAULT true CHECK (one), document text NOT NULL, mac text NOT NULL);
    """,
    """
    CREATE TABLE vault.tree_keys (
        number int PRIMARY KEY, sealed bytea NOT NULL, under text NOT NULL, at timestamptz NOT NULL DEFAULT now()
    );
    """,
    """
    ALTER TABLE vault.tree_keys ADD COLUMN since bigint;
    UPDATE vault.tree_keys SET since = extract(epoch FROM at)::bigint * 1000000;
    """,
    "ALTER TABLE vault.tree_keys ADD COLUMN until bigint",
    "ALTER TABLE vault.tree_keys ADD COLUMN times bytea",
)
HOLDING = ("materials", "secrets", "seal", "record_secrets", "pin", "tree_keys")
"""The tables that these steps make: those whose rows a restore must not meet."""


async def steps_missing(pool: Any) -> int | None:
    """How many steps of MIGRATIONS this database lacks; below 0 for steps of a later version. None if it has no vault. Raises
    Postgres's errors."""
    if await pool.fetchval("SELECT to_regclass('vault.migrations') IS NULL"):
        return None
    return len(MIGRATIONS) - int(await pool.fetchval("SELECT coalesce(max(number), 0) FROM vault.migrations"))


def bound_to(*names: str) -> bytes:
    return "\0".join(names).encode()


ROOT = b"keytrail root"
ROOT_OF_AUTHENTIC = b"keytrail root, of a log that is authenticated"
"""The root secret is bound to one of these two. Once it is bound to the second, no log without MACs is accepted for this
vault again. Somebody who can only write to the database cannot bind it back, since that takes the master key."""


def open_root(master: MasterKey, under: str, sealed: bytes) -> tuple[bytes, bool]:
    """(the root secret, whether it is that of a log that is authenticated). Raises MasterKeyRefused."""
    try:
        return master.open(under, sealed, ROOT_OF_AUTHENTIC), True
    except MasterKeyRefused:
        return master.open(under, sealed, ROOT), False


def open_record_secret(master: MasterKey, number: int, under: str, sealed: bytes) -> bytes:
    """Raises MasterKeyRefused."""
    return master.open(under, sealed, bound_to("record-secret", str(number)))


SecretName = Callable[[Any], bytes]
REWRAPPED: tuple[tuple[str, SecretName, str], ...] = (
    (
        "SELECT under, sealed, material, key FROM vault.materials WHERE under <> $1 LIMIT $2",
        lambda row: bound_to("material", row["key"], row["material"]),
        "UPDATE vault.materials SET sealed = $1, under = $2 WHERE material = $3 AND under = $4",
    ),
    (
        "SELECT under, sealed, access_key FROM vault.secrets WHERE under <> $1 LIMIT $2",
        lambda row: bound_to("secret", row["access_key"]),
        "UPDATE vault.secrets SET sealed = $1, under = $2 WHERE access_key = $3 AND under = $4",
    ),
    (
        "SELECT under, sealed, number FROM vault.record_secrets WHERE under <> $1 LIMIT $2",
        lambda row: bound_to("record-secret", str(row["number"])),
        "UPDATE vault.record_secrets SET sealed = $1, under = $2 WHERE number = $3 AND under = $4",
    ),
)
"""For each table: the rows under another key, the data that a row is bound to, and the statement that stores it again. The
rows of `tree_keys` depend on each other (tree_key_rows.py)."""


TABLES: dict[str, tuple[str, str]] = {
    "materials": (
        "SELECT material, key, under, encode(sealed, 'base64') AS sealed, at::text AS at FROM vault.materials",
        "INSERT INTO vault.materials (material, key, under, sealed, at) "
        "VALUES ($1, $2, $3, decode($4, 'base64'), $5::text::timestamptz)",
    ),
    "secrets": (
        "SELECT access_key, under, encode(sealed, 'base64') AS sealed, at::text AS at FROM vault.secrets",
        "INSERT INTO vault.secrets (access_key, under, sealed, at) "
        "VALUES ($1, $2, decode($3, 'base64'), $4::text::timestamptz)",
    ),
    "record_secrets": (
        "SELECT number::text AS number, under, encode(sealed, 'base64') AS sealed, at::text AS at FROM vault.record_secrets",
        "INSERT INTO vault.record_secrets (number, under, sealed, at) "
        "VALUES ($1::text::int, $2, decode($3, 'base64'), $4::text::timestamptz)",
    ),
    "seal": (
        "SELECT under, encode(sealed, 'base64') AS sealed, encode(root, 'base64') AS root FROM vault.seal",
        "INSERT INTO vault.seal (under, sealed, root) VALUES ($1, decode($2, 'base64'), decode($3, 'base64'))",
    ),
}
"""How each table is written to a backup and read back. The keys that sign checkpoints are left out: a restored installation
begins a transparency log of its own, which must not sign anything that its predecessor's log denies."""

"""The vault's rows in a backup: how they are read, still sealed and as text, how the keys among them are opened, and how they are
written back."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

from domain.log.authenticity import Keyring
from domain.ports import MasterKey
from services.adapters.postgres import Pool
from services.adapters.vault import WAITS_FOR_STANDBY
from services.adapters.vault_tables import TABLES, bound_to, open_record_secret, open_root

PART = 2000
"""How many rows are read, and written to a backup, at once."""
Rows = list[list[str]]
"""Each with the columns that `TABLES` names, in their order."""
NAMED = {"materials": "material", "secrets": "access_key"}
"""The tables whose rows the log names, each with the column of the name. It is the first one."""


_UNDER = {"materials": 2, "secrets": 1, "record_secrets": 1, "seal": 0}
"""By table: the place of the master key's name in a row. What it sealed comes next."""


class SealedKeys(NamedTuple):
    """What the whole vault is sealed with: the row of `vault.seal` with the master key's name first, and how many secrets for
    records were added since. If any of this changes while the vault is copied, the copy does not fit together."""

    seal: tuple[str, str, str]
    record_secrets: int

    @property
    def under(self) -> str:
        return self.seal[0]


async def sealed_keys(pool: Pool) -> SealedKeys:
    """Those of a vault that is prepared. Raises what LOST names."""
    question = f"SELECT *, (SELECT count(*) FROM vault.record_secrets) FROM ({TABLES['seal'][0]}) seal"
    row = await pool.fetchrow(question)
    assert row is not None, "every process prepares the vault"
    under, sealed, root, count = row
    return SealedKeys((under, sealed, root), count)


async def copied(pool: Pool) -> AsyncGenerator[tuple[str, Rows], None]:
    """Every row of every table at one moment, as (table, some of its rows). Raises what LOST names."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for table, (question, _) in TABLES.items():
            cursor = await connection.cursor(question)
            while rows := await cursor.fetch(PART):
                yield table, [list(row) for row in rows]


async def copied_of(pool: Pool, table: str, names: Sequence[str]) -> AsyncGenerator[Rows, None]:
    """The rows with these names, as far as they exist. `table`: one of NAMED. Raises what LOST names."""
    question = f"SELECT * FROM ({TABLES[table][0]}) rows WHERE {NAMED[table]} = ANY($1::text[])"
    for start in range(0, len(names), PART):
        if rows := await pool.fetch(question, names[start : start + PART]):
            yield [list(row) for row in rows]


async def load(pool: Pool, table: str, rows: Sequence[Sequence[str]]) -> None:
    """Write rows of a copy. Raises what LOST names."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(WAITS_FOR_STANDBY)
        await connection.executemany(TABLES[table][1], rows)


def master_key_of(table: str, row: Sequence[str]) -> str:
    """The name of the master key that sealed a row of a copy."""
    return row[_UNDER[table]]


def require_opens(master: MasterKey, table: str, row: Sequence[str]) -> None:
    """Raises MasterKeyRefused if the master key does not open a row of a copy."""
    at = _UNDER[table]
    under, sealed = row[at], b64decode(row[at + 1])
    match table:
        case "materials":
            master.open(under, sealed, bound_to("material", row[1], row[0]))
        case "secrets":
            master.open(under, sealed, bound_to("secret", row[0]))
        case "record_secrets":
            open_record_secret(master, int(row[0]), under, sealed)
        case _:
            open_root(master, under, b64decode(row[at + 2]))


def keyring_of(master: MasterKey, seal: Sequence[str], record_secrets: Iterable[Sequence[str]]) -> Keyring:
    """The keys that authenticate records, from rows of a copy. Raises MasterKeyRefused."""
    root, authentic = open_root(master, seal[0], b64decode(seal[2]))
    later = [
        open_record_secret(master, int(number), under, b64decode(sealed))
        for number, under, sealed, *_ in sorted(record_secrets, key=lambda row: int(row[0]))
    ]
    return Keyring([root, *later], strict=authentic)

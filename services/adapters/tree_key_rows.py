"""The rows of the secrets that sign checkpoints: the secret, and from when and up to when it signs.

Both are sealed under the master key. The seal of the times (`times`) covers the number, the secret with its kind and place,
`since`, `until`, how many rows there are before it, and the number of the newest secret that has begun. The last two tie the rows
to each other: a row that is put back from before a rotation does not fit, nor do rows one of which was removed. There is nothing
in the seal, so the columns stay readable for the version before, which also writes rows without it.

The master key rather than the key of records: whoever stole that one can forge what is sealed under it until it is rotated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from types import NoneType
from typing import Any, NamedTuple

import asyncpg

from domain.log.authenticity import framed
from domain.ports import MasterKey
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import Connection
from services.adapters.vault_tables import bound_to

ROWS = (
    "SELECT number, under, sealed, since, until, (to_jsonb(row_of_key.*) ->> 'times')::bytea AS times "
    "FROM vault.tree_keys row_of_key ORDER BY number"
)
"""By way of JSON, which a table of the version before has too: a command may read before any process has migrated it. `.*`, since
a column of the alias's name would stand for the row otherwise."""
_TYPES: dict[str, type | tuple[type, ...]] = {
    "number": int,
    "under": str,
    "sealed": bytes,
    "since": (int, NoneType),
    "until": (int, NoneType),
    "times": (bytes, NoneType),
}
_OF_ANOTHER_SHAPE: tuple[type[BaseException], ...] = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.PLPGSQLError,
)
"""What Postgres answers where the table is gone, has other columns, or is something else than a table."""
_LOCK = "LOCK TABLE vault.tree_keys IN SHARE ROW EXCLUSIVE MODE"
"""The seal of each row depends on the others: two who write at once would leave seals that fit neither."""
_SWALLOWS = "it does not keep what is written to it, as where it has a rule or a trigger"


class TreeKeyRefused(MasterKeyRefused):
    """The vault's keys of the transparency log are not as Keytrail left them. The message says what to do."""


class TreeSecret(NamedTuple):
    """A secret that signs checkpoints. `since`: from when on, in microseconds since the epoch; None: not yet. `until`: up to
    when; None: it has no successor, or an earlier version did not keep that. `under`: the master key that seals it. `is_ours`:
    whether Keytrail wrote these times, and the other rows are those that it wrote with them. `secret` is empty where the row does
    not open, which is not ours either."""

    number: int
    secret: bytes
    since: int | None
    until: int | None
    under: str
    is_ours: bool = True

    @property
    def opens(self) -> bool:
        return bool(self.secret)


def opened(master: MasterKey, rows: Sequence[Any]) -> list[TreeSecret]:
    """What the rows of ROWS hold. Raises TreeKeyRefused for a table of another shape."""
    for row in rows:
        for column, of in _TYPES.items():
            if not isinstance(row[column], of):
                raise TreeKeyRefused(why_of_another_shape(f"the column {column} has another type"))
    newest = _newest(rows)
    found = list[TreeSecret]()
    for row in rows:
        each = TreeSecret(row["number"], b"", row["since"], row["until"], row["under"], False)
        with suppress(MasterKeyRefused):
            each = each._replace(secret=master.open(each.under, row["sealed"], bound_to("tree-key", str(each.number))))
            each = each._replace(is_ours=_holds(master, row["times"], each, _bound(each, len(found), newest)))
        found.append(each)
    return found


def why_of_another_shape(reason: str) -> str:
    return (
        f"The table of the transparency log's keys (vault.tree_keys) is not as Keytrail makes it: {reason}. No checkpoint is "
        "signed. Find out who writes to the database, and bring the table back as it was."
    )


@contextmanager
def refusing_another_shape() -> Iterator[None]:
    """Raises TreeKeyRefused for what Postgres answers where somebody changed the table."""
    try:
        yield
    except _OF_ANOTHER_SHAPE as fault:
        raise TreeKeyRefused(why_of_another_shape(str(fault))) from fault


def why_closed(numbers: Iterable[int]) -> str:
    rows = ", ".join(map(str, numbers))
    return (
        f"Keys of the transparency log do not open (vault.tree_keys, number {rows}): somebody else added or changed the rows. No "
        "checkpoint is signed. Find out who writes to the database. Then bring the rows back from a dump of the database, or "
        f"remove them: DELETE FROM vault.tree_keys WHERE number IN ({rows})."
    )


def require_open(secrets: Iterable[TreeSecret]) -> None:
    """Raises TreeKeyRefused."""
    if closed := [each.number for each in secrets if not each.opens]:
        raise TreeKeyRefused(why_closed(closed))


def _newest(rows: Iterable[Any]) -> int:
    """The number of the newest secret that has begun; 0 for none."""
    return max((number for number, since in map(_begin, rows) if since is not None), default=0)


def _begin(row: Any) -> tuple[int, int | None]:
    return (row.number, row.since) if isinstance(row, TreeSecret) else (row["number"], row["since"])


def _bound(each: TreeSecret, before: int, newest: int) -> bytes:
    between = str(each.since), str(each.until)
    return framed((b"keytrail tree key", each.number, sha256(each.secret).digest(), *between, before, newest))


def _holds(master: MasterKey, times: bytes | None, each: TreeSecret, bound: bytes) -> bool:
    try:
        return times is not None and master.open(each.under, times, bound) == b""
    except MasterKeyRefused:
        return False


async def _locked(connection: Connection, master: MasterKey) -> list[TreeSecret]:
    """Raises TreeKeyRefused, also for a row that does not open: nobody can seal it."""
    await connection.execute(_LOCK)
    found = opened(master, await connection.fetch(ROWS))
    require_open(found)
    return found


async def _require_written(connection: Connection, master: MasterKey, wanted: Sequence[TreeSecret]) -> None:
    """A rule or a trigger may swallow what is written, or write something else. Raises TreeKeyRefused."""
    if opened(master, await connection.fetch(ROWS)) != list(wanted):
        raise TreeKeyRefused(why_of_another_shape(_SWALLOWS))


async def _seal(connection: Connection, master: MasterKey, secrets: Iterable[TreeSecret]) -> None:
    """Write these, which are all, with their times as they stand. Raises TreeKeyRefused."""
    every = list(secrets)
    newest = _newest(every)
    await connection.executemany(
        "UPDATE vault.tree_keys SET since = $2, until = $3, times = $4 WHERE number = $1",
        [
            (each.number, each.since, each.until, master.seal(each.under, b"", _bound(each, before, newest)))
            for before, each in enumerate(every)
        ],
    )
    await _require_written(connection, master, [each._replace(is_ours=True) for each in every])


async def add(connection: Connection, master: MasterKey, secret: bytes, number: int, since: int | None) -> bool:
    """False if there is one with that number. Raises TreeKeyRefused."""
    under = await connection.fetchval("SELECT under FROM vault.seal FOR SHARE")
    before = await _locked(connection, master)
    if any(each.number == number for each in before):
        return False
    new = TreeSecret(number, secret, since, None, under)
    times = master.seal(under, b"", _bound(new, len(before), _newest([*before, new])))
    await connection.execute(
        "INSERT INTO vault.tree_keys (number, sealed, under, since, times) VALUES ($1, $2, $3, $4, $5)",
        number,
        master.seal(under, secret, bound_to("tree-key", str(number))),
        under,
        since,
        times,
    )
    after = opened(master, await connection.fetch(ROWS))
    if new not in after:
        raise TreeKeyRefused(why_of_another_shape(_SWALLOWS))
    return True


async def use(connection: Connection, master: MasterKey, number: int, since: int, until: int) -> None:
    """Let a secret sign from one time on, and those before it up to another. If somebody else wrote any of the rows, all others
    end at once: the rest may stand as before a rotation. Nothing happens if it signs already. Raises TreeKeyRefused."""
    found = await _locked(connection, master)
    if any(each.number == number and each.since is None for each in found):
        until = until if all(each.is_ours for each in found) else since
        await _seal(connection, master, (_turned(each, number, since, until) for each in found))


def _turned(each: TreeSecret, number: int, since: int, until: int) -> TreeSecret:
    if each.number == number:
        return each._replace(since=since)
    if not each.is_ours:
        return each._replace(since=since if each.since is None else each.since, until=since)
    return each._replace(until=until if each.until is None else min(each.until, until))


async def seal_as_they_stand(connection: Connection, master: MasterKey) -> None:
    await _seal(connection, master, await _locked(connection, master))


async def rewrap(connection: Connection, master: MasterKey, under: str) -> int:
    """Seal the rows under another master key; what somebody else wrote does not become ours. Returns how many rows.
    Raises TreeKeyRefused."""
    found = await _locked(connection, master)
    newest, done = _newest(found), 0
    for before, each in enumerate(found):
        if each.under != under:
            sealed = master.seal(under, each.secret, bound_to("tree-key", str(each.number)))
            times = master.seal(under, b"", _bound(each, before, newest)) if each.is_ours else None
            await connection.execute(
                "UPDATE vault.tree_keys SET sealed = $2, under = $3, times = $4 WHERE number = $1",
                each.number,
                sealed,
                under,
                times,
            )
            done += 1
    await _require_written(connection, master, [each._replace(under=under) for each in found])
    return done

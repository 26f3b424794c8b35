"""The rows of the secrets that sign checkpoints: the secret, and from when and up to when it signs.

Both are sealed under the master key. The seal of the times (`times`) covers the number, the secret with its kind and place,
`since`, `until`, how many rows there are before it, and the number of the newest secret that has begun. The last two tie the rows
to each other: a row that is put back from before a rotation does not fit, nor do rows one of which was removed. There is nothing
in the seal, so the columns stay readable for the version before, which also writes rows without it.

The master key rather than the key of records: whoever stole that one can forge what is sealed under it until it is rotated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from domain.log.authenticity import framed
from domain.ports import MasterKey
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import Connection
from services.adapters.vault_tables import bound_to

ROWS = (
    "SELECT number, under, sealed, since, until, (to_jsonb(each) ->> 'times')::bytea AS times "
    "FROM vault.tree_keys each ORDER BY number"
)
"""By way of JSON, which a table of the version before has too: a command may read before any process has migrated it."""
_LOCK = "LOCK TABLE vault.tree_keys IN SHARE ROW EXCLUSIVE MODE"
"""The seal of each row depends on the others: two who write at once would leave seals that fit neither."""


class TreeKeyRefused(MasterKeyRefused):
    """The vault's keys of the transparency log are not as Keytrail left them. The message says what to do."""


class TreeSecret(NamedTuple):
    """A secret that signs checkpoints. `since`: from when on, in microseconds since the epoch; None: not yet. `until`: up to
    when; None: it has no successor, or an earlier version did not keep that. `under`: the master key that seals it. `is_ours`:
    whether Keytrail wrote these times, and the other rows are those that it wrote with them."""

    number: int
    secret: bytes
    since: int | None
    until: int | None
    under: str
    is_ours: bool = True


def opened(master: MasterKey, rows: Sequence[Any]) -> list[TreeSecret]:
    """What the rows of ROWS hold. Raises MasterKeyRefused."""
    newest = _newest(rows)
    found = list[TreeSecret]()
    for row in rows:
        secret = master.open(row["under"], row["sealed"], bound_to("tree-key", str(row["number"])))
        each = TreeSecret(row["number"], secret, row["since"], row["until"], row["under"])
        found.append(each._replace(is_ours=_holds(master, row["times"], each, _bound(each, len(found), newest))))
    return found


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
    await connection.execute(_LOCK)
    return opened(master, await connection.fetch(ROWS))


async def _seal(connection: Connection, master: MasterKey, secrets: Iterable[TreeSecret]) -> None:
    """Write these, which are all, with their times as they stand."""
    every = list(secrets)
    newest = _newest(every)
    await connection.executemany(
        "UPDATE vault.tree_keys SET since = $2, until = $3, times = $4 WHERE number = $1",
        [
            (each.number, each.since, each.until, master.seal(each.under, b"", _bound(each, before, newest)))
            for before, each in enumerate(every)
        ],
    )


async def add(connection: Connection, master: MasterKey, secret: bytes, number: int, since: int | None) -> bool:
    """False if there is one with that number."""
    under = await connection.fetchval("SELECT under FROM vault.seal FOR SHARE")
    before = await _locked(connection, master)
    new = TreeSecret(number, secret, since, None, under)
    times = master.seal(under, b"", _bound(new, len(before), _newest([*before, new])))
    done = await connection.execute(
        "INSERT INTO vault.tree_keys (number, sealed, under, since, times) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING",
        number,
        master.seal(under, secret, bound_to("tree-key", str(number))),
        under,
        since,
        times,
    )
    return bool(done == "INSERT 0 1")


async def use(connection: Connection, master: MasterKey, number: int, since: int, until: int) -> None:
    """Let a secret sign from one time on, and those before it up to another; one whose times somebody else wrote ends at once.
    Nothing happens if it signs already."""
    found = await _locked(connection, master)
    if any(each.number == number and each.since is None for each in found):
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
    """Seal the rows under another master key; what somebody else wrote does not become ours. Returns how many rows."""
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
    return done

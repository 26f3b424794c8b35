"""Snapshots of the world, so that a start folds only the log's tail and not all of it.

A snapshot is a copy of what the log says, so it is never trusted without checks. It has the log's id, and the position and
digest of the last record that it holds. It is used only if the log has that very record there. A MAC covers all of this and the
content, so that nobody who can write to the database can give himself a right.

Its version says what it means. `UPGRADES` brings snapshots of the version before up to date, so that a start after an upgrade
needs no other one. Where that is impossible, `keytrail upgrade prepare` makes one beside the processes of the version before.
Snapshots of each version are kept apart, since both versions run during an upgrade, and may be needed after it was taken back.
"""

from __future__ import annotations

import gc
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from domain.keys.key import Key
from domain.log.authenticity import SNAPSHOT, Keyring
from domain.log.authority import authority_from
from domain.log.chain import Chain
from domain.log.levels import FIRST, FIRST_VERSION
from domain.ports import Topic
from domain.state import documents
from domain.state.fold import Fold
from domain.state.key_index import DESTROYED_WINDOW
from domain.state.recent_calls import FirstAnswer, RedeemedCode
from domain.state.world import World
from services.adapters import keyring
from services.adapters.directory_snapshot import directory_document, directory_from
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import has_record, read_known
from services.adapters.postgres import LOST, Connection, Pool, make
from services.logs import logger_of

WorldDocument = dict[str, Any]
log_of_snapshots = logger_of("snapshots")

VERSION = 6
"""Of the snapshots that are made here. It is raised when a fold of the same records gives something else than before, or when a
snapshot says it in another way; a release alone does not raise it. tests/upgrade compares with the version before: snapshots that
its code made, upgraded, have to be what this code folds."""


def _from_5(document: WorldDocument) -> WorldDocument:
    """That version knew only logs at the first level, and forgot destroyed material only when more was destroyed."""
    since = document["at"] - DESTROYED_WINDOW
    known = [[name, at] for name, at in document["destroyed"] if at >= since]
    return document | {"level": [FIRST, FIRST_VERSION], "destroyed": known}


UPGRADES: Mapping[int, Callable[[WorldDocument], WorldDocument]] = {5: _from_5}
"""By version: what turns the first part of such a snapshot into that of the next version. A version is in this table only if
nothing else has to change."""
KEEP = 3
BATCH = 1000
PART = 2000
"""How many keys are read at once: a large world as one JSON document would take twice as much memory."""
PIECE = 16 * 1024 * 1024
"""Bytes of a snapshot's body that are read at once, and written to a backup."""

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.versioned_snapshots (
    log text NOT NULL, version int NOT NULL, position bigint NOT NULL, digest text NOT NULL, body bytea NOT NULL,
    mac text NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (log, version, position)
)
"""
_OF_FIRST = "present.snapshots"
"""The table of Keytrail 0.1.0. Its projector removes what another version puts there, so it is only read here."""
_TABLES = ("present.versioned_snapshots", _OF_FIRST)


async def prepare(pool: Pool) -> None:
    await make(pool, _TABLE)


def encode(fold: Fold) -> bytes:
    """The fold as bytes; `decode` gives an equal one back."""
    world = fold.world
    document = {
        "next": fold.next,
        "voids": fold.voids,
        "authority": fold.chain.authority.document(),
        "level": [world.level, world.level_version],
        "log": world.log,
        "region": world.region,
        "at": world.at,
        "writer": world.writer,
        "next_command": world.next_command,
        "accounts": [documents.account_document(each) for each in world.accounts.values()],
        "directory": directory_document(world.directory),
        "grants": [documents.grant_document(grant) for held in world.grants.values() for grant in held.values()],
        # In the order of the world's indexes, so that a start only appends to them.
        "aliases": [documents.alias_document(world.aliases[name]) for name in sorted(world.aliases)],
        "deleted": world.deleted,
        "destroyed": list(world.destroyed.items()),
        "services": {access_key: documents.service_document(each) for access_key, each in world.services.items()},
        "answered": [
            [name, each.position, each.at, each.resource, each.effect]
            for name, each in world.recent_calls.answers.items()
        ],
        "calls": list(world.recent_calls.ids.items()),
        "signed_out": [[session, each.at, each.owner] for session, each in world.sign_outs.ended.items()],
        "codes": [[code, each.at, each.account] for code, each in world.recent_calls.codes.items()],
    }
    keys = sorted(world.all_keys(), key=lambda key: key.id)
    parts = [document] + [_keys_document(keys[start : start + PART]) for start in range(0, len(keys), PART)]
    return b"".join(_framed(zlib.compress(orjson.dumps(part), 1)) for part in parts)


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def _parts(body: bytes) -> Iterator[Any]:
    """The parts, one after another: the memory for reading one is freed before the next."""
    place = 0
    while place < len(body):
        length = int.from_bytes(body[place : place + 4], "big")
        yield orjson.loads(zlib.decompress(memoryview(body)[place + 4 : place + 4 + length]))
        place += 4 + length


def _keys_document(keys: list[Key]) -> dict[str, Any]:
    """The keys, with each policy only once: most keys have the same one."""
    texts = {text: number for number, text in enumerate(dict.fromkeys(key.policy_text for key in keys))}
    return {
        "policies": list(texts),
        "keys": [documents.key_document(key) | {"policy_text": texts[key.policy_text]} for key in keys],
    }


def decode(body: bytes, position: int, head: str, keys: Keyring | None, version: int = VERSION) -> Fold:
    """The fold as it was; `keys` authenticate the records after it. `version`: one of `known_versions`."""
    # None of this is garbage, and the collector would walk all of it again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _decoded(body, position, head, keys, version)
    finally:
        if collecting:
            gc.enable()


def known_versions() -> list[int]:
    """The versions of snapshots that can be used, newest first."""
    found = [VERSION]
    while found[-1] - 1 in UPGRADES:
        found.append(found[-1] - 1)
    return found


def _decoded(body: bytes, position: int, head: str, keys: Keyring | None, version: int) -> Fold:
    parts = _parts(body)
    document = next(parts)
    for each in range(version, VERSION):
        document = UPGRADES[each](document)
    world = World(
        level=document["level"][0],
        level_version=document["level"][1],
        log=document["log"],
        region=document["region"],
        position=position,
        at=document["at"],
        writer=document["writer"],
        next_command=document["next_command"],
    )
    for account in document["accounts"]:
        world.accounts[account["id"]] = documents.account_from(account)
        world.access_keys.update(dict.fromkeys(account["access_keys"], account["id"]))
    world.directory = directory_from(document["directory"])
    texts: dict[str, str] = {}
    for part in parts:
        policies = [texts.setdefault(text, text) for text in part["policies"]]
        for key in part["keys"]:
            world.add_key(documents.key_from(key, policies[key["policy_text"]]))
    for grant in document["grants"]:
        world.add_grant(documents.grant_from(grant))
    for alias in document["aliases"]:
        world.add_alias(documents.alias_from(alias))
    world.key_index.deleted.update(document["deleted"])
    world.key_index.destroyed.update((name, at) for name, at in document["destroyed"])
    world.services.update(
        (access_key, documents.service_from(each)) for access_key, each in document["services"].items()
    )
    world.recent_calls.answers.update((name, FirstAnswer(*rest)) for name, *rest in document["answered"])
    world.recent_calls.ids.update((name, at) for name, at in document["calls"])
    # Earlier versions made no codes, and their snapshots have none.
    world.recent_calls.codes.update((code, RedeemedCode(*rest)) for code, *rest in document.get("codes", ()))
    for session, at, owner in document.get("signed_out", ()):  # see above
        world.sign_outs.end(session, owner, at)
    chain = Chain(head, position, keys, authority_from(document["authority"]))
    return Fold(world, chain, document["next"], document["voids"])


def _mac_fields(log: str, position: int, head: str, version: int, body: bytes) -> tuple[str | int | bytes, ...]:
    return log, position, head, version, sha256(body).digest()


class SealedSnapshot(NamedTuple):
    """A snapshot as it is kept: `digest` is that of the record at `position`, the MAC covers all of it."""

    log: str
    version: int
    position: int
    digest: str
    body: bytes
    mac: str


def sealed(fold: Fold) -> SealedSnapshot:
    world, chain = fold.world, fold.chain
    assert chain.keys is not None, "a process of the installation has its keys"
    body = encode(fold)
    mac = chain.keys.mac(SNAPSHOT, *_mac_fields(world.log, chain.position, chain.head, VERSION, body))
    return SealedSnapshot(world.log, VERSION, chain.position, chain.head, body, mac)


async def save(pool: Pool, fold: Fold) -> None:
    """Keep this fold, and drop what is not needed any more: all but the newest few of its log and version, and those of other
    versions but the one that made its last snapshot most recently. Raises what LOST names."""
    assert fold.chain.keys is not None, "a process of the installation has its keys"
    async with pool.acquire() as connection, connection.transaction():
        await _insert(connection, sealed(fold))
        await connection.execute(
            _DROP, fold.world.log, fold.chain.position, VERSION, f"{fold.chain.keys.newest}:", KEEP
        )
        if fold.world.level > FIRST and await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", _OF_FIRST):
            await connection.execute(f"DELETE FROM {_OF_FIRST}")  # Keytrail 0.1.0 cannot read this log any more


async def add(pool: Pool, fold: Fold) -> None:
    """Keep this fold and drop nothing, beside processes of another version. Raises what LOST names."""
    async with pool.acquire() as connection, connection.transaction():
        await _insert(connection, sealed(fold))


async def _insert(connection: Connection, new: SealedSnapshot) -> None:
    # A row that somebody else wrote there would keep this one out.
    await connection.execute(
        "INSERT INTO present.versioned_snapshots (log, version, position, digest, body, mac) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (log, version, position) DO UPDATE SET digest = excluded.digest, "
        "body = excluded.body, mac = excluded.mac, at = now()",
        *new,
    )


_DROP = """
WITH ours AS (SELECT log, version, position, at FROM present.versioned_snapshots WHERE log = $1 AND starts_with(mac, $4)),
good AS (
    SELECT log, version, position, row_number() OVER (PARTITION BY version ORDER BY position DESC) AS place FROM ours
    WHERE (version = $3 AND position <= $2)
    OR version = (SELECT version FROM ours WHERE version <> $3 ORDER BY at DESC LIMIT 1)
)
DELETE FROM present.versioned_snapshots
WHERE (log, version, position) NOT IN (SELECT log, version, position FROM good WHERE place <= $5)
"""
"""Only snapshots that a start can use are counted, and none of this version after this one: otherwise rows of somebody else would
push it out. How old a snapshot is says nothing: where little happens, the newest one is old."""


async def dump(pool: Pool, position: int) -> AsyncGenerator[dict[str, Any], None]:
    """This version's snapshots up to this position, for a backup. Each comes as pieces of its body, since that may have hundreds
    of megabytes, and then as a row without it. Raises what LOST names."""
    question = (
        "SELECT log, position, digest, version, mac, octet_length(body) AS length FROM present.versioned_snapshots "
        "WHERE position <= $1 AND version = $2 ORDER BY position"
    )
    piece = (
        "SELECT substring(body FROM $4 FOR $5) FROM present.versioned_snapshots "
        "WHERE log = $1 AND version = $2 AND position = $3"
    )
    # One transaction: a snapshot that is dropped meanwhile is still there for it.
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for found in await connection.fetch(question, position, VERSION):
            row = dict(found)
            for start in range(1, row.pop("length") + 1, PIECE):
                content = await connection.fetchval(piece, row["log"], VERSION, row["position"], start, PIECE)
                yield {"piece": b64encode(content).decode()}
            yield {"row": row}


class LoadedSnapshots:
    """Puts together again what `dump` gave, and writes it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._body = bytearray()

    async def take(self, document: dict[str, Any]) -> None:
        """The next one. A row of an earlier version has its body with it. Raises what LOST names."""
        if "piece" in document:
            self._body += b64decode(document["piece"])
            return
        row, body = document["row"], bytes(self._body)
        self._body.clear()
        await self._pool.execute(
            "INSERT INTO present.versioned_snapshots (log, position, digest, version, mac, body) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            *(row.get(name, "") for name in ("log", "position", "digest", "version", "mac")),
            b64decode(row["body"]) if "body" in row else body,
        )


async def restore(pool: Pool, log: Topic, keys: Keyring, before: tuple[int, int | None] | None = None) -> Fold:
    """The newest snapshot that fits the log and was made under the key in use. If there is no such snapshot, an empty fold;
    then the log is folded from its beginning. `before`: at most this position and this time (None: any)."""
    async with aclosing(_rows(pool, keys)) as rows:
        async for row in rows:
            found = await _fold_of(row, log, keys, before)
            if found is not None:
                return found
    return Fold.under(keys)


async def _rows(pool: Pool, keys: Keyring) -> AsyncGenerator[SealedSnapshot, None]:
    """The snapshots that may be used, the best first; none if the database does not answer. Their bodies are read one by one,
    since they are large."""
    try:
        for table, *place in await _places(pool, keys):
            row = await pool.fetchrow(
                f"SELECT log, version, position, digest, body, mac FROM {table} "
                "WHERE log = $1 AND version = $2 AND position = $3",
                *place,
            )
            if row is not None:
                yield SealedSnapshot(*row)
    except LOST:
        return  # folding the log from its beginning is slower, but just as right


async def _places(pool: Pool, keys: Keyring) -> list[tuple[str, str, int, int]]:
    """(table, log, version, position) of those snapshots. An older key may have been replaced because somebody else had it."""
    found: list[tuple[str, str, int, int]] = []
    for table in _TABLES:
        if await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
            rows = await pool.fetch(
                f"SELECT log, version, position FROM {table} WHERE version = ANY($1) AND starts_with(mac, $2)",
                known_versions(),
                f"{keys.newest}:",
            )
            found += [(table, *row) for row in rows]
    return sorted(found, key=lambda each: (each[3], each[2]), reverse=True)


async def newest_of(
    rows: Iterable[SealedSnapshot], log: Topic, keys: Keyring, before: tuple[int, int | None] | None = None
) -> Fold:
    """The first of these snapshots, newest first, that this installation made and that fits the log; else an empty fold."""
    for row in rows:
        found = await _fold_of(row, log, keys, before)
        if found is not None:
            return found
    return Fold.under(keys)


async def _fold_of(
    row: SealedSnapshot, log: Topic, keys: Keyring, before: tuple[int, int | None] | None
) -> Fold | None:
    """The fold of a snapshot; None if it may not be used."""
    if before is not None and row.position > before[0]:
        return None
    if not keys.holds(row.mac, SNAPSHOT, *_mac_fields(row.log, row.position, row.digest, row.version, row.body)):
        log_of_snapshots.error("a snapshot is not Keytrail's own, and is left alone", position=row.position)
        return None
    if not await has_record(log, row.position, row.digest):
        return None
    fold = decode(row.body, row.position, row.digest, keys, row.version)
    if before is not None and before[1] is not None and fold.world.at > before[1]:
        return None
    fold.rewind()
    return fold


async def newest(pool: Pool, log: Topic, keys: VaultKeyring) -> Fold:
    """The current world: a snapshot, and the records after it. Raises Unavailable, OutOfRange, Unreadable."""
    fold = await restore(pool, log, keys)
    await bring_to_end(fold, log, keys)
    return fold


async def bring_to_end(fold: Fold, log: Topic, keys: VaultKeyring) -> None:
    """Fold the records that are on the log now. Raises Unavailable, OutOfRange, Unreadable."""
    end = await log.end()
    if fold.next >= end:
        return
    reader = await log.reader(fold.next)
    try:
        while fold.next < end:
            for stored in await read_known(reader, BATCH):
                await keyring.take(fold, stored, keys)
    finally:
        await reader.close()

"""What the log says of the keys that sign checkpoints: whoever writes to Postgres cannot change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import NamedTuple

import orjson

from domain.log.catalogue import WIRE_NAMES
from domain.log.events import TreeKeyRotated
from domain.log.levels import FIRST
from domain.ports import Stored
from domain.state.fold import Fold
from services.adapters import keyring, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.topic_bounds import values_of
from services.adapters.topics import log_topic, names
from services.settings import Settings

WIRE = WIRE_NAMES[TreeKeyRotated].encode()


class NamedKeys(NamedTuple):
    """`newest`: the verifier key that the log names last; "" for none. `first`: when each was named for the first time, in
    microseconds since the epoch."""

    newest: str
    first: Mapping[str, int]


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

    async def named(self, origin: str) -> NamedKeys:
        """The verifier keys with this name. It reads the whole log, since no snapshot keeps it: for rotations, and where
        something is wrong. Raises Unavailable, OutOfRange, Unreadable."""
        newest, first, fold = "", dict[str, int](), Fold.under(self._keys)
        async with aclosing(self._values()) as found:
            async for some, _ in found:
                for stored in some:
                    record = await keyring.take(fold, stored, self._keys)
                    event = None if record is None else record.event
                    if record is not None and isinstance(event, TreeKeyRotated) and _is_of(event.verifier_key, origin):
                        newest = event.verifier_key
                        first.setdefault(newest, record.at)
        return NamedKeys(newest, first)

    async def mentioned(self, origin: str) -> set[str]:
        """The verifier keys with this name that any record of the log names, whoever wrote it. It only looks for a name in each
        record, and takes a small part of the time that `named` does. Raises Unavailable, OutOfRange."""
        found = set[str]()
        async with aclosing(self._values()) as read:
            async for some, _ in read:
                for stored in some:
                    if (key := key_named_by(stored.value)) and _is_of(key, origin):
                        found.add(key)
                await asyncio.sleep(0)
        return found

    def _values(self) -> AsyncGenerator[tuple[list[Stored], int], None]:
        return values_of(self._settings, names(self._settings).events, 0)


def _is_of(key: str, origin: str) -> bool:
    return key.startswith(f"{origin}+")


def key_named_by(value: bytes) -> str:
    """The verifier key that a record of the log takes into use, whoever wrote it; "" for any other record."""
    if WIRE not in value:
        return ""
    try:
        event = orjson.loads(value)["event"]
        return str(event["data"]["verifier_key"]) if event["type"].encode() == WIRE else ""
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return ""

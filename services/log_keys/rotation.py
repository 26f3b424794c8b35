"""The key that records are authenticated with: begun on a log of an earlier version, and changed.

Both are commands of the operator, who has the master key: what they ask of the writer is authentic, and becomes an event. Each
can be interrupted at any time; the same command goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import asyncpg

from domain.durations import HOUR_MICROS
from domain.log.authenticity import ALERTS, DECISIONS, ORDER, key_of
from domain.log.authority import NO_KEY, Authority, trail_kind
from domain.log.levels import FIRST
from domain.log.own_commands import AUTHENTICATE, RETIRE_KEY, ROTATE_KEY
from domain.ports import Unavailable
from projections.registry import PROJECTIONS, Projection
from services.adapters import pins, snapshots
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.kafka import APPEND_DEADLINE, KafkaReader
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.adapters.postgres import LOST, Connection, Pool
from services.adapters.topic_bounds import ends
from services.adapters.topics import log_topic, names
from services.adapters.trail_topics import topic_of
from services.adapters.vault import Vault
from services.adapters.writer_requests import NotYet, ask_writer, recorded
from services.audit_devices import positions as device_positions
from services.clock import clock_of
from services.projector import store
from services.settings import Settings
from services.verification.topics import trails

LOCK_PATIENCE = 5_000
"""Milliseconds to wait for a lock; a batch is written in less."""
TellProgress = Callable[[str, int, int], None]
PositionsSealing = Callable[[Connection, VaultKeyring, Container[str]], Awaitable[list[str]]]
"""Seals positions under the current key, and returns those where that was impossible."""


class LogKeys:
    """One command, on the host. Raises Unavailable, MasterKeyRefused, LogRefused, NotYet, AlreadyRotating."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        vault: Vault,
        keys: VaultKeyring,
        tell: TellProgress,
        lock_patience: int = LOCK_PATIENCE,
    ) -> None:
        """`lock_patience`: milliseconds to wait for a lock on a projection."""
        self._settings = settings
        self._pool = pool
        self._vault = vault
        self._keys = keys
        self._tell = tell
        self._lock_patience = lock_patience
        self._events = log_topic(settings)
        self._last: pins.PinnedRecord | None = None
        """What a rotation last had recorded."""
        self.filled_anew: list[str] = []
        """Projections and audit devices whose positions stayed under a key that a rotation retired."""
        self.tokens_ended = False
        """Whether a rotation ended the tokens (services/adapters/tokens.py): not while the version before may still run."""

    async def close(self) -> None:
        await self._events.close()

    async def authenticate(self) -> Authority:
        """From now on every record has to be authentic. Changes nothing if that has begun already."""
        async with self._alone():
            authority = await self._authority()
            if not authority.begun:
                await self._require_new_processes()
                asked = {"before": await self._offsets()}
                authority = await self._recorded(AUTHENTICATE, asked, lambda found: found.begun)
            # Only after the event: from then on the vault refuses a log without MACs, and before it this log had none.
            await self._vault.require_authentic()
            await pins.keep(self._settings, self._vault, self._keys, authority)
            return authority

    async def rotate(self) -> Authority:
        """Go on under a new key; the earlier ones authenticate nothing new."""
        async with self._alone():
            await self._keys.read_again()  # a rotation that ended meanwhile has added one
            authority = await self._authority()
            if not authority.begun:
                raise NotYet("The log is not authenticated yet: run `keytrail log-keys begin` first.")
            if not self._is_interrupted(authority):
                await self._vault.add_record_secret()
                await self._keys.read_again()
            newest = self._keys.newest
            if newest != authority.key:
                asked = {"authentication_key": newest}
                authority = await self._recorded(ROTATE_KEY, asked, lambda found: found.key == newest)
                # At once: if nobody runs this again after an interruption, the log cannot be written anew under the former key.
                await pins.keep(self._settings, self._vault, self._keys, authority, self._last)
            await self._let_others_follow()
            self.filled_anew = await self._seal_positions(authority)
            for name in self._older(authority):
                retiring = {"authentication_key": name, "before": await self._offsets()}
                authority = await self._recorded(RETIRE_KEY, retiring, partial(_is_retired, name))
            await pins.keep(self._settings, self._vault, self._keys, authority, self._last)
            return authority

    def _alone(self) -> AbstractAsyncContextManager[None]:
        """Of two rotations at once, one would retire the key that the other has added, under which others seal by then."""
        return self._vault.rotating(AdvisoryLock.ROTATE_LOG_KEY, "the key of records")

    def _is_interrupted(self, authority: Authority) -> bool:
        """Whether a rotation was interrupted, which is ended first. A newest key that is retired is the work of two rotations at
        once in an earlier version: only another key mends that."""
        newest = self._keys.newest
        return newest not in authority.retired and (newest != authority.key or bool(self._older(authority)))

    def _older(self, authority: Authority) -> list[str]:
        """The keys that can still authenticate something new, but for the one in force."""
        return [name for name in self._keys.names() if name != authority.key and name not in authority.retired]

    async def _authority(self) -> Authority:
        fold = await snapshots.newest(self._pool, self._events, self._keys)
        self.tokens_ended = fold.world.level > FIRST
        return fold.chain.authority

    async def _let_others_follow(self) -> None:
        """Wait until every process that decides has read the rotation, and until records under way are written: a worker that
        is not fresh decides nothing, and seals nothing that it decided before."""
        seconds = int(self._settings.fresh_for + APPEND_DEADLINE) + 1
        for second in range(seconds):
            self._tell("waiting until every process uses the new key", second, seconds)
            await asyncio.sleep(1)

    async def _seal_positions(self, authority: Authority) -> list[str]:
        """Seal the positions of projections and audit devices before a key is retired, since later no position under it is
        believed. Returns those where that was impossible. They do not keep the key from being retired: somebody else may have it.
        Raises Unavailable."""
        left: list[str] = []
        sealing: dict[str, PositionsSealing] = {name: partial(_seal, each) for name, each in PROJECTIONS.items()}
        for name, seal in (sealing | {"audit devices": device_positions.seal_anew}).items():
            try:
                async with self._pool.acquire() as connection:
                    # This holds until the connection goes back to the pool.
                    await connection.execute(f"SET lock_timeout = {self._lock_patience}")
                    left += await seal(connection, self._keys, authority.retired)
            except LOST as fault:
                raise Unavailable(f"Postgres does not answer: {fault!r}; run the command again") from fault
            except asyncpg.PostgresError:  # somebody holds a lock, or changed a table
                left.append(name)
        return left

    async def _offsets(self) -> dict[str, dict[str, int]]:
        """The ends of the topics whose values stay readable for ever. Commands are not among them: a command that waits for
        the writer is refused, and its caller tries again."""
        topics = names(self._settings)
        found = {DECISIONS: topics.decisions, ALERTS: topics.alerts, ORDER: topics.order}
        found |= {trail_kind(name): topic_of(self._settings, name) for name in await trails(self._settings)}
        return {
            kind: {str(partition): end for partition, end in (await ends(self._settings, topic)).items()}
            for kind, topic in found.items()
        }

    async def _require_new_processes(self) -> None:
        """Raises NotYet if a process of an earlier version has written lately: its next records would be void."""
        topic = names(self._settings).decisions
        for partition, end in (await ends(self._settings, topic)).items():
            if not end:
                continue
            reader = await KafkaReader(self._settings, topic, partition).open(max(0, end - 1))
            try:
                (last, *_) = await read_known(reader, 1)
            finally:
                await reader.close()
            if key_of(last.value) == NO_KEY and last.appended > clock_of(self._settings).now() - HOUR_MICROS:
                raise NotYet(
                    f"The last record of partition {partition} of {topic} has no MAC and is less than an hour old: a process "
                    "of an earlier version may still run. Start all of them anew, make a call to each, and try again."
                )

    async def _recorded(
        self, operation: str, parameters: Mapping[str, Any], reached: Callable[[Authority], bool]
    ) -> Authority:
        """Have the writer record a change. Returns what the log then says. Raises WriterRefused, Unavailable."""
        fold = await snapshots.newest(self._pool, self._events, self._keys)
        reader = await self._events.reader(fold.next)
        try:
            call = await ask_writer(self._settings, self._keys, fold.chain.authority, operation, parameters)
            await recorded(fold, reader, self._keys, call, lambda _: reached(fold.chain.authority))
        finally:
            await reader.close()
        self._last = pins.PinnedRecord(fold.chain.position, fold.chain.head)
        return fold.chain.authority


def _is_retired(key: str, authority: Authority) -> bool:
    return key in authority.retired


async def _seal(
    projection: Projection, connection: Connection, keys: VaultKeyring, retired: Container[str]
) -> list[str]:
    """Returns the projection's name if that was impossible."""
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{projection.schema}.anchors"):
        return []  # there is nothing yet
    done = await store.seal_anew(connection, projection, keys, projection.schema, retired)
    return [] if done else [projection.name]

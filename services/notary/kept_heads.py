"""Checkpoints of former times, in Postgres: what a package of evidence begins and ends with.

A row decides nothing: its checkpoint is signed, and whoever reads it checks that. If rows are lost, evidence begins with an
older checkpoint, or with the empty tree.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.ports import TileStore
from domain.transparency.checkpoints import Checkpoint, checkpoint
from domain.transparency.notes import NoteRefused, SignedNote, signed_note
from services.adapters.postgres import Pool, make
from services.clock import Clock
from services.logs import logger_of

log = logger_of("notary")

EVERY = 60.0
"""Seconds between two checkpoints that are kept: half a million a year, of 300 bytes each."""
_TABLE = """
CREATE TABLE IF NOT EXISTS transparency.heads (
    size bigint PRIMARY KEY,
    -- it was published by then
    at timestamptz NOT NULL,
    note text NOT NULL,
    -- a time stamp (RFC 3161) of the note, if an authority was asked
    stamp bytea
);
CREATE INDEX IF NOT EXISTS heads_at ON transparency.heads (at)
"""
_KEEP = (
    "INSERT INTO transparency.heads (size, at, note) VALUES ($1, to_timestamp($2 / 1000000.0), $3) "
    "ON CONFLICT DO NOTHING"
)
_COLUMNS = "SELECT size, at, note, stamp FROM transparency.heads"
_NEWEST_BY = (
    f"{_COLUMNS} WHERE at <= $1 AND size <= $2 AND (stamp IS NOT NULL OR NOT $3) ORDER BY at DESC, size DESC LIMIT 1"
)
_FIRST_AFTER = f"{_COLUMNS} WHERE at >= $1 AND size >= $2 AND (stamp IS NOT NULL OR NOT $3) ORDER BY at, size LIMIT 1"


@dataclass(frozen=True, slots=True)
class KeptHead:
    """`stamp`: a time stamp (RFC 3161) of the note, or b""."""

    at: datetime
    head: Checkpoint
    note: SignedNote
    stamp: bytes = b""


async def prepare(pool: Pool) -> None:
    """Raises Postgres's errors."""
    await make(pool, _TABLE)


async def newest_by(pool: Pool, at: datetime, size: int, *, stamped: bool = False) -> KeptHead | None:
    """The newest checkpoint of at most `size` leaves that was published by a time; with a time stamp, if only such a one counts.
    Raises NoteRefused, Postgres's errors."""
    return _head(await pool.fetchrow(_NEWEST_BY, at, size, stamped))


async def first_after(pool: Pool, at: datetime, size: int, *, stamped: bool = False) -> KeptHead | None:
    """The first checkpoint of at least `size` leaves that was kept at or after a time. Raises NoteRefused, Postgres's errors."""
    return _head(await pool.fetchrow(_FIRST_AFTER, at, size, stamped))


async def to_stamp(pool: Pool) -> KeptHead | None:
    """The newest checkpoint, unless it has a time stamp. Raises NoteRefused, Postgres's errors."""
    found = _head(await pool.fetchrow(f"{_COLUMNS} ORDER BY at DESC, size DESC LIMIT 1"))
    return None if found is None or found.stamp else found


async def keep_stamp(pool: Pool, size: int, stamp: bytes) -> None:
    """Raises Postgres's errors."""
    await pool.execute("UPDATE transparency.heads SET stamp = $2 WHERE size = $1", size, stamp)


def _head(row: Any) -> KeptHead | None:
    """Raises NoteRefused."""
    if row is None:
        return None
    size, at, text, stamp = row
    note = signed_note(text)
    found = checkpoint(note.text)
    if found.size != size:
        raise NoteRefused(f"the checkpoint that was kept for {size} leaves has {found.size}")
    return KeptHead(at, found, note, bytes(stamp or b""))


class HeadKeeper:
    """Keeps what the store has at `path`, at most once in EVERY seconds."""

    def __init__(self, pool: Pool, store: TileStore, clock: Clock, path: str) -> None:
        self._pool, self._store = pool, store
        self._clock, self._path = clock, path
        self._published = asyncio.Event()

    def published(self) -> None:
        """There may be something new to keep."""
        self._published.set()

    async def run(self) -> None:
        """Runs until it is stopped. Raises Postgres's errors, Unavailable."""
        await prepare(self._pool)
        self.published()
        while True:
            await self._published.wait()
            self._published.clear()
            if await self.keep():
                await asyncio.sleep(EVERY)

    async def keep(self) -> bool:
        """Whether there was a checkpoint. Raises Postgres's errors, Unavailable."""
        text = await self._store.read(self._path)
        if text is None:
            return False
        try:
            head = checkpoint(signed_note(text.decode()).text)
        except (NoteRefused, UnicodeDecodeError) as fault:
            log.warning("what is published is no checkpoint, so it is not kept", reason=str(fault))
            return True
        await self._pool.execute(_KEEP, head.size, self._clock.now(), text.decode())
        return True

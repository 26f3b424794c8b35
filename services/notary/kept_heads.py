"""Checkpoints of former times, in Postgres: what a package of evidence begins and ends with.

A row decides nothing: its checkpoint is signed, and whoever reads it checks that. If rows are lost, evidence begins with an
older checkpoint, or with the empty tree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.ports import TileStore
from domain.transparency.checkpoints import Checkpoint, checkpoint
from domain.transparency.notes import NoteRefused, SignedNote, note_of, signed_note
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
FEW = 5
"""So many rows are looked at: somebody who can write to Postgres may have put others before ours."""
STAMPED_WITHIN = "interval '1 day'"
"""A checkpoint with a time stamp is taken instead of one that is at most so much nearer."""
_NEWEST_BY = f"{_COLUMNS} WHERE at <= $1 AND size <= $2 {{}} ORDER BY at DESC, size DESC LIMIT {FEW}"
_NEWEST = f"{_COLUMNS} WHERE at <= to_timestamp($1 / 1000000.0) ORDER BY at DESC, size DESC LIMIT {FEW}"
_FIRST_AFTER = f"{_COLUMNS} WHERE at >= $1 AND size BETWEEN $2 AND $3 {{}} ORDER BY at, size LIMIT {FEW}"
_STAMPED_BEFORE = f"AND stamp IS NOT NULL AND at > $1 - {STAMPED_WITHIN}"
_STAMPED_AFTER = f"AND stamp IS NOT NULL AND at < $1 + {STAMPED_WITHIN}"


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


async def newest_by(pool: Pool, at: datetime, size: int) -> list[KeptHead]:
    """A few checkpoints of at most `size` leaves that were published by a time: first those with a time stamp of the day before,
    then the newest. Raises Postgres's errors."""
    stamped = await pool.fetch(_NEWEST_BY.format(_STAMPED_BEFORE), at, size)
    return _heads([*stamped, *await pool.fetch(_NEWEST_BY.format(""), at, size)])


async def first_after(pool: Pool, at: datetime, least: int, most: int) -> list[KeptHead]:
    """A few checkpoints of `least` to `most` leaves that were kept at or after a time: first those with a time stamp of the day
    after, then the earliest. Raises Postgres's errors."""
    stamped = await pool.fetch(_FIRST_AFTER.format(_STAMPED_AFTER), at, least, most)
    return _heads([*stamped, *await pool.fetch(_FIRST_AFTER.format(""), at, least, most)])


async def to_stamp(pool: Pool, clock: Clock) -> KeptHead | None:
    """The newest checkpoint, unless it has a time stamp. One of the future is not the newest: its clock was ahead, and was set
    back since. Raises Postgres's errors."""
    found = _heads(await pool.fetch(_NEWEST, clock.now()))
    return found[0] if found and not found[0].stamp else None


async def keep_stamp(pool: Pool, size: int, stamp: bytes) -> None:
    """Raises Postgres's errors."""
    await pool.execute("UPDATE transparency.heads SET stamp = $2 WHERE size = $1", size, stamp)


def _heads(rows: Iterable[Any]) -> list[KeptHead]:
    """Without the rows that hold no checkpoint: somebody else wrote them."""
    found = []
    for size, at, text, stamp in rows:
        try:
            note = signed_note(text)
            head = checkpoint(note.text)
        except NoteRefused as fault:
            log.warning("a row of transparency.heads holds no checkpoint", size=size, reason=str(fault))
            continue
        if head.size == size:
            found.append(KeptHead(at, head, note, bytes(stamp or b"")))
    return found


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
            head = checkpoint(note_of(text).text)
        except NoteRefused as fault:
            log.warning("what is published is no checkpoint, so it is not kept", reason=str(fault))
            return True
        await self._pool.execute(_KEEP, head.size, self._clock.now(), text.decode())
        return True

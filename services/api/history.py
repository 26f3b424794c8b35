"""The world as of a time or a position: folded anew from the log, from the newest snapshot before it."""

from __future__ import annotations

import asyncio

from domain.ports import Topic
from domain.trail.codec import micros, parse
from domain.world import World
from services.adapters import snapshots
from services.adapters.postgres import Pool

BATCH = 500
"""Records folded at a time, so that other calls are answered in between."""


class NoSuchMoment(Exception):
    """Not a time or position of this log. The message says what is taken."""


def moment(text: str) -> tuple[int | None, int | None]:
    """(position, time in microseconds), one of them None. Raises NoSuchMoment."""
    if text.startswith("@"):
        if not (text[1:].isascii() and text[1:].isdigit() and len(text) < 19):
            raise NoSuchMoment("a position is @ and a number, @1234 for instance")
        return int(text[1:]), None
    try:
        return None, micros(text)
    except (ValueError, OverflowError):
        raise NoSuchMoment(
            "a time is RFC 3339, 2026-01-31T12:00:00Z for instance, or a position such as @1234"
        ) from None


async def as_of(pool: Pool, events: Topic, text: str, end: int) -> World:
    """The world after the last record at or before the moment; `end` is the position that is known now.

    Raises NoSuchMoment, OutOfRange, Unavailable, Unreadable.
    """
    position, at = moment(text)
    if position is not None and position > end:
        raise NoSuchMoment(f"the log ends at @{end}")
    last = end if position is None else position
    fold = await snapshots.restore(pool, events, before=(last, at))
    if fold.chain.position >= last:
        return fold.world
    reader = await events.reader(fold.next)
    try:
        while True:
            for stored in await reader.read(BATCH):
                if stored.offset > last or _is_after(stored.value, at):
                    return fold.world
                fold.take(stored.offset, stored.value)
            if fold.next > last:
                return fold.world
            await asyncio.sleep(0)
    finally:
        await reader.close()


def _is_after(value: bytes, at: int | None) -> bool:
    if at is None:
        return False
    document = parse(value)
    return document is not None and isinstance(document.get("at"), str) and micros(document["at"]) > at

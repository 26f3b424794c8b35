"""Turns times and positions, as people write them, into a position of the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.log.codec import micros
from domain.ports import Unavailable
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.rendering import utc

PATIENCE, LOOK_EVERY = 4.0, 0.02
"""How many seconds to wait for a projection that lags, and how many seconds lie between two looks at it."""


class NoSuchMoment(Exception):
    """Not a time or position of this log. The message says what is accepted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment after the record at `position`, which was decided at `at`. `asked` is the time that the question is about: it is
    later than the record if a time was asked for at which no record was made, or the present. What ends by itself, such as
    imported material, may have ended between."""

    position: int
    at: datetime
    asked: datetime

    @property
    def text(self) -> str:
        return utc(self.at)


def read_time(text: str) -> datetime:
    """Reads a time (RFC 3339). A time before 1970 counts as 1970, so that days can be subtracted. Raises ValueError."""
    try:
        return datetime.fromtimestamp(max(0, micros(text)) / 1_000_000, UTC)
    except (OverflowError, OSError) as fault:
        raise ValueError(str(fault)) from None


def read_moment(text: str) -> tuple[int | None, datetime | None]:
    """(position, time), one of them None. Raises NoSuchMoment."""
    if text.startswith("@"):
        if not (text[1:].isascii() and text[1:].isdigit() and len(text) < 19):
            raise NoSuchMoment("a position is @ and a number, @1234 for instance")
        return int(text[1:]), None
    try:
        return None, read_time(text)
    except ValueError:
        raise NoSuchMoment(
            "a time is RFC 3339, 2026-01-31T12:00:00Z for instance, or a position such as @1234"
        ) from None


async def moment_of(log: AskedLog, text: str | None, end: int, now: datetime | None = None) -> Moment:
    """The moment that `text` means; without a text, now. `end`: the log has reached at least this position. `now` is None for a
    log of which nothing later than its records is known.

    Waits for the history if it lags a little. Raises NoSuchMoment, Unavailable.
    """
    position, at = (None, None) if not text else read_moment(text)
    if position is not None and position > end:
        raise NoSuchMoment(f"the log ends at @{end}")
    await _reach(log, end if position is None else position)
    if at is not None:
        position = await history.position_at(log, at)
        if position is None:
            raise await _before_all(log)
    elif position is None:
        position = end
    decided = await history.moment_of(log, position)
    if decided is None:
        raise await _before_all(log)
    if now is None or (text and at is None):
        return Moment(position, decided, decided)
    return Moment(position, decided, max(decided, min(at or now, now)))


async def _before_all(log: AskedLog) -> NoSuchMoment:
    began = await history.begins(log)
    if began is None:
        return NoSuchMoment("the log begins later")
    # Shown without its fraction, the time may be before the record; the position always exists.
    first = await history.position_at(log, began)
    return NoSuchMoment(
        f"the record begins at {utc(began)}, later than that: of what was before, nothing is known. Ask for @{first}, its first "
        "moment, or for a later one"
    )


async def _reach(log: AskedLog, position: int) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            # The projector is another process: there is no event to wait for.
            while await history.reached(log) < position:  # noqa: ASYNC110  # see above
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise Unavailable("the history is behind the log") from None

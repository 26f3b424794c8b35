"""Times and positions in a question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.questions.moments import Moment, read_moment, read_time
from services.questions.source import Source

FOR_EVER = datetime(9999, 12, 30, tzinfo=UTC)


async def time_of(log: AskedLog, text: str, name: str) -> datetime:
    """A time for a text that is a time (RFC 3339) or a position (@1234). `name` is the parameter's name. Raises WireError.

    A position means its record, or the next one where it has none. The position after the last record is taken, since `to` names
    what comes after the last that is wanted.
    """
    if text.startswith("@") and text[1:].isascii() and text[1:].isdigit() and len(text) < 19:
        position = int(text[1:])
        if (found := await decisions.moment_from(log, position)) is not None:
            return found
        if position > await history.reached(log) + 1:
            raise invalid(f"there is no record at position {text}")
        return FOR_EVER
    try:
        return read_time(text)
    except ValueError:
        raise invalid(f"{name} must be a time in RFC 3339 or a position such as @1234") from None


async def span_of(log: AskedLog, request: AuditRequest) -> tuple[datetime | None, datetime | None]:
    """The parameters `from` and `to`. Raises WireError."""
    since, until = [
        None if (text := request.text(name)) is None else await time_of(log, text, name) for name in ("from", "to")
    ]
    return since, until


@asynccontextmanager
async def at_moment(audit: AuditContext, request: AuditRequest) -> AsyncIterator[tuple[Source, Moment]]:
    """The source of the question, and the moment in the parameter `at`: now if it is left out. Raises WireError, also
    for things that did not exist then."""
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        yield source, await source.moment(request.text("at"))


async def two_moments(audit: AuditContext, request: AuditRequest) -> tuple[Source, Moment, Moment, dict[str, str]]:
    """The moments `from` and `to`. The first is never before the record begins. If an earlier one was asked for, the
    last member says when the record begins. Raises WireError."""
    text = request.text("from")
    if not text:
        raise invalid("from must be a time or a position, and not later than to")
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        began = await source.before_it_began(read_moment(text)[1])
        first = await source.moment(began.get("began", text))
        until = request.text("to")
        ended = bool(began and until and await source.before_it_began(read_moment(until)[1]))
        last = first if ended else await source.moment(until)
    backwards = ended and read_moment(text)[1] > read_moment(until or "")[1]  # type: ignore[operator]  # both are times
    if first.position > last.position or backwards:
        raise invalid("from must be a time or a position, and not later than to")
    return source, first, last, began

"""Server-sent events of alerts, sent when an alert is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress

from domain.authorization.audience import Told
from domain.errors import InvalidMarker
from projections.alerts import queries as alerts
from projections.alerts.queries import AlertFilters
from projections.log.entry import ALERTS
from services.adapters.postgres import INTERRUPTED
from services.audit_api.answer_shapes import EventStream
from services.audit_api.answers import ASK_AGAIN_EVERY
from services.audit_api.context import AuditContext
from services.audit_api.event_stream import Beat, Ended, Live
from services.audit_api.faults import invalid
from services.audit_api.raised_alerts import ALERT, EVIDENCE, EXPLAINED, FILTERS, accounts_of, filters_of, shown
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import AFTER
from services.audit_api.topic_ends import topic_ends
from services.kms_api.errors import WireError, wire_error

LOOK_EVERY = 0.1
"""Seconds between two looks at the projection."""
BEAT_EVERY = 10.0
AT_ONCE = 100


async def alert_stream(audit: AuditContext, request: AuditRequest) -> Live:
    """The id of each event is the alert's number: a client that connects again continues after it. Ids without an event are
    numbers of the account's own alerts too: the newest of all would say when others have alerts. Raises WireError."""
    with ExitStack() as place:
        place.enter_context(audit.streams.place(request))
        filters = await filters_of(audit, request)
        text = request.http.headers.get("last-event-id") or request.text("after")
        if text is None:
            number = await alerts.newest_of(audit.log, accounts_of(audit, request))
        elif text.removeprefix("-").isdigit() and text.isascii() and len(text) < 19:
            number = int(text)
        else:
            raise invalid("after and Last-Event-ID must be the number of an alert")
        if number > await alerts.newest(audit.log):
            await _require_in_log(audit, number)
        return Live("alert", number, _follow(audit, request, filters, number), place.pop_all().close)


async def _require_in_log(audit: AuditContext, number: int) -> None:
    """A restore begins the topic anew. Whoever waited there for the alert after a number of the former log would miss every
    alert up to that number. The projection alone cannot tell, since it may be behind or filled anew; as long as the broker
    says nothing, the stream waits. Raises WireError."""
    ends = (await topic_ends(audit))[ALERTS]
    end = None if ends is None else ends.get(0)
    if end is not None and number >= end:
        raise wire_error(
            InvalidMarker(
                f"This log has no alert {number}. It is another one than before, as after a restore: begin again with after=-1."
            )
        )


async def _follow(
    audit: AuditContext, request: AuditRequest, filters: AlertFilters, number: int
) -> AsyncIterator[tuple[int, Told] | Ended | Beat]:
    loop, named = asyncio.get_running_loop(), number
    told_at = ask_at = loop.time()
    while not audit.streams.stopping():
        newest, rows = number, []
        try:
            newest = await audit.streams.newest()
            if newest > number:
                rows = await alerts.after(audit.log, filters, number, AT_ONCE)
        except INTERRUPTED:  # the database will come back, and the alerts after this number with it
            newest = number
        if rows or loop.time() >= ask_at:
            # A caller who may no longer ask gets nothing more.
            try:
                request, ask_at = await audit.permissions.still_may(request), loop.time() + ASK_AGAIN_EVERY
            except WireError as fault:
                if fault.status < 500:  # of what may be tried again, the client hears when it does
                    yield Ended(fault.code, fault.message)
                return
        for row in rows:
            number = named = row["number"]
            told_at = loop.time()
            yield number, request.audience.alerts([row["account"]], shown(audit, request, row))
        if len(rows) < AT_ONCE:  # alerts that the filters exclude are never sent later
            number = max(number, newest)
        if not rows:
            if loop.time() >= told_at + BEAT_EVERY:  # also where each look takes long
                told_at = loop.time()
                if newest < number:
                    try:
                        await _require_in_log(audit, number)
                    except WireError as fault:
                        yield Ended(fault.code, fault.message)
                        return
                with suppress(*INTERRUPTED):  # a number that was named before only has more looked through again
                    named = max(named, await alerts.newest_of(audit.log, accounts_of(audit, request), number))
                yield Beat(named)
            await asyncio.sleep(LOOK_EVERY)


ALERT_STREAM = RouteRow(
    "GET",
    "/v1/alerts/stream",
    "alert_stream",
    alert_stream,
    "Alerts as they are raised: server-sent events, an alert in JSON each, its number as the id; an id also with each beat",
    tag="alerts",
    action="keytrail:ReadAlerts",
    parameters=(
        *FILTERS,
        Parameter("after", "the number after which to begin; the newest where left out, as Last-Event-ID says", AFTER),
    ),
    answer=EventStream((*ALERT, *EXPLAINED, EVIDENCE)),
)


ROUTES = (ALERT_STREAM,)

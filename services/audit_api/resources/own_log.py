"""The account's own part of the log: by position, and as a whole for its auditor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from domain.authorization.audience import Told
from projections.decisions import queries as decisions
from projections.decisions.queries import CallFilters
from projections.history import queries as history
from services.audit_api.answer_shapes import Lines, Page
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import DECISION
from services.audit_api.faults import invalid
from services.audit_api.read_models import calls_read
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, SPAN, Parameter, RouteRow
from services.audit_api.schemas import AFTER, Member
from services.audit_api.times import span_of
from services.questions.subjects import with_names
from services.rendering import call_of, following

AT_ONCE = 100
"""How many records a long answer reads at a time."""


async def events(audit: AuditContext, request: AuditRequest) -> Told:
    text = request.text("after") or "-1"
    if not text.removeprefix("-").isdigit() or not text.isascii() or len(text) > 18:
        raise invalid("after must be a position")
    limit = request.limit()
    cursor = request.cursor(int)
    after = cursor[0] if cursor else int(text)
    async with audit.filtered_questions.place(request):
        rows = await decisions.events(audit.log, request.account, after, limit)
    after_these = following(len(rows), limit, [rows[-1]["position"]] if rows else None)
    source = await audit.sources.of(request)
    calls = await with_names(source, [call_of(row) for row in rows], audit.keys.with_aliases)
    return request.audience.calls(calls, after_these)


EVENTS = RouteRow(
    "GET",
    "/v1/events",
    "events",
    events,
    "The log's records that concern the account, by position",
    tag="decisions",
    action="keytrail:ReadEvents",
    parameters=(
        Parameter("after", "the position after which to begin; -1 where left out", AFTER),
        LIMIT,
        CURSOR,
    ),
    answer=Page(DECISION),
)


async def own_log(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    """Everything that `decisions` would return, page after page, up to now: calls go on while it is read. Raises WireError."""
    since, until = await span_of(audit.log, request)
    position = await calls_read(audit)
    if until is None:
        until = datetime.fromtimestamp(audit.clock.now() / 1_000_000, UTC)
        newest = await decisions.moment_of(audit.log, position)
        if newest is not None:  # by the writer's clock, which may be ahead of this one
            until = max(until, newest + timedelta(microseconds=1))
    else:
        last = await history.position_at(audit.log, until - timedelta(microseconds=1))
        position = min(position, -1 if last is None else last)
    return _own_log(audit, request, CallFilters(since=since, until=until), position)


async def _own_log(
    audit: AuditContext, request: AuditRequest, filters: CallFilters, position: int
) -> AsyncGenerator[Told, None]:
    """`position`: that of the last change that the lines may have, which the projections have."""
    audience, count, after = request.audience, 0, None
    async with audit.long_questions.place(request):
        while True:
            async with audit.filtered_questions.turn(request):
                rows = await decisions.page(audit.log, audience.account, filters, after, AT_ONCE, inputs=True)
            for row in rows:
                # With an end in the past, `position` comes from a projection that may be behind that of calls.
                position = max(position, -1 if row["position"] is None else row["position"])
                yield audience.line(call_of(row))
            count += len(rows)
            if len(rows) < AT_ONCE:
                break
            after = (rows[-1]["at"], rows[-1]["origin"], rows[-1]["record"])
        end = {"position": position, "records": count}
        more = await (await audit.sources.of(request)).before_it_began(filters.since)
    yield audience.own(audience.account, {"end": end, **more})


OWN_LOG = RouteRow(
    "GET",
    "/v1/log",
    "log",
    own_log,
    "The account's own part of the log, changes and decisions, for its auditor; a JSON object a line",
    tag="decisions",
    action="keytrail:ReadLog",
    parameters=SPAN,
    answer=Lines(
        (
            Member("record", "object", "a call, as /v1/decisions gives it with its inputs"),
            Member("end", "object", "in the last line: records, and the position of the log that it goes up to"),
            Member(
                "began",
                "time?",
                "in the last line too: when the record begins, where that is after the time that was asked from",
            ),
        )
    ),
)


ROUTES = (EVENTS, OWN_LOG)

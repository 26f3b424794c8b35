"""Decided calls as a file for other programs, without a bound on their number."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime

from domain.authorization.audience import Told
from projections.decisions import queries as decisions
from projections.decisions.queries import CallFilters
from services.audit_api.answer_shapes import FileOf
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import FILTERS, filters_of
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import one_of
from services.audit_api.written_file import WrittenFile
from services.exports.formats import CallFormat
from services.questions.source import Source
from services.questions.subjects import with_names
from services.rendering import call_of

PAGE = 100
"""Calls for which the event loop works in one go: a few milliseconds, which every caller of the worker then waits."""
FORMATS = tuple(each.value for each in CallFormat)


async def export_decisions(audit: AuditContext, request: AuditRequest) -> WrittenFile:
    asked = request.one_of("format", FORMATS)
    if asked is None:
        raise invalid(f"format must be one of {', '.join(FORMATS)}")
    form, now = CallFormat[asked.upper()], audit.clock.now()
    filters, source = await filters_of(audit, request), await audit.sources.of(request)
    if filters.until is None and not source.is_trail:
        # Calls go on while the file is written, and it would never end if they come as fast.
        filters = replace(filters, until=datetime.fromtimestamp(now / 1_000_000, UTC))
    name = f"decisions-{datetime.fromtimestamp(now // 1_000_000, UTC):%Y%m%dT%H%M%SZ}{form.ending}"
    pages = _pages(audit, request, source, filters, inputs=form.whole)
    return WrittenFile(pages, "services.exports", (form.value, source.region), form.media, name)


async def _pages(
    audit: AuditContext, request: AuditRequest, source: Source, filters: CallFilters, *, inputs: bool
) -> AsyncGenerator[Told, None]:
    """Pages in the order of time, each found by the index at the end of the one before: no transaction and no cursor of
    Postgres stays open while a slow reader reads. Raises WireError."""
    after = None
    async with audit.long_questions.place(request):
        while True:
            async with audit.filtered_questions.turn(request):
                rows = await decisions.page(source.log, request.account, filters, after, PAGE, inputs=inputs)
            calls = await with_names(source, [call_of(row) for row in rows], audit.keys.with_aliases)
            yield source.audience.calls(calls, None)
            if len(rows) < PAGE:
                return
            after = (rows[-1]["at"], rows[-1]["origin"], rows[-1]["record"])


EXPORT = RouteRow(
    "GET",
    "/v1/decisions/export",
    "export_decisions",
    export_decisions,
    "The calls that `/v1/decisions` lists, as a file, in the order of time",
    tag="decisions",
    action="keytrail:ReadDecisions",
    parameters=(
        Parameter(
            "format",
            "; ".join(f"{each.value}: {each.says}" for each in CallFormat),
            one_of(FORMATS),
            required=True,
        ),
        *FILTERS,
    ),
    takes_trail=True,
    answer=FileOf(tuple(dict.fromkeys(each.media for each in CallFormat))),
)


ROUTES = (EXPORT,)

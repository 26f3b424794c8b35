"""Raised alerts: lists them, shows one, and marks one as acknowledged or resolved."""

from __future__ import annotations

from typing import Any

from domain.authorization.audience import Told
from domain.commands.mark_alert import LONGEST_NOTE, MARK, STATES
from projections.alerts import queries as alerts
from services.audit_api.answer_shapes import BEGAN, One, Page
from services.audit_api.bodies import document_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid, missing
from services.audit_api.raised_alerts import ALERT, EVIDENCE, EXPLAINED, FILTERS, MARKS, accounts_of, filters_of, shown
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, Parameter, RouteRow
from services.audit_api.schemas import NO_NUL, Member, one_of
from services.rendering import item, page

NEWEST = 2**62


async def list_alerts(audit: AuditContext, request: AuditRequest) -> Told:
    cursor, limit = request.cursor(int), request.limit()
    filters = await filters_of(audit, request)
    async with audit.filtered_questions.place(request):
        rows = await alerts.page(audit.log, filters, cursor[0] if cursor else NEWEST, limit)
    items = [shown(audit, request, row) for row in rows]
    found = page(items, limit, [rows[-1]["number"]] if rows else None)
    if cursor is None:
        found |= await (await audit.sources.of(request)).before_it_began(filters.since)
    return request.audience.alerts([row["account"] for row in rows], found)


ALERTS = RouteRow(
    "GET",
    "/v1/alerts",
    "alerts",
    list_alerts,
    "The alerts that were raised, the newest first",
    tag="alerts",
    action="keytrail:ReadAlerts",
    parameters=(*FILTERS, LIMIT, CURSOR),
    answer=Page((*ALERT, *EXPLAINED), beside=(BEGAN,)),
)


async def show_alert(audit: AuditContext, request: AuditRequest) -> Told:
    row = await _one(audit, request)
    marks = [item(each) for each in await alerts.marks(audit.log, row["id"])]
    return request.audience.alerts([row["account"]], shown(audit, request, row) | {"marks": marks})


async def _one(audit: AuditContext, request: AuditRequest) -> Any:
    """Raises WireError, the same for another account's alert as for one that does not exist."""
    id = request.place("alert")
    row = await alerts.one(audit.log, id)
    if row is None or row["account"] not in accounts_of(audit, request):
        raise missing(f"There is no alert {id}.")
    return row


SHOW_ALERT = RouteRow(
    "GET",
    "/v1/alerts/{alert}",
    "alert",
    show_alert,
    "One alert, with what it means, what to do, and what was done",
    tag="alerts",
    action="keytrail:ReadAlerts",
    answer=One((*ALERT, *EXPLAINED, EVIDENCE, MARKS)),
)


async def mark_alert(audit: AuditContext, request: AuditRequest) -> Told:
    body = document_in(request.body, 'the body must be {"state": "acknowledged", "note": "..."}')
    state, note = body.get("state"), body.get("note") or ""
    if state not in STATES or not isinstance(note, str):
        raise invalid(f"state must be one of {', '.join(STATES)}, and note must be text")
    row = await _one(audit, request)
    parameters = {"AlertId": row["id"], "State": state, "Note": note}
    await audit.records.require_rate(request, MARK)
    position = await audit.records.change(request, MARK, parameters, {"owner": row["account"]})
    answer = {"id": row["id"], "state": state, "note": note, "position": position}
    return request.audience.alerts([row["account"]], answer)


MARK_ALERT = RouteRow(
    "POST",
    "/v1/alerts/{alert}",
    "mark_alert",
    mark_alert,
    "Acknowledge or resolve an alert, or open it again: a change on the log",
    tag="alerts",
    action="keytrail:UpdateAlert",
    body=(
        Parameter("state", "acknowledged, resolved or open", one_of(STATES), required=True),
        Parameter("note", "why", {"type": "string", "maxLength": LONGEST_NOTE, "pattern": NO_NUL}),
    ),
    answer=One(
        (
            Member("id", "text", "the alert"),
            Member("state", "text", "acknowledged, resolved or open"),
            Member("note", "text?", "why"),
            Member("position", "integer", "the record of it"),
        )
    ),
)


LISTED = (ALERTS,)
ROUTES = (SHOW_ALERT, MARK_ALERT)

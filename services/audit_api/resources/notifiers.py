"""Notifiers: how far each has come, and the messages that it gave up. Only the first account sees them."""

from __future__ import annotations

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import One, Page
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest
from services.audit_api.route import LIMIT, RouteRow
from services.audit_api.schemas import Member
from services.notifier import outbox
from services.rendering import only_page


async def notifiers(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    limit = request.limit()
    found = await outbox.state(audit.pool)
    return request.audience.public(only_page(found[:limit]))


NOTIFIERS = RouteRow(
    "GET",
    "/v1/alerts/notifiers",
    "notifiers",
    notifiers,
    "Of each notifier, how far it is, what waits and what was given up",
    tag="alerts",
    action="keytrail:ReadNotifiers",
    parameters=(LIMIT,),
    answer=Page(
        (
            Member("notifier", "text", "its name"),
            Member("number", "integer", "the last alert that it took in"),
            Member("waiting", "integer", "messages that are not delivered yet"),
            Member("since", "time?", "since when the first of them waits"),
            Member("fault", "text?", "why"),
            Member("dead", "integer", "messages that were given up"),
        )
    ),
)


async def dead_letters(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    limit = request.limit()
    found = await outbox.dead(audit.pool, limit)
    return request.audience.public(only_page(found))


DEAD_LETTERS = RouteRow(
    "GET",
    "/v1/alerts/dead-letters",
    "dead_letters",
    dead_letters,
    "Messages that were given up, the oldest first",
    tag="alerts",
    action="keytrail:ReadNotifiers",
    parameters=(LIMIT,),
    answer=Page(
        (
            Member("notifier", "text", "whom it was for"),
            Member("id", "text", "the message's id"),
            Member("message", "object", "what would have been told"),
            Member("since", "time", "when it was to be told"),
            Member("attempts", "integer", "how often that was tried"),
            Member("fault", "text?", "why it was given up"),
            Member("at", "time", "when"),
        )
    ),
)


async def redeliver(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    return request.audience.public({"messages": await outbox.again(audit.pool)})


REDELIVER = RouteRow(
    "POST",
    "/v1/alerts/dead-letters",
    "redeliver",
    redeliver,
    "Try every dead letter again, behind what waits",
    tag="alerts",
    action="keytrail:ManageNotifiers",
    answer=One((Member("messages", "integer", "how many"),)),
)


ROUTES = (NOTIFIERS, DEAD_LETTERS, REDELIVER)

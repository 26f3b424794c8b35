"""The trails that were imported from elsewhere, for the first account, whose principals alone may ask about them."""

from __future__ import annotations

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import Page
from services.audit_api.context import AuditContext
from services.audit_api.permissions import READ_STATUS
from services.audit_api.request import AuditRequest
from services.audit_api.route import LIMIT, RouteRow
from services.audit_api.schemas import Member
from services.rendering import only_page
from services.trails.shelf import listed


async def list_trails(audit: AuditContext, request: AuditRequest) -> Told:
    """Counting a trail's calls reads the whole trail, so this is a long question. Raises WireError, Unavailable."""
    audit.require_host(request)
    limit = request.limit()
    async with audit.long_questions.place(request):
        found = await listed(audit.pool, audit.settings)
    return request.audience.public(only_page(found[:limit]))


TRAILS = RouteRow(
    "GET",
    "/v1/trails",
    "trails",
    list_trails,
    "The imported trails, by name; for principals of the first account",
    tag="installation",
    action=READ_STATUS,
    parameters=(LIMIT,),
    answer=Page(
        (
            Member("trail", "text", "its name, as `trail` of a question has it"),
            Member("calls", "integer?", "how many calls it has; null where its import did not end"),
            Member("changes", "integer?", "how many of them changed something"),
            Member("first", "time?", "when the first was made"),
            Member("last", "time?", "when the last was"),
            Member("broken", "integer?", "changes that do not fit the ones before them"),
        )
    ),
)


ROUTES = (TRAILS,)

"""The settings that this installation runs with, without its secrets."""

from __future__ import annotations

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import Page
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member
from services.rendering import only_page
from services.settings import shown


async def read_settings(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    return request.audience.public(only_page(shown(audit.settings)))


SETTINGS = RouteRow(
    "GET",
    "/v1/settings",
    "settings",
    read_settings,
    "The settings of the worker that answers, without secrets; for principals of the first account",
    tag="installation",
    action="keytrail:ReadSettings",
    answer=Page(
        (
            Member("name", "text", "the environment variable"),
            Member("value", "text?", "its value; null for a secret"),
            Member("default", "text?", "its value where nobody sets it; null for a secret"),
            Member(
                "source", "text", "default or set: by a variable, an option, or by `keytrail up` for its own servers"
            ),
            Member("secret", "yes-or-no", "whether it is a secret"),
            Member("meaning", "text", "what it says"),
        )
    ),
)


ROUTES = (SETTINGS,)

"""Signing out of the console: the session ends for everybody who has its credential, at every worker."""

from __future__ import annotations

from domain.authorization.audience import Told
from domain.commands.sign_out import LOGOUT
from domain.errors import AccessRefused, UpgradeUnfinished
from domain.log.catalogue import LEVELS
from domain.log.levels import UNFINISHED
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state.console_sessions import require_may_sign_out
from services.audit_api.answer_shapes import One
from services.audit_api.bodies import document_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.resources.console import changed
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member

EXPECTED = "the body must be empty: a session ends itself alone"


async def sign_out(audit: AuditContext, request: AuditRequest) -> Told:
    if request.body and document_in(request.body, EXPECTED):
        raise invalid(EXPECTED)
    who = request.who
    try:
        require_may_sign_out(who.session)
        if audit.live.world.level < LEVELS[ConsoleSignedOut]:  # a writer of an earlier version may lead
            raise UpgradeUnfinished(UNFINISHED)
    except (AccessRefused, UpgradeUnfinished) as fault:
        await audit.records.refuse(request, LOGOUT, fault)
    assert who.session is not None, "it may sign out"
    await changed(audit, request, LOGOUT, {}, {"access_key": who.access_key, "owner": who.session.of})
    return request.audience.own(request.account, {"access_key_id": who.access_key})


SIGN_OUT = RouteRow(
    "POST",
    "/v1/console/sign-outs",
    "sign_out",
    sign_out,
    "End the console session that signed the request, and the sessions of roles that it switched to",
    tag="console",
    answer=One(
        (Member("access_key_id", "text", "of the session's temporary credentials, which nobody can use any more"),)
    ),
)

ROUTES = (SIGN_OUT,)

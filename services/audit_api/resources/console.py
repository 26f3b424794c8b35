"""Signing in to the console: an access key is exchanged for a console session, at once or by way of a one-time code.

The session is ordinary temporary credentials (domain/state/console_sessions.py), so the console has no door of its own.
"""

from __future__ import annotations

from typing import Any

from domain.authorization.audience import Told
from domain.commands.console_codes import REDEEM, USED
from domain.errors import AccessRefused, CredentialDisabled, CredentialExpired, Refusal
from domain.log.codec import rfc3339
from domain.state.callers import Session
from domain.state.console_sessions import CODE_LASTS, LONGEST, SHORTEST, console_session
from services.audit_api.answer_shapes import One
from services.audit_api.bodies import document_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.request_shape import whole
from services.audit_api.route import ByCode, Parameter, RouteRow
from services.audit_api.schemas import WORD, Member
from services.kms_api import no_answer
from services.kms_api.console_codes import LONGEST_CODE, ConsoleCode, new_code_id
from services.kms_api.errors import WireError
from services.kms_api.live_state import NotFresh
from services.kms_api.provider_sign_ins import SignInProof
from services.operations.rows import Preparation

SESSION, CODE = "CreateConsoleSession", "CreateConsoleCode"
"""Names of operations, as they are on record."""
EXPECTED = 'the body must be {} or {"seconds": 3600}'
ROOT_UNASKED = (
    "These are the root user's credentials, and the root user's console opens only if that is asked for: `keytrail console "
    "--root`. For a user's console, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to an access key of that user."
)
ENDED = frozenset({AccessRefused.kind, CredentialDisabled.kind, CredentialExpired.kind})


def seconds_in(body: dict[str, Any]) -> int:
    """How long the session may last. Raises WireError."""
    seconds = LONGEST if body.get("seconds") is None else whole(body["seconds"])
    if not isinstance(seconds, int) or not SHORTEST <= seconds <= LONGEST:
        raise invalid(f"seconds must be a number from {SHORTEST} to {LONGEST}")
    return seconds


async def _session(audit: AuditContext, request: AuditRequest, operation: str, seconds: int, seen: int) -> Session:
    """The console session that the caller may have now. Raises WireError; a refusal is on record."""
    try:
        audit.live.require_fresh()
    except NotFresh:
        raise no_answer.not_fresh() from None
    try:
        if request.who.via is not None:
            raise AccessRefused("A service principal calls KMS alone: it has no console.")
        who = request.who
        return console_session(request.caller, who.access_key, who.session, audit.clock.now(), seconds, seen)
    except AccessRefused as fault:
        await audit.records.refuse(request, operation, fault)


async def credentials_of(
    audit: AuditContext, request: AuditRequest, operation: str, session: Session
) -> dict[str, Any]:
    """Raises WireError."""
    try:
        made = audit.maker.credentials(session)
    except Refusal as fault:
        await audit.records.refuse(request, operation, fault)
    return {
        "access_key_id": made["AccessKeyId"],
        "secret_access_key": made["SecretAccessKey"],
        "session_token": made["SessionToken"],
        "expires": rfc3339(session.expires),
        "region": audit.settings.region,
        "transparency_log": audit.settings.notaries > 0,
        "first_account": audit.is_host(request),
        **_whose(request),
    }


def _whose(request: AuditRequest) -> dict[str, Any]:
    caller = request.caller
    return {"principal": caller.principal, "account": caller.account, "root": caller.is_root}


async def create_session(audit: AuditContext, request: AuditRequest) -> Told:
    seconds = seconds_in(document_in(request.body, EXPECTED))
    session = await _session(audit, request, SESSION, seconds, audit.live.position)
    answer = await credentials_of(audit, request, SESSION, session)
    await audit.records.carried_out(request, SESSION, {"Seconds": seconds})
    return request.audience.own(request.account, answer)


async def create_code(audit: AuditContext, request: AuditRequest) -> Told:
    seconds, who, seen = seconds_in(document_in(request.body, EXPECTED)), request.who, audit.live.position
    await _session(audit, request, CODE, seconds, seen)
    if request.caller.is_root and document_in(request.body, EXPECTED).get("root") is not True:
        await audit.records.refuse(request, CODE, AccessRefused(ROOT_UNASKED))
    code = ConsoleCode(new_code_id(), who.access_key, who.session, seconds, audit.clock.now() + CODE_LASTS, seen)
    answer = {
        "id": code.id,
        "code": audit.maker.console_code(code),
        "expires": rfc3339(code.expires),
        **_whose(request),
    }
    await audit.records.carried_out(request, CODE, {"CodeId": code.id, "Seconds": seconds})
    return request.audience.own(request.account, answer)


async def code_used(audit: AuditContext, request: AuditRequest) -> Told:
    id = request.place("code")
    found = audit.live.world.recent_calls.codes.get(id)
    return request.audience.own(
        request.account, {"id": id, "used": found is not None and found.account == request.account}
    )


async def redeem(audit: AuditContext, request: AuditRequest, code: ConsoleCode | SignInProof, seconds: int) -> None:
    """Uses up something that opens the console once. Raises WireError."""
    parameters, made = {"CodeId": code.id, "Seconds": seconds}, {"code": code.id, "expires": str(code.expires)}
    await changed(audit, request, REDEEM, parameters, made)


async def changed(
    audit: AuditContext, request: AuditRequest, operation: str, parameters: dict[str, Any], made: Preparation
) -> None:
    """Has the writer decide about a sign-in. Raises WireError."""
    try:
        await audit.records.change(request, operation, parameters, made)
    except WireError as fault:
        if fault.kind in ENDED:
            fault.status = 403
        raise


async def redeem_code(audit: AuditContext, request: AuditRequest) -> Told:
    """The code is used up before there are credentials: a second answer never comes, whatever ends the first."""
    code = request.code
    assert code is not None, "the door opened it"
    if code.id in audit.live.world.recent_calls.codes:  # it costs no command, however often somebody tries
        await audit.records.refuse(request, REDEEM, AccessRefused(USED))
    session = await _session(audit, request, REDEEM, code.seconds, code.seen)
    answer = await credentials_of(audit, request, REDEEM, session)
    await redeem(audit, request, code, code.seconds)
    return request.audience.own(request.account, answer)


SECONDS = Parameter(
    "seconds",
    "how long the session may last; 43200 (12 hours) where left out. It ends with the role's session that it came from, and "
    "the root user's after an hour",
    {"type": "integer", "minimum": SHORTEST, "maximum": LONGEST},
)
WHOSE = (
    Member("principal", "text", "whose session it is"),
    Member("account", "text", "the principal's account"),
    Member("root", "yes-or-no", "whether that is the account's root user"),
)
SIGNED_IN = One(
    (
        Member("access_key_id", "text", "of the console session's temporary credentials"),
        Member("secret_access_key", "text", "shown once"),
        Member("session_token", "text", "to be sent with every request, as x-amz-security-token"),
        Member("expires", "time", "the end of the session, unless its access key or its user ends it before"),
        Member("region", "text", "the region that requests are signed for"),
        Member("transparency_log", "yes-or-no", "whether the installation has one, so that records can be proven"),
        Member("first_account", "yes-or-no", "whether the account is the first one, which hosts the others"),
        *WHOSE,
    )
)
CREATE_SESSION = RouteRow(
    "POST",
    "/v1/console/sessions",
    "create_console_session",
    create_session,
    "Exchange an access key, or a role's temporary credentials, for a console session of the same principal",
    tag="console",
    body=(SECONDS,),
    answer=SIGNED_IN,
)
CREATE_CODE = RouteRow(
    "POST",
    "/v1/console/codes",
    "create_console_code",
    create_code,
    "A code that opens the console once, within 60 seconds",
    tag="console",
    body=(SECONDS, Parameter("root", "true: also for the root user", {"type": "boolean"})),
    answer=One(
        (
            Member("id", "text", "the code's id, which is on record and opens nothing"),
            Member("code", "text", "the code"),
            Member("expires", "time", "when it can no longer be used"),
            *WHOSE,
        )
    ),
)
CODE_USED = RouteRow(
    "GET",
    "/v1/console/codes/{code}",
    "console_code",
    code_used,
    "Whether a code of the account was used in the last ten minutes",
    tag="console",
    answer=One((Member("id", "text", "the code's id"), Member("used", "yes-or-no", "whether it opened the console"))),
)
REDEEM_CODE = RouteRow(
    "POST",
    "/v1/console/codes/redeem",
    "redeem_console_code",
    ByCode(redeem_code),
    "Exchange a code for a console session; the code stands for the signature",
    tag="console",
    body=(Parameter("code", "as it was made", WORD | {"maxLength": LONGEST_CODE}, required=True),),
    answer=SIGNED_IN,
)


ROUTES = (CREATE_SESSION, CREATE_CODE, CODE_USED, REDEEM_CODE)

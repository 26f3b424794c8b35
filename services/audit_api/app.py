"""The audit API under /v1: it answers from the projections, as JSON. Requests are signed like all others; a one-time
code stands for the signature where a browser has no credentials yet.

Lists come as {"items": [...], "next": cursor}; `next` is null at the end. A caller sees only what concerns its own
account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import uuid4

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.authorization.caller import Caller
from domain.authorization.context import request_context
from domain.characters import encodable
from domain.errors import AccessRefused, SignInRefused
from domain.ports import Unavailable
from domain.state.console_sessions import LOGIN, starting_session
from services import signing
from services.adapters.postgres import INTERRUPTED
from services.audit_api.answers import answered, of_fault
from services.audit_api.bodies import document_in, text_in
from services.audit_api.call_records import call_of
from services.audit_api.context import AuditContext
from services.audit_api.faults import denied, invalid
from services.audit_api.openapi import document
from services.audit_api.request import AuditRequest
from services.audit_api.request_shape import require_body, require_query
from services.audit_api.route import ByCode, ByPassword, Endpoint, RouteRow, RouteTag, Unsigned
from services.audit_api.unknown_routes import fixed_length, no_path, other_methods
from services.client_address import is_loopback
from services.kms_api import errors
from services.kms_api.app import Disconnected, read_body, where
from services.kms_api.authentication import Authenticated, Authenticator
from services.kms_api.console_codes import LONGEST_CODE
from services.kms_api.errors import Throttled, WireError
from services.kms_api.live_state import NotFresh
from services.kms_api.sign_ins import PasswordGiven, TooManySignIns, TriedPassword
from services.logs import logger_of
from services.metrics import UNAUTHENTICATED

log = logger_of("audit")

SIGNED_FOR = frozenset({"keytrail", "kms"})
OF_READ_MODELS: frozenset[RouteTag] = frozenset({"keys", "decisions", "past", "alerts"})
"""The routes that ask the read models. The others ask the live state, or say how far each has come."""
NOBODY = Caller("", "", {}, "")
"""Takes the place of the caller if the credential may no longer be used."""
NOT_AUTHENTICATED = "The caller could not be authenticated now; try again."
CODE_EXPECTED = 'the body must be {"code": "..."}, with the code from the address that `keytrail console` opened'
SIGN_IN_EXPECTED = 'the body must be {"account": "...", "user": "...", "password": "..."}'
LONGEST_SIGN_IN = 4096
INCORRECT = "Your authentication information is incorrect. Please try again."
TOO_MANY = "Too many attempts to sign in came from your address. Wait a minute, and try again."
IN_CLEAR = (
    "A password is taken over TLS, or from the machine that Keytrail runs on. Set KEYTRAIL_TLS_CERT and KEYTRAIL_TLS_KEY; or "
    "name your proxy in KEYTRAIL_TRUSTED_PROXIES, and have it send X-Forwarded-Proto: https."
)
WRONG_PASSWORD = "password"  # noqa: S105  # a metric's label
HttpEndpoint = Callable[[Request], Awaitable[Response]]
Authenticating = Callable[[Request, RouteRow, str], Awaitable[AuditRequest]]
"""From a request, its route and its call id to its caller."""


def audit_app(rows: Sequence[RouteRow], context: AuditContext, authenticator: Authenticator) -> Starlette:
    door = _SignedRoutes(context, authenticator)
    routes = [Route(row.path, door.endpoint(row), methods=[row.method]) for row in rows]
    routes = sorted([*routes, *other_methods(rows)], key=lambda route: fixed_length(route.path), reverse=True)
    app = Starlette(routes=routes, exception_handlers={HTTPException: no_path})
    app.state.openapi = orjson.dumps(document(rows))
    app.router.redirect_slashes = False  # a redirect would repeat the Host header, which may name any host
    return app


class _SignedRoutes:
    """Every request goes through these steps: signature or code, shape, permission, endpoint. A refusal is recorded
    before it is answered."""

    def __init__(self, context: AuditContext, authenticator: Authenticator) -> None:
        self._context = context
        self._authenticator = authenticator

    def endpoint(self, row: RouteRow) -> HttpEndpoint:
        match row.endpoint:
            case Unsigned(answer):
                return answer
            case ByCode(endpoint):
                return self._proven(endpoint, row, self._by_code)
            case ByPassword(endpoint):
                return self._proven(endpoint, row, self._by_password)
            case endpoint:
                return self._proven(endpoint, row, self._authenticated)

    def _proven(self, endpoint: Endpoint, row: RouteRow, authenticated: Authenticating) -> HttpEndpoint:
        context, records = self._context, self._context.records

        async def answer(http: Request) -> Response:
            call, request = str(uuid4()), None
            try:
                request = await authenticated(http, row, call)
                request.require_no_nul()
                require_query(row, http.query_params.multi_items())
                require_body(row, request.body)
                for action in row.actions:
                    request = await context.permissions.authorized(request, action)
                if row.tag in OF_READ_MODELS:
                    await context.own_writes.read()
                return await answered(await endpoint(context, request), request, context.permissions)
            except AccessRefused as fault:
                return of_fault(await records.on_record(request, denied(fault.message)), call)
            except WireError as fault:
                return of_fault(await records.on_record(request, fault), call)
            except Disconnected:
                return Response(status_code=400)
            except asyncpg.DataError:  # before INTERRUPTED, which includes it: the database does answer
                return of_fault(await records.on_record(request, invalid("a value is out of range")), call)
            except INTERRUPTED as fault:
                log.error("the projections cannot be asked", call=call, fault=type(fault).__name__)
                return of_fault(errors.not_now("The projections cannot be asked now; try again."), call)
            except Exception as fault:  # noqa: BLE001  # the last line, as in kms_api/app.py
                log.error("audit call failed", call=call, fault=type(fault).__name__, where=where(fault))
                return of_fault(await records.failure(request), call)

        return answer

    async def _authenticated(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
        """Raises WireError, Disconnected."""
        scope = http.scope
        body = await read_body(http.receive)
        signed = signing.Signed(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            signing.joined(scope["headers"]),
            body,
        )
        try:
            who = await self._authenticator.authenticate(signed, SIGNED_FOR)
        except signing.SignatureRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise WireError(403, errors.from_signature(fault).code, fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return await self._known(http, row, call, body, who)

    async def _by_code(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
        """A guess costs its sender's share of the door and one failed opening, and leaves no record. Raises WireError,
        Disconnected."""
        body = await read_body(http.receive)
        text = document_in(body, CODE_EXPECTED).get("code") if len(body) <= LONGEST_CODE + 1024 else None
        if not isinstance(text, str):
            raise invalid(CODE_EXPECTED)
        try:
            who, code = await self._authenticator.authenticate_code(text)
        except signing.SignatureRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise denied(fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return replace(await self._known(http, row, call, body, who), code=code)

    async def _by_password(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
        """What a guess costs, and what it tells, is in services/kms_api/sign_ins.py. Raises WireError, Disconnected."""
        given, body = await self._given_password(http, row)
        try:
            tried = await self._context.sign_ins.tried(given)
        except TooManySignIns as many:
            if many.meant.account:
                claimed = self._claimed(http, row, call, many.meant)
                await self._context.refused_attempts.refused(call_of(claimed, {}, LOGIN), Throttled(TOO_MANY))
            raise WireError(400, "ThrottlingException", TOO_MANY, recorded=True) from None
        except Throttled as fault:
            raise WireError(400, "ThrottlingException", fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
        if not tried.is_right:
            UNAUTHENTICATED.labels(WRONG_PASSWORD).inc()
            if not tried.account:
                raise denied(INCORRECT)
            await self._context.records.refuse(self._claimed(http, row, call, tried), LOGIN, SignInRefused(INCORRECT))
        session = starting_session(tried.right_user, self._context.clock.now(), tried.seen)
        try:
            who = await self._authenticator.authenticate_session(session)
        except NotFresh:
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return replace(await self._known(http, row, call, body, who), password=tried)

    async def _given_password(self, http: Request, row: RouteRow) -> tuple[PasswordGiven, bytes]:
        """Raises WireError, Disconnected."""
        address = http.client.host if http.client else ""
        if http.url.scheme != "https" and not is_loopback(address):
            raise WireError(403, "AccessDeniedException", IN_CLEAR)
        body = await read_body(http.receive)
        if len(body) > LONGEST_SIGN_IN:
            raise invalid(SIGN_IN_EXPECTED)
        require_body(row, body)
        document = document_in(body, SIGN_IN_EXPECTED)
        account, user, password = (
            text_in(document, name, SIGN_IN_EXPECTED) for name in ("account", "user", "password")
        )
        if not (account and user and password) or encodable(document) != document:
            raise invalid(SIGN_IN_EXPECTED)
        return PasswordGiven(account, user, password, address), body

    @staticmethod
    def _claimed(http: Request, row: RouteRow, call: str, tried: TriedPassword) -> AuditRequest:
        """The request as one of somebody who did not prove to be the user."""
        who = Authenticated(tried.account, tried.principal, "", None, None, None)
        return AuditRequest(http, NOBODY, who, b"", row.name, row.action, call)

    async def _known(self, http: Request, row: RouteRow, call: str, body: bytes, who: Authenticated) -> AuditRequest:
        """Raises WireError if the credential may no longer be used."""
        if who.caller is None:
            assert who.refusal is not None, "a credential without a caller was refused"
            nobodys = AuditRequest(http, NOBODY, who, body, row.name, row.action, call)
            await self._context.records.refuse_credential(nobodys, who.refusal)
        http.state.recognise()  # tells the protocol that this connection is no stranger's
        caller = who.caller.asking(request_context(self._context.permissions.origin(http), "", {}), {})
        return AuditRequest(http, caller, who, body, row.name, row.action, call)

"""How a caller proves who asks: by a signature, or where a browser has no credentials yet, by something in the body."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request

from domain.authorization.caller import Caller
from domain.authorization.context import request_context
from domain.characters import encodable, without_nul
from domain.errors import AccessRefused, SignInRefused
from domain.ports import Unavailable
from domain.state.console_sessions import LOGIN, starting_session
from services import signing
from services.audit_api.bodies import document_in, text_in
from services.audit_api.call_records import call_of
from services.audit_api.context import AuditContext
from services.audit_api.faults import denied, invalid
from services.audit_api.request import AuditRequest
from services.audit_api.request_shape import require_body
from services.audit_api.route import RouteRow
from services.client_address import is_loopback
from services.kms_api import errors
from services.kms_api.app import read_body
from services.kms_api.authentication import Authenticated, Authenticator
from services.kms_api.console_codes import LONGEST_CODE
from services.kms_api.errors import Throttled, WireError
from services.kms_api.live_state import NotFresh
from services.kms_api.provider_sign_ins import LONGEST_PROOF, GivenCode
from services.kms_api.sign_ins import PasswordGiven, TooManySignIns, TriedPassword
from services.kms_api.web_identity import TokenRefused
from services.metrics import UNAUTHENTICATED

SIGNED_FOR = frozenset({"keytrail", "kms"})
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
PROVIDER_CODE, PROVIDER_LOGIN = "ExchangeProviderCode", "ConsoleLoginWithProvider"
"""Names of operations, as they are on record."""
CODE_MEMBERS = ("provider", "code", "code_verifier", "nonce", "redirect_uri")
CODE_OF_PROVIDER = f"the body must be an object with the texts {', '.join(CODE_MEMBERS)}"
PROOF_EXPECTED = 'the body must be {"proof": "...", "role": "..."}'


class Doors:
    def __init__(self, context: AuditContext, authenticator: Authenticator) -> None:
        self._context = context
        self._authenticator = authenticator

    async def signed(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
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
            who = self._authenticator.without_services(await self._authenticator.authenticate(signed, SIGNED_FOR))
        except signing.SignatureRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise WireError(403, errors.from_signature(fault).code, fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return await self._known(http, row, call, body, who)

    async def by_code(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
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

    async def by_password(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
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
        body, texts = await _texts(http, row, ("account", "user", "password"), SIGN_IN_EXPECTED, LONGEST_SIGN_IN)
        account, user, password = texts
        return PasswordGiven(account, user, password, _address(http)), body

    async def by_provider_code(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
        """A code costs a question to the provider, so an address has few attempts. Raises WireError, Disconnected."""
        body, texts = await _texts(http, row, CODE_MEMBERS, CODE_OF_PROVIDER, LONGEST_SIGN_IN)
        try:
            await self._context.sign_ins.take_from(_address(http))
            proof = await self._context.provider_sign_ins.exchanged(GivenCode(*texts))
            await self._context.sign_ins.give_back_to(_address(http))
            who = await self._authenticator.authenticate_session(proof.session)
        except TooManySignIns:
            raise WireError(400, "ThrottlingException", TOO_MANY, recorded=True) from None
        except TokenRefused as refused:
            UNAUTHENTICATED.labels(refused.fault.kind).inc()
            if refused.provider is not None:
                meant = refused.provider
                whose = Authenticated(meant.account, meant.arn, "", None, None, None)
                claimed = AuditRequest(http, NOBODY, whose, b"", row.name, row.action, call)
                await self._context.refused_attempts.refused(call_of(claimed, {}, PROVIDER_CODE), refused.fault)
            raise denied(refused.fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return replace(await self._known(http, row, call, body, who), proof=proof)

    async def by_provider_proof(self, http: Request, row: RouteRow, call: str) -> AuditRequest:
        """A guess costs one failed opening of a seal. Raises WireError, Disconnected."""
        body, texts = await _texts(http, row, ("proof", "role"), PROOF_EXPECTED, LONGEST_PROOF + 4096)
        try:
            proof = self._context.provider_sign_ins.opened(texts[0])
            who = await self._authenticator.authenticate_session(proof.session)
        except AccessRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise denied(fault.message) from None
        except NotFresh:
            raise errors.not_now(NOT_AUTHENTICATED) from None
        return replace(await self._known(http, row, call, body, who), proof=proof)

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


def _address(http: Request) -> str:
    return http.client.host if http.client else ""


async def _texts(
    http: Request, row: RouteRow, names: tuple[str, ...], expected: str, longest: int
) -> tuple[bytes, list[str]]:
    """(the body, the texts that stand for a signature). Raises WireError, Disconnected."""
    if http.url.scheme != "https" and not is_loopback(_address(http)):
        raise WireError(403, "AccessDeniedException", IN_CLEAR)
    body = await read_body(http.receive)
    if len(body) > longest:
        raise invalid(expected)
    require_body(row, body)
    document = document_in(body, expected)
    texts = [text_in(document, name, expected) for name in names]
    # The whole document, before a secret is compared: what is refused later tells that the secret was right.
    if not all(texts) or without_nul(encodable(document)) != document:
        raise invalid(expected)
    return body, texts

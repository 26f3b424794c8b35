"""Signing in with an OpenID Connect provider: its code becomes a proof, and that a console session of a role.

The role is the one that the settings name, or the user's choice among the roles whose trust policy admits the token.

Source: STS API reference, AssumeRoleWithWebIdentity: the session is what that operation gives.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from domain.arn import session_arn
from domain.authorization.audience import Told
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import role_at, with_web_identity
from domain.durations import SECOND_MICROS
from domain.errors import AccessRefused, CredentialDisabled, CredentialExpired
from domain.identities.identity import ROLE, Identity
from domain.log.codec import rfc3339
from domain.policy.variables import Context
from domain.state.callers import Session, SignedIn, caller_of
from services.audit_api.answer_shapes import One, Page
from services.audit_api.answers import in_json
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.doors import PROOF_EXPECTED, PROVIDER_CODE, PROVIDER_LOGIN
from services.audit_api.request import AuditRequest
from services.audit_api.resources.console import SECONDS, SIGNED_IN, credentials_of, redeem, seconds_in
from services.audit_api.resources.sign_in import part_of
from services.audit_api.route import ByProviderCode, ByProviderProof, Parameter, RouteRow, Unsigned
from services.audit_api.schemas import WORD, Member
from services.kms_api import no_answer
from services.kms_api.live_state import NotFresh
from services.kms_api.provider_sign_ins import LONGEST_PROOF, SignInProof
from services.rendering import only_page

USED = "This sign-in was used already. Sign in again."
OTHER_ROLE = "The sign-in page's settings name another role for this provider."
MOST_ROLES = 100
AT_ONCE = 200
"""The roles that are asked before other calls have their turn."""
SHORTEST_SESSION_NAME, LONGEST_SESSION_NAME = 2, 64
_NOT_IN_NAMES = re.compile(r"[^\w+=,.@-]", re.ASCII)


async def offered(http: Request) -> Response:
    """Answers everyone: these are the buttons of the sign-in page."""
    items = await http.app.state.provider_sign_ins.offered()
    return in_json(200, only_page(items), str(uuid4()))


async def exchange(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    proof = _proof(request)
    await _settled(audit)
    roles = await _roles(audit, request, proof)
    request = await _still(audit, request, proof)
    await audit.records.carried_out(request, PROVIDER_CODE, {"Subject": proof.session.name})
    answer = {
        "proof": audit.provider_sign_ins.sealed(proof),
        "subject": proof.session.name,
        "account": request.account,
        "roles": [{"arn": each.arn, "name": each.name} for each in roles],
        "expires": rfc3339(proof.expires),
    }
    return request.audience.own(request.account, answer)


async def sign_in(audit: AuditContext, request: AuditRequest) -> Told:
    """The proof is used up before there are credentials. Raises WireError; a refusal is on record."""
    proof, body = _proof(request), document_in(request.body, PROOF_EXPECTED)
    arn, seconds = text_in(body, "role", PROOF_EXPECTED), seconds_in(body)
    await _settled(audit)
    if proof.role not in ("", arn):
        await audit.records.refuse(request, PROVIDER_LOGIN, AccessRefused(OTHER_ROLE))
    request, verdict, role = await _may_assume(audit, request, proof, arn)
    if proof.id in audit.live.world.recent_calls.codes:  # it costs no command, however often somebody tries
        await audit.records.refuse(request, PROVIDER_LOGIN, AccessRefused(USED))
    session = _session(audit, proof, role, seconds)
    answer = await credentials_of(audit, request, PROVIDER_LOGIN, session)
    await redeem(audit, part_of(request), proof, seconds)
    request, verdict, _ = await _may_assume(audit, request, proof, arn)  # it may have changed meanwhile
    await audit.records.carried_out(request, PROVIDER_LOGIN, {"RoleArn": arn, "Seconds": seconds}, verdict)
    shown = {**answer, "principal": session.arn, "account": session.account, "root": False}
    return request.audience.own(request.account, shown)


async def _may_assume(
    audit: AuditContext, request: AuditRequest, proof: SignInProof, arn: str
) -> tuple[AuditRequest, Verdict, Identity]:
    """The request, the verdict and the role by the present directory. Raises WireError; a refusal is on record."""
    request = await _still(audit, request, proof)
    verdict = with_web_identity(request.caller, arn, audit.live.world, _named(proof.session))
    role = role_at(arn, audit.live.world)
    if not verdict.allowed or role is None:
        await audit.records.refuse_access(request, verdict.action, verdict)
    return request, verdict, role


async def _still(audit: AuditContext, request: AuditRequest, proof: SignInProof) -> AuditRequest:
    """The request of the token's sender by the present directory. Raises WireError if the provider was deleted meanwhile."""
    try:
        caller = caller_of(audit.live.world, "", proof.session, audit.clock.now())
    except (CredentialDisabled, CredentialExpired) as fault:
        await audit.records.refuse_credential(request, fault)
    caller = caller.asking(request.caller.request, {})
    return replace(request, caller=caller, who=replace(request.who, caller=caller))


def _proof(request: AuditRequest) -> SignInProof:
    assert request.proof is not None, "the door opened it"
    return request.proof


async def _settled(audit: AuditContext) -> None:
    """Another worker may have made the role a moment ago. Raises WireError."""
    try:
        await audit.live.barrier()
    except NotFresh:
        raise no_answer.not_fresh() from None


async def _roles(audit: AuditContext, request: AuditRequest, proof: SignInProof) -> list[Identity]:
    """The roles that the token's sender may assume, by name; of many, the first hundred."""
    world, found, named = audit.live.world, list[Identity](), _named(proof.session)
    names = (
        [proof.role.rpartition("/")[2]] if proof.role else list(world.directory.listed.get((ROLE, request.account), ()))
    )
    for place, name in enumerate(names):
        if place % AT_ONCE == 0:
            await asyncio.sleep(0)
        role = world.directory.find(ROLE, request.account, name)
        if role is None or proof.role not in ("", role.arn):
            continue
        if with_web_identity(request.caller, role.arn, world, named).allowed:
            found.append(role)
        if len(found) == MOST_ROLES:
            break
    return found


def _session_name(sender: Session) -> str:
    """The token's e-mail address or its subject. Where that is not a session's name as it stands, the name ends in its digest,
    so that records tell people apart whose names differ in such a character or in a late one."""
    emails = [values[0] for key, values in sender.federated.items() if key.endswith(":email")]
    who = (emails or [sender.name])[0]
    name = _NOT_IN_NAMES.sub("-", who)[:LONGEST_SESSION_NAME]
    if name == who and len(name) >= SHORTEST_SESSION_NAME:
        return name
    digest = sha256(who.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_SESSION_NAME - len(digest) - 1]}-{digest}"


def _named(sender: Session) -> Context:
    return {"sts:rolesessionname": (_session_name(sender),)}


def _session(audit: AuditContext, proof: SignInProof, role: Identity, seconds: int) -> Session:
    """A session of the role for the console."""
    assert role.role is not None, "a role has its parts"
    now, sender = audit.clock.now(), proof.session
    name = _session_name(sender)
    arn = session_arn(role.account, role.name, name)
    return Session(
        of=role.id,
        arn=arn,
        account=role.account,
        name=name,
        issued=now,
        expires=now + min(seconds, role.role.max_session) * SECOND_MICROS,
        federated=sender.federated,
        console=SignedIn("", arn, audit.live.position),
    )


_PROVIDER: Any = WORD | {"maxLength": 128}
_LONG: Any = WORD | {"maxLength": 2048}
OFFERED = RouteRow(
    "GET",
    "/v1/console/providers",
    "sign_in_providers",
    Unsigned(offered),
    "The OpenID Connect providers that the sign-in page offers",
    tag="console",
    answer=Page(
        (
            Member("name", "text", "the text of its button"),
            Member("issuer", "text", "its URL"),
            Member("client_id", "text", "as the provider knows this console"),
            Member("scope", "text", "to be asked for"),
            Member(
                "authorization_endpoint", "text?", "where the browser goes; null while the provider does not answer"
            ),
        )
    ),
)
EXCHANGE = RouteRow(
    "POST",
    "/v1/console/provider-codes",
    "exchange_provider_code",
    ByProviderCode(exchange),
    "Exchange an authorization code of an OpenID Connect provider for a proof of who signed in",
    tag="console",
    body=(
        Parameter("provider", "its name, as the list of providers has it", _PROVIDER, required=True),
        Parameter("code", "as the provider gave it", _LONG, required=True),
        Parameter("code_verifier", "whose SHA-256 was the code_challenge (RFC 7636)", _LONG, required=True),
        Parameter("nonce", "as the browser sent it to the provider", _LONG, required=True),
        Parameter("redirect_uri", "as the browser sent it to the provider", _LONG, required=True),
    ),
    answer=One(
        (
            Member("proof", "text", "to be sent with the chosen role, once, within five minutes"),
            Member("subject", "text", "who signed in, as the provider names them"),
            Member("account", "text", "the account of the roles"),
            Member("roles", "objects", "`arn` and `name` of each role that may be chosen, a hundred at most"),
            Member("expires", "time", "when the proof can no longer be used"),
        )
    ),
)
SIGN_IN_WITH_PROVIDER = RouteRow(
    "POST",
    "/v1/console/provider-sign-ins",
    "sign_in_with_provider",
    ByProviderProof(sign_in),
    "Exchange such a proof for a console session of a role",
    tag="console",
    body=(
        Parameter("proof", "as it was made", WORD | {"maxLength": LONGEST_PROOF}, required=True),
        Parameter("role", "the role's ARN", _LONG, required=True),
        SECONDS,
    ),
    answer=SIGNED_IN,
)

ROUTES = (OFFERED, EXCHANGE, SIGN_IN_WITH_PROVIDER)

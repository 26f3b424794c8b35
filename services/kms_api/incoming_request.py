"""An authenticated request; the call for its record, and the request for the operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from domain.authorization.context import RequestOrigin, Via, encryption_context, request_context
from domain.errors import Refusal
from domain.log.record import Call
from domain.policy.variables import Context
from domain.state.callers import caller_of
from domain.state.world import World
from services.kms_api.authentication import Authenticated
from services.operations.rows import Request

PROVEN: Context = {"aws:multifactorauthpresent": ("true",), "aws:multifactorauthage": ("0",)}


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Incoming:
    """An authenticated request, before its shape is checked. `at` is microseconds since the epoch."""

    id: str
    who: Authenticated
    service: str
    operation: str
    body: bytes
    source: str
    agent: str
    invocation: str
    secure: bool
    at: int
    fields: Mapping[str, str] | None = None
    """The form, for a request of the Query protocol."""
    unreadable: Refusal | None = None
    """Why the form cannot be read, if it cannot."""


def call_of(incoming: Incoming, parameters: dict[str, Any]) -> Call:
    """The call in the form of a record; `parameters` have no secrets."""
    who = incoming.who
    return Call(
        id=incoming.id,
        access_key=who.access_key,
        principal=who.principal,
        account=who.account,
        source=incoming.source,
        agent=incoming.agent,
        operation=incoming.operation,
        parameters=parameters,
        invocation=_invocation(incoming),
        session=who.document,
        secure=incoming.secure,
        via=None if who.via is None else asdict(who.via),
    )


def _invocation(incoming: Incoming) -> str:
    """A digest that all retries of one call share; "" if the client sends no invocation id."""
    if not incoming.invocation:
        return ""
    digest = sha256(incoming.body)
    for part in (incoming.who.access_key, incoming.who.principal, incoming.operation, incoming.invocation):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()


def request_of(incoming: Incoming, parameters: dict[str, Any], region: str, org: str) -> Request:
    who, operation = incoming.who, incoming.operation
    assert who.caller is not None, "a refused credential was refused before"
    origin = RequestOrigin(incoming.source, incoming.agent, incoming.secure, incoming.at, region, org, who.via)
    context = request_context(origin, operation, parameters)
    caller = who.caller.asking(context, encryption_context(operation, parameters))
    return Request(operation, parameters, caller, incoming.at, who.session, access_key=who.access_key)


def renewed(request: Request, call: Call, world: World) -> Request:
    """The same request with the caller's present policies: they may have changed since it was authenticated.

    Raises CredentialDisabled, CredentialExpired.

    """
    via = None if call.via is None else Via(**call.via)
    caller = caller_of(world, call.access_key, request.session, request.at, via)
    asking = caller.asking(request.caller.request, request.caller.encryption_context)
    found = Request(
        request.operation, request.parameters, asking, request.at, request.session, access_key=request.access_key
    )
    return proven(found) if request.mfa else found


def proven(request: Request) -> Request:
    """The same request, which came with a right code of one of the caller's MFA devices."""
    return replace(request, caller=request.caller.knowing(PROVEN), mfa=True)

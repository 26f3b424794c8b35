"""A request that is authenticated and not looked at yet, and the call that its record will hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from domain.errors import Refusal
from domain.log.record import Call
from services.kms_api.authentication import Authenticated


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
    """The form of a request of the Query protocol."""
    unreadable: Refusal | None = None
    """Why the form cannot be read, where it cannot."""


def call_of(incoming: Incoming, parameters: dict[str, Any]) -> Call:
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
    """What a client's retries of one call have in common; "" for a client that does not say."""
    if not incoming.invocation:
        return ""
    digest = sha256(incoming.body)
    for part in (incoming.who.access_key, incoming.who.principal, incoming.operation, incoming.invocation):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()

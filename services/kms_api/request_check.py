"""The checks of an authenticated request that need no state: its credential, its shape, and what its session may call."""

from __future__ import annotations

from typing import Any

import orjson

from domain.errors import AccessRefused, UnsupportedOperation
from domain.identities.identity import PREFIXES, ROLE
from services.kms_api import errors, query, shapes
from services.kms_api.bounds import SMALL, parsed, require_bounded
from services.kms_api.incoming_request import Incoming
from services.operations.rows import OperationRow
from services.operations.table import SERVICES

WITHOUT_MFA = frozenset({"AssumeRole", "GetCallerIdentity"})
"""The STS operations that credentials of GetSessionToken may call. Unless a code of an MFA device was shown for them, they
may call no IAM operation (API reference, GetSessionToken)."""


def check_request(incoming: Incoming) -> tuple[OperationRow, dict[str, Any], dict[str, Any]]:
    """(the operation's row, the parameters by the model's shape, the part of them that a record may hold).

    Raises the refusals of the door; their records hold no parameters.

    """
    if incoming.who.refusal is not None:
        raise incoming.who.refusal
    if incoming.unreadable is not None:
        raise incoming.unreadable
    service, operation = incoming.service, incoming.operation
    if incoming.fields is not None:
        query.require_operation(service, operation, incoming.fields.get("Version", ""))
    if operation not in shapes.operation_names(service):
        raise errors.UnknownOperation(f"There is no operation {operation[:64]!r}.")
    parameters, secret = _parameters(incoming)
    row = SERVICES[service].get(operation)
    if row is None:
        raise UnsupportedOperation(f"{operation} is not supported by this version of Keytrail.")
    _require_session_may_call(incoming)
    return row, parameters, shapes.logged(parameters, secret)


def _parameters(incoming: Incoming) -> tuple[dict[str, Any], shapes.Secrets]:
    """The parameters by the model's shape, and which of them are secret. Raises InvalidShape, WrongType."""
    service, operation, body = incoming.service, incoming.operation, incoming.body
    compiled = shapes.compiled(service, operation)
    try:
        if incoming.fields is not None:
            document = query.parameters(shapes.service_model(service).operation_model(operation), incoming.fields)
        else:
            document = parsed(body or b"{}")
        parameters = compiled.check(document)
        if len(body) > SMALL:
            require_bounded(parameters)
    except shapes.Invalid as fault:
        raise errors.InvalidShape(str(fault)) from None
    except (shapes.WrongJsonType, orjson.JSONDecodeError) as fault:
        raise errors.WrongType("" if isinstance(fault, orjson.JSONDecodeError) else str(fault)) from None
    return parameters, compiled.secret


def _require_session_may_call(incoming: Incoming) -> None:
    """Raises AccessRefused for an operation that credentials of GetSessionToken may not call."""
    session = incoming.who.session
    if session is None or incoming.service == "kms" or session.of.startswith(PREFIXES[ROLE]):
        return
    if session.console is not None or session.mfa or session.of.startswith("arn:"):  # the last: a provider's token
        return
    if incoming.service == "iam" or incoming.operation not in WITHOUT_MFA:
        raise AccessRefused(f"{incoming.operation} cannot be called with credentials of GetSessionToken without MFA.")

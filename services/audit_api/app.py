"""The audit API under /v1: it answers from the projections, as JSON. Requests are signed like all others; a one-time
code stands for the signature where a browser has no credentials yet.

Lists come as {"items": [...], "next": cursor}; `next` is null at the end. A caller sees only what concerns its own
account.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import AccessRefused
from services.adapters.postgres import INTERRUPTED
from services.audit_api.answers import answered, of_fault
from services.audit_api.context import AuditContext
from services.audit_api.doors import Doors
from services.audit_api.faults import denied, invalid
from services.audit_api.openapi import document
from services.audit_api.request import AuditRequest
from services.audit_api.request_shape import require_body, require_query
from services.audit_api.route import (
    ByCode,
    ByPassword,
    ByProviderCode,
    ByProviderProof,
    Endpoint,
    RouteRow,
    RouteTag,
    Unsigned,
)
from services.audit_api.unknown_routes import fixed_length, no_path, other_methods
from services.kms_api import errors
from services.kms_api.app import Disconnected, where
from services.kms_api.authentication import Authenticator
from services.kms_api.errors import WireError
from services.logs import logger_of
from services.traces.spans import route_attributes
from services.traces.tracer import TRACES

log = logger_of("audit")

OF_READ_MODELS: frozenset[RouteTag] = frozenset({"keys", "decisions", "past", "alerts"})
"""The routes that ask the read models. The others ask the live state, or say how far each has come."""
HttpEndpoint = Callable[[Request], Awaitable[Response]]
Authenticating = Callable[[Request, RouteRow, str], Awaitable[AuditRequest]]
"""From a request, its route and its call id to its caller."""


def audit_app(rows: Sequence[RouteRow], context: AuditContext, authenticator: Authenticator) -> Starlette:
    door = _SignedRoutes(context, authenticator)
    routes = [Route(row.path, door.endpoint(row), methods=[row.method]) for row in rows]
    routes = sorted([*routes, *other_methods(rows)], key=lambda route: fixed_length(route.path), reverse=True)
    app = Starlette(routes=routes, exception_handlers={HTTPException: no_path})
    app.state.openapi = orjson.dumps(document(rows))
    app.state.provider_sign_ins = context.provider_sign_ins
    app.router.redirect_slashes = False  # a redirect would repeat the Host header, which may name any host
    return app


class _SignedRoutes:
    """Every request goes through these steps: signature or code, shape, permission, endpoint. A refusal is recorded
    before it is answered."""

    def __init__(self, context: AuditContext, authenticator: Authenticator) -> None:
        self._context = context
        self._doors = Doors(context, authenticator)

    def endpoint(self, row: RouteRow) -> HttpEndpoint:
        match row.endpoint:
            case Unsigned(answer):
                return answer
            case ByCode(endpoint):
                return self._proven(endpoint, row, self._doors.by_code)
            case ByPassword(endpoint):
                return self._proven(endpoint, row, self._doors.by_password)
            case ByProviderCode(endpoint):
                return self._proven(endpoint, row, self._doors.by_provider_code)
            case ByProviderProof(endpoint):
                return self._proven(endpoint, row, self._doors.by_provider_proof)
            case endpoint:
                return self._proven(endpoint, row, self._doors.signed)

    def _proven(self, endpoint: Endpoint, row: RouteRow, authenticated: Authenticating) -> HttpEndpoint:
        context, records = self._context, self._context.records

        async def answer(http: Request, call: str) -> Response:
            request = None
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

        async def traced(http: Request) -> Response:
            call, tracer, began = str(uuid4()), TRACES.tracer, time.perf_counter()
            if tracer is not None:
                tracer.begin(call)
            try:
                response = await answer(http, call)
            except BaseException:
                if tracer is not None:
                    tracer.ended(call)
                raise
            if tracer is not None and tracer.ended(call) is not None:
                said = route_attributes(row.method, row.path, response.status_code)
                failed = response.status_code >= 500
                tracer.answered(call, row.operation_id, time.perf_counter() - began, said, failed=failed)
            return response

        return traced

"""How the audit API sends an answer: as one JSON document, as one object a line while a long question runs, as events, or as a
file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, assert_never

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.authorization.audience import Told
from services.adapters.postgres import INTERRUPTED
from services.audit_api.event_stream import Live
from services.audit_api.paced_response import BrokenOff, PacedResponse
from services.audit_api.permissions import RoutePermissions
from services.audit_api.request import AuditRequest
from services.audit_api.written_file import WrittenFile, written
from services.kms_api import errors
from services.kms_api.app import where
from services.kms_api.errors import WireError
from services.logs import logger_of

log = logger_of("audit")

RouteAnswer = Told | Live | WrittenFile | AsyncGenerator[Told, None]
"""An endpoint returns one of these: one document, events as they happen, a file, or one document a line."""
ASK_AGAIN_EVERY = 1.0
"""Seconds after which the permission for a long answer is checked again."""
TURN = 0.001
"""Seconds after which a long answer lets calls use the event loop."""
ACCOUNT = "x-keytrail-account"
"""The header with the account of the answer. A client that reads it leaves this account's number out of names."""


def in_json(status: int, content: Any, call: str) -> Response:
    headers = {"x-amzn-requestid": call, "cache-control": "no-store"}
    return Response(orjson.dumps(content), status, headers, "application/json")


def of_fault(fault: WireError, call: str) -> Response:
    return in_json(fault.status, {"error": {"code": fault.code, "message": fault.message}}, call)


class LiveResponse(StreamingResponse):
    """An iterator that was never asked for its first event has no end of its own: the client may leave before."""

    def __init__(self, live: Live) -> None:
        super().__init__(live.bytes(), 200, live.HEADERS, live.TYPE)
        self._end = live.end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


async def answered(found: RouteAnswer, request: AuditRequest, permissions: RoutePermissions) -> Response:
    """The response. Only what an Audience told is sent here."""
    match found:
        case Told(value):
            answer = in_json(200, value, request.id)
            answer.headers[ACCOUNT] = request.caller.account
            return answer
        case Live():
            return LiveResponse(found)
        case WrittenFile():
            return await in_file(found, request, permissions)
        case AsyncGenerator():
            return await in_lines(found, request, permissions)
        case _:
            assert_never(found)


async def in_lines(found: AsyncGenerator[Told, None], request: AuditRequest, permissions: RoutePermissions) -> Response:
    """One JSON object a line, each as soon as it is found. A failure before the first line is an ordinary error
    response. A later failure ends the lines with an `error`; so does the loss of the permission."""
    first = _line(await anext(found))

    async def rest() -> AsyncGenerator[bytes, None]:
        turned_at = time.perf_counter()
        try:
            async with aclosing(found):  # also when the client disconnects
                yield first
                async for each in _while_permitted(found, request, permissions):
                    yield _line(each)
                    if time.perf_counter() - turned_at >= TURN:
                        await asyncio.sleep(0)
                        turned_at = time.perf_counter()
        except Exception as fault:  # noqa: BLE001  # the last line, as in kms_api/app.py
            yield _last_line(await _told(fault, request, permissions))

    headers = {"x-amzn-requestid": request.id, "cache-control": "no-store", ACCOUNT: request.caller.account}
    return PacedResponse(rest(), headers, "application/x-ndjson")


async def in_file(found: WrittenFile, request: AuditRequest, permissions: RoutePermissions) -> Response:
    """A file, sent while it is written. A failure before its first page is an ordinary error response."""
    first = await anext(found.pages)

    async def pages() -> AsyncGenerator[Told, None]:
        yield first
        async for each in _while_permitted(found.pages, request, permissions):
            yield each

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(found.pages), written(found, pages()) as file:
                async for piece in file:
                    yield piece
        except Exception as fault:  # noqa: BLE001  # the last line, as in kms_api/app.py
            await _told(fault, request, permissions)
            raise BrokenOff from None

    headers = {"x-amzn-requestid": request.id, "cache-control": "no-store", ACCOUNT: request.caller.account}
    return PacedResponse(pieces(), headers | found.headers, found.media)


async def _while_permitted(
    found: AsyncIterator[Told], request: AuditRequest, permissions: RoutePermissions
) -> AsyncGenerator[Told, None]:
    """The parts of a long answer, as long as the caller may ask for it. Raises WireError."""
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    async for each in found:
        if loop.time() - asked_at >= ASK_AGAIN_EVERY:
            request, asked_at = await permissions.still_may(request), loop.time()
        yield each


async def _told(fault: Exception, request: AuditRequest, permissions: RoutePermissions) -> WireError:
    """What a caller learns of a failure in the middle of an answer, once it is on record or on the server's log."""
    match fault:
        case WireError():
            return await permissions.records.on_record(request, fault)
        case _ if isinstance(fault, INTERRUPTED):
            log.error("a question was broken off", call=request.id, fault=type(fault).__name__)
            return errors.not_now("The projections can no longer be asked; try again.")
        case _:
            log.error("an answer failed", call=request.id, fault=type(fault).__name__, where=where(fault))
            return await permissions.records.failure(request)


def _line(told: Told) -> bytes:
    if not isinstance(told, Told):
        raise TypeError(f"a {type(told).__name__} was told by nobody")
    return orjson.dumps(told.value) + b"\n"


def _last_line(fault: WireError) -> bytes:
    return orjson.dumps({"error": {"code": fault.code, "message": fault.message}}) + b"\n"

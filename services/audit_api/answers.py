"""How an answer of the audit API leaves: one JSON document, or one a line while a long question goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol, assert_never

import orjson
from starlette.responses import Response, StreamingResponse

from domain.authorization.audience import Told
from services.adapters.postgres import INTERRUPTED
from services.audit_api.asked import Asked
from services.audit_api.live import Live
from services.kms_api import errors
from services.kms_api.app import where
from services.kms_api.errors import WireError
from services.logs import logger_of

log = logger_of("audit")

ASK_AGAIN_EVERY = 1.0
"""Seconds after which a long answer asks for its permission again."""
TURN = 0.001
"""Seconds after which it lets calls have the loop."""


ACCOUNT = "x-keytrail-account"
"""The header that says whose answer it is: whoever reads it leaves this account's number out of names."""


class Permissions(Protocol):
    """What an answer that goes on asks of the audit API."""

    async def still_may(self, asked: Asked) -> Asked: ...

    async def on_record(self, asked: Asked | None, fault: WireError) -> WireError: ...

    async def failure(self, asked: Asked | None) -> WireError: ...


def in_json(status: int, content: Any, call: str) -> Response:
    headers = {"x-amzn-requestid": call, "cache-control": "no-store"}
    return Response(orjson.dumps(content), status, headers, "application/json")


def _last_line(fault: WireError) -> bytes:
    return orjson.dumps({"error": {"code": fault.code, "message": fault.message}}) + b"\n"


def of_fault(fault: WireError, call: str) -> Response:
    return in_json(fault.status, {"error": {"code": fault.code, "message": fault.message}}, call)


Answered = Told | Live | AsyncGenerator[Told, None]
"""What a route's function answers: once, a line after the other, or as it happens."""


async def answered(found: Answered, asked: Asked, permissions: Permissions) -> Response:
    """What an Audience told, and nothing else, leaves by this door."""
    match found:
        case Told(value):
            answer = in_json(200, value, asked.id)
            answer.headers[ACCOUNT] = asked.caller.account
            return answer
        case Live():
            return StreamingResponse(found.bytes(), 200, found.HEADERS, found.TYPE)
        case AsyncGenerator():
            return await in_lines(found, asked, permissions)
        case _:
            assert_never(found)


def _line(told: Told) -> bytes:
    if not isinstance(told, Told):
        raise TypeError(f"a {type(told).__name__} was told by nobody")
    return orjson.dumps(told.value) + b"\n"


async def in_lines(found: AsyncGenerator[Told, None], asked: Asked, permissions: Permissions) -> Response:
    """A JSON object a line, as they are found: a long question tells how far it is. What fails before the first is an
    answer of its own; what fails later ends the lines with an `error`, and so does a permission that ends."""
    first = _line(await anext(found))

    async def rest() -> AsyncIterator[bytes]:
        permitted, loop = asked, asyncio.get_running_loop()
        asked_at, turned_at = loop.time(), time.perf_counter()
        try:
            async with aclosing(found):  # also where the client goes away
                yield first
                async for each in found:
                    if loop.time() - asked_at >= ASK_AGAIN_EVERY:
                        permitted, asked_at = await permissions.still_may(permitted), loop.time()
                    yield _line(each)
                    if time.perf_counter() - turned_at >= TURN:
                        await asyncio.sleep(0)
                        turned_at = time.perf_counter()
        except WireError as fault:
            yield _last_line(await permissions.on_record(asked, fault))
        except INTERRUPTED as fault:
            log.error("a question was broken off", call=asked.id, fault=type(fault).__name__)
            yield _last_line(errors.not_now("The projections cannot be asked any more; try again."))
        except Exception as fault:  # noqa: BLE001  # the last line, as in app.py
            log.error("an answer failed", call=asked.id, fault=type(fault).__name__, where=where(fault))
            yield _last_line(await permissions.failure(asked))

    headers = {"x-amzn-requestid": asked.id, "cache-control": "no-store", ACCOUNT: asked.caller.account}
    return StreamingResponse(rest(), 200, headers, "application/x-ndjson")

"""The one port: KMS, IAM and STS on `POST /`, the audit API under /v1, the console's files under /console, /healthz and
/metrics.

The protocol handles `POST /` itself (`exchange.py`), because the cost of each call matters; everything else is ASGI.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from domain.errors import Refusal
from domain.ports import Unavailable
from services import signing
from services.clock import Clock
from services.kms_api import errors, json_protocol, query
from services.kms_api.authentication import Authenticated, Authenticator
from services.kms_api.calls import Calls
from services.kms_api.errors import WireError
from services.kms_api.incoming_request import Incoming
from services.kms_api.live_state import LiveState, NotFresh
from services.kms_api.presigned_url import is_presigned
from services.kms_api.shapes import operation_names
from services.kms_api.token_door import WITH_TOKEN, TokenDoor, token_in
from services.kms_api.vault_watch import VaultWatch
from services.logs import logger_of
from services.metrics import TALLY, UNAUTHENTICATED, Scrapes, exposition
from services.traces.tracer import TRACES

log = logger_of("api")

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

MAX_BODY = 262_144
MOST_AGENT = 512
"""The most characters of the agent in a record."""
TOO_LARGE = ("RequestEntityTooLargeException", f"A request has at most {MAX_BODY} bytes.")
TARGET = "TrentService."
KMS = frozenset({"kms"})
INTERNAL = "KMSInternalException"
NOT_FRESH = "not fresh: the log's end is not known"
NONE_KNOWN = "none"
"""The label for a request whose operation does not exist: a label never has a caller's words."""


def new_call_id() -> str:
    """A UUID of version 4. It is unique but not secret; the library's version costs every call a system call and 5 us."""
    digits = f"{_random.getrandbits(128) & _CHANCE | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_CHANCE = ~(0xF << 76 | 0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62
"""The bits for version and variant (RFC 9562, section 5.4)."""
_random = random.Random()  # noqa: S311  # seeded by the operating system; see new_call_id
# Workers are forks of one process. Without this, each would give the ids of the one before it.
os.register_at_fork(after_in_child=_random.seed)


class Disconnected(Exception):
    """The client left before its request was complete."""


async def read_body(receive: Receive) -> bytes:
    """Raises WireError (too large) and Disconnected (also for a body that is too slow: the protocol closes the connection)."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise WireError(413, *TOO_LARGE)
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


async def reply(send: Send, status: int, body: bytes, content_type: bytes, call: str = "") -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    if call:
        headers.append((b"x-amzn-requestid", call.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Reply:
    status: int
    body: bytes
    content_type: bytes
    call: str
    """The request id, "" if there was no call."""
    known: bool = False
    """Whether the caller is known: the signature was right, and the credential may be used."""


def too_large(*, form: bool = False) -> Reply:
    """`form`: the client speaks the Query protocol."""
    if form:
        code, message = TOO_LARGE
        return Reply(413, query.error("iam", code, message, 413, ""), query.CONTENT_TYPE, "")
    return Reply(413, json_protocol.fault(WireError(413, *TOO_LARGE)), json_protocol.CONTENT_TYPE, "")


def no_place(*, form: bool) -> Reply:
    """`form`: the client speaks the Query protocol."""
    message = "There is nothing here: KMS, IAM and STS answer on POST /."
    if form:
        return Reply(404, query.error("iam", "InvalidAction", message, 404, ""), query.CONTENT_TYPE, "")
    return Reply(
        404, json_protocol.fault(WireError(404, "UnknownOperationException", message)), json_protocol.CONTENT_TYPE, ""
    )


READING = ("GET", "HEAD")
"""Many load balancers use HEAD to check whether the server is there (RFC 9110, section 9.3.2)."""


class App:
    """`audit` answers paths that begin with /v1, `console` those of /console, `tree` those of /log; None: there is no console,
    or the transparency log is not served."""

    def __init__(
        self,
        live: LiveState,
        authenticator: Authenticator,
        calls: Calls,
        audit: ASGI,
        clock: Clock,
        watch: VaultWatch,
        tokens: TokenDoor,
        console: ASGI | None = None,
        tree: ASGI | None = None,
    ) -> None:
        self._clock = clock
        self._watch = watch
        self._tokens = tokens
        self._live = live
        self._authenticator = authenticator
        self._calls = calls
        self._audit = audit
        self._console = console
        self._tree = tree
        self._scrapes = Scrapes(partial(exposition, "api"))

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        if path.startswith("/v1/"):
            await self._audit(scope, receive, send)
        elif self._console is not None and (path == "/console" or path.startswith("/console/")):
            await self._console(scope, receive, send)
        elif self._tree is not None and path.startswith("/log/"):
            await self._tree(scope, receive, send)
        elif path == "/" and method == "GET" and _asks_by_query(scope):
            await self._by_query(scope, receive, send)
        elif path == "/healthz" and method in READING:
            fresh = self._live.can_answer()
            status = self._watch.status if fresh else NOT_FRESH
            await reply(send, 200 if fresh else 503, orjson.dumps({"status": status}), b"application/json")
        elif path == "/metrics" and method in READING:
            await reply(send, 200, await self._scrapes.text(), b"text/plain; version=0.0.4; charset=utf-8")
        else:
            nowhere = no_place(form=query.is_form(scope["headers"]))
            await reply(send, nowhere.status, nowhere.body, nowhere.content_type)

    async def _by_query(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """A call of IAM or STS with its parameters in the query."""
        try:
            body = await read_body(receive)
        except Disconnected:
            return
        except WireError:
            await reply(send, 413, too_large(form=True).body, query.CONTENT_TYPE)
            return
        signed = signing.Signed(
            "GET", "/", scope["query_string"].decode("latin-1"), signing.joined(scope["headers"]), body
        )
        answer = await self.call(signed, scope["client"][0] if scope["client"] else "", scope["scheme"] == "https")
        if answer.known:
            scope["state"]["recognise"]()
        await reply(send, answer.status, answer.body, answer.content_type, answer.call)

    async def call(self, request: signing.Signed, source: str, secure: bool) -> Reply:
        """Answers a call of KMS, IAM or STS from the address `source`; `secure`: over TLS. Never raises: a fault is an
        answer too."""
        began = time.perf_counter()
        call = new_call_id()
        tracer = TRACES.tracer
        if tracer is not None:
            tracer.under_way[call] = ""
        headers, body = request.headers, request.body
        by_query = request.method != "POST"
        form = by_query or headers.get("content-type", "").startswith(query.FORM)
        if by_query:  # the parameters of the Query protocol, in the form of a body
            body = request.query.encode("latin-1")
        service = _service(request) if form else "kms"
        operation = "" if form else _target(headers)
        known, agent = False, printable(headers.get("user-agent", ""), MOST_AGENT)
        error = ""
        try:
            token = token_in(body) if form else None
            if token is not None:
                service, operation = "sts", WITH_TOKEN
                who = await self._tokens.authenticate(token, call, source, agent, secure)
            else:
                who = await self._authenticate(request, query.SERVICES if form else KMS)
            known = who.caller is not None
            fields, unreadable = (token, None) if token is not None or not form else _fields(body)
            if fields is not None:
                operation = printable(fields.get("Action", ""), 128)
            incoming = Incoming(
                id=call,
                who=who,
                service=service,
                operation=operation,
                body=body,
                source=source,
                agent=agent,
                invocation=printable(headers.get("amz-sdk-invocation-id", ""), 128),
                secure=secure,
                at=self._clock.now(),
                fields=fields,
                unreadable=unreadable,
            )
            answer = await self._calls.answer(incoming)
            status, effect = 200, "allowed"
            document = query.answer(service, operation, answer, call) if form else json_protocol.answer(answer)
        except WireError as fault:
            status, document = _refusal(fault, service if form else "", call)
            effect, error = "refused" if status < 500 else "not-answered", fault.code
        except Exception as fault:  # noqa: BLE001  # the last line: a bug is a 500 with its call id, never a broken connection
            log.error(
                "call failed",
                call=call,
                operation=operation[:64],
                fault=type(fault).__name__,
                where=where(fault),
            )
            # The call has its record: `Calls` makes one even if only the encoding of the answer failed.
            effect, error = "failed", INTERNAL
            failed = WireError(500, INTERNAL, "The request failed inside the server.")
            status, document = _refusal(failed, service if form else "", call)
        name, took = operation if operation in LABELS else NONE_KNOWN, time.perf_counter() - began
        TALLY.add(name, effect, took)
        if tracer is not None:
            tracer.called(call, service, name, status, error, effect, took)
        return Reply(status, document, query.CONTENT_TYPE if form else json_protocol.CONTENT_TYPE, call, known)

    async def _authenticate(self, request: signing.Signed, services: frozenset[str]) -> Authenticated:
        """Raises WireError."""
        try:
            if request.method != "POST" and is_presigned(request):
                return await self._authenticator.authenticate_presigned(request)
            return await self._authenticator.authenticate(request, services)
        except signing.SignatureRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise errors.from_signature(fault) from None
        except (NotFresh, Unavailable):
            raise errors.not_now("The caller could not be authenticated now; try again.") from None


def _refusal(fault: WireError, service: str, call: str) -> tuple[int, bytes]:
    """(HTTP status, body); `service` is "" for the JSON protocol."""
    if not service:
        return fault.status, json_protocol.fault(fault)
    status, code = errors.in_query(fault)
    return status, query.error(service, code, fault.message, status, call)


def _target(headers: Mapping[str, str]) -> str:
    target = printable(headers.get("x-amz-target", ""), 128)
    return target.removeprefix(TARGET) if target.startswith(TARGET) else ""


def _service(request: signing.Signed) -> str:
    """iam or sts, from the scope of the signature. If it names neither, iam, because a refusal needs one of the two forms."""
    if request.method != "POST" and is_presigned(request):
        return "sts"
    try:
        service = signing.authorization(request.headers)[0].service
    except signing.SignatureRefused:
        return "iam"
    return service if service in query.SERVICES else "iam"


def _asks_by_query(scope: AsgiScope) -> bool:
    """Whether a GET is a call of IAM or STS. A browser's GET is not: it names neither a caller nor an action."""
    return b"Action=" in scope["query_string"] or any(name == b"authorization" for name, _ in scope["headers"])


def _fields(body: bytes) -> tuple[dict[str, str], Refusal | None]:
    """The form's fields, or the reason why they cannot be read. That refusal is recorded like any other."""
    try:
        return query.fields(body), None
    except Refusal as fault:
        return {}, fault


def where(fault: BaseException) -> str:
    """The file and line of a fault, without its message, which could include a secret."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""


def printable(text: str, most: int) -> str:
    if len(text) <= most and text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text[:most])


LABELS = frozenset().union(*(operation_names(service) for service in ("kms", "iam", "sts")))

"""One request of `POST /` and its answer, directly on uvicorn's protocol, without ASGI.

ASGI's scope, messages and events take longer than the signature, and one body in and one body out needs none of them.
uvicorn's protocol takes an Exchange as its `cycle` (RequestResponseCycle), and uses only the names in UVICORNS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from services.kms_api.app import MAX_BODY, Reply, too_large
from services.kms_api.query import is_form
from services.metrics import NOT_ANSWERED
from services.signing import Signed, joined
from services.waiting_room import WaitingRoom

Answering = Callable[[Signed, str, bool], Awaitable[Reply]]
HeaderPairs = list[tuple[bytes, bytes]]

UVICORNS = ("disconnected", "keep_alive", "message_event", "response_complete")
"""The attributes that uvicorn's protocol sets and reads on its cycle, when a connection is lost and when the server
stops. A house test compares these with uvicorn's source."""

STATUS = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
CLOSE = b"connection: close\r\n"
MOST_DROPPED = 8_388_608
"""Bytes that are dropped of a refused body; then its connection ends."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(Protocol):
    """What an exchange needs of its connection."""

    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]
    flow: Any
    answering: Answering
    known: bool
    room: WaitingRoom

    @property
    def plain(self) -> Any:
        """The transport itself."""
        ...

    @property
    def usual_headers(self) -> bytes:
        """The beginning of every response, after its status line."""
        ...

    def recognise(self) -> None:
        """A correctly signed call came on this connection."""
        ...

    def on_response_complete(self) -> None:
        """uvicorn's name: the next request that was sent ahead takes its turn."""
        ...


class _NoEvent:
    """uvicorn's protocol sets an event when a connection is lost; nothing here waits for one."""

    def set(self) -> None: ...


NO_EVENT = _NoEvent()


class Exchange:
    """Takes the parts of a body until `more_body` is False. Then answers the call when it is this request's turn: a
    client may send requests ahead, and gets its answers in their order.

    The parser's callbacks call `take_turn`, `take` and `complete`, and own the part of the body that has arrived. The
    one task that `_begin` makes sends the answer, and owns the response.

    """

    __slots__ = (
        *UVICORNS,
        "_connection",
        "_expects_continue",
        "_headers",
        "_parts",
        "_query",
        "_secure",
        "_size",
        "_source",
        "_task",
        "_turn",
        "body",
        "more_body",
        "refused",
    )

    def __init__(
        self,
        connection: ClientConnection,
        query: bytes,
        headers: HeaderPairs,
        source: str,
        *,
        keep_alive: bool,
        expects_continue: bool,
        secure: bool,
    ) -> None:
        self._connection = connection
        self._query = query
        self._headers = headers
        self._source = source
        self._secure = secure
        self._expects_continue = expects_continue
        # Only the parser's callbacks write these.
        self._turn = False
        self._parts: list[bytes] | None = None
        self._size = 0
        self.body = b""
        self.more_body = True
        self.refused = False
        # Only the answering task writes these, except what uvicorn sets: `disconnected`, and `keep_alive` when the
        # server stops.
        self._task: asyncio.Task[None]
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.message_event = NO_EVENT

    def take_turn(self) -> None:
        self._turn = True
        if self._expects_continue and self.more_body:
            self._connection.plain.write(CONTINUE)
        self._begin()

    def take(self, part: bytes) -> None:
        """Takes a part of the body. A body that is too large is refused at once, and the rest of it is dropped. The
        connection stays: a client that is still sending when its connection ends does not read the reason."""
        if self.refused:
            return
        self._size += len(part)
        if self._size > MAX_BODY:
            self.body, self._parts = b"", None
            self.refused = True
            self.keep_alive = False
            self._begin()
        elif self._parts is not None:
            self._parts.append(part)
        elif self.body:
            # Joined once, at the end: joining each part to the earlier ones would cost the square of the body's size.
            self._parts = [self.body, part]
        else:
            self.body = part

    def complete(self) -> None:
        self.more_body = False
        if self._parts is not None:
            self.body, self._parts = b"".join(self._parts), None
        if not self.refused:
            self._begin()
        elif self.response_complete:
            self._connection.plain.close()

    def _begin(self) -> None:
        if self._turn and (self.refused or not self.more_body):
            connection = self._connection
            # The set protects the task from garbage collection, and a graceful stop waits for the tasks in it.
            self._task = connection.loop.create_task(self._answer())
            connection.tasks.add(self._task)

    async def _answer(self) -> None:
        connection = self._connection
        known = connection.known
        if known:
            connection.room.busy += 1
        try:
            if self.refused:
                reply = too_large(form=is_form(self._headers))
            else:
                request = Signed("POST", "/", self._query.decode("latin-1"), joined(self._headers), self.body)
                reply = await connection.answering(request, self._source, self._secure)
                if reply.known and not connection.known:
                    connection.recognise()
            if connection.flow.write_paused and not self.disconnected:
                await connection.flow.drain()
            # uvicorn sets `disconnected` only on the last request that came.
            if not connection.plain.is_closing():
                self._write(reply)
        except Exception:  # noqa: BLE001  # a connection whose answer never comes would keep its place for ever
            # Counted, not logged: a client that can cause this could fill the disk.
            NOT_ANSWERED.labels("answer-failed").inc()
            connection.plain.abort()
        finally:
            if known:
                connection.room.busy -= 1
            connection.tasks.discard(self._task)

    def _write(self, reply: Reply) -> None:
        connection = self._connection
        call = f"\r\nx-amzn-requestid: {reply.call}" if reply.call else ""
        connection.plain.write(
            b"%b%bcontent-type: %b\r\n%bcontent-length: %d%b\r\n\r\n%b"
            % (
                STATUS[reply.status],
                connection.usual_headers,
                reply.content_type,
                b"" if self.keep_alive else CLOSE,
                len(reply.body),
                call.encode(),
                reply.body,
            )
        )
        self.response_complete = True
        if not self.keep_alive and not self.more_body:
            connection.plain.close()
        connection.on_response_complete()

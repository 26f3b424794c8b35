"""The witness over HTTP (C2SP tlog-witness): POST /add-checkpoint, and GET /key for its verifier key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

from domain.ports import ContentDiffers, TileStore, Unavailable
from domain.transparency.checkpoints import Checkpoint, checkpoint
from domain.transparency.notes import NoteRefused, VerifierKey, note_of
from domain.transparency.witnessing import LONGEST_REQUEST, SIZE_TYPE, Witness, WitnessAnswer, witness_request
from services.kms_api.app import READING, AsgiScope, Receive, Send

TEXT = "text/plain; charset=utf-8"


class BodyTooLong(Exception):
    """A request has more bytes than any request of the protocol needs."""


class WitnessApp:
    """An ASGI application. `store` keeps the last cosigned checkpoint of each log, durably, before it is cosigned. `now` gives
    POSIX seconds."""

    def __init__(self, witness: Witness, key: VerifierKey, store: TileStore, now: Callable[[], float]) -> None:
        self._witness, self._key, self._store, self._now = witness, key, store, now
        self._turn = asyncio.Lock()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        if path == "/key" and method in READING:
            answer = WitnessAnswer(200, f"{self._key.text}\n")
        elif path == "/add-checkpoint" and method == "POST":
            answer = await self._asked(receive)
        else:
            answer = WitnessAnswer(404, "A witness takes POST /add-checkpoint and GET /key.\n")
        kind = SIZE_TYPE if answer.status == 409 else TEXT
        body = answer.body.encode()
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    async def _asked(self, receive: Receive) -> WitnessAnswer:
        try:
            request = witness_request((await _body(receive)).decode())
        except BodyTooLong:
            return WitnessAnswer(413, f"A request has at most {LONGEST_REQUEST} bytes.\n")
        except (NoteRefused, UnicodeDecodeError) as fault:
            return WitnessAnswer(400, f"The request cannot be read: {fault}.\n")
        path = f"heads/{sha256(self._witness.origin_of(request).encode()).hexdigest()}"
        try:
            # One request at a time, so that the checkpoint that is compared is the one that is replaced.
            async with self._turn:
                held = await self._store.read(path)
                answer = self._witness.answer(request, _last(held), int(self._now()))
                if answer.head is not None:
                    await self._store.replace(path, str(request.note).encode(), held)
                return answer
        except (ContentDiffers, Unavailable) as fault:
            return WitnessAnswer(503, f"The checkpoint cannot be kept now; try again: {fault}.\n")


def _last(held: bytes | None) -> Checkpoint | None:
    return None if held is None else checkpoint(note_of(held).text)


async def _body(receive: Receive) -> bytes:
    """Raises BodyTooLong."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > LONGEST_REQUEST:
            raise BodyTooLong
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body

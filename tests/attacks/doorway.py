"""The real protocol on a real socket, without the service behind it. A test shortens deadlines of half a minute to a
moment, and sees what the door counts."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop

from services.api.certificate import ServedCertificate
from services.api.door import Door
from services.api.protocol import GuardedProtocol
from services.api.server import DeadlineServer
from services.kms_api.app import Reply
from services.runtime.listening_socket import listen
from services.settings import Settings
from services.signing import Signed
from tests.installation import free_port

LARGE = b"x" * 400_000


async def _constant(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(LARGE))]})
    await send({"type": "http.response.body", "body": LARGE})


async def _answer(request: Signed, source: str, secure: bool) -> Reply:
    """A client that says so is known."""
    return Reply(200, b"{}", b"application/json", "", "x-known" in request.headers)


class Doorway:
    """Use as a context manager. `port` is where it listens. Any path other than `POST /` gets 400 kB."""

    def __init__(self, door: Door, certificate: tuple[Path, Path] | None = None) -> None:
        self.door = door
        self.port = free_port()
        config = uvicorn.Config(
            _constant,
            http=cast("type[asyncio.Protocol]", partial(GuardedProtocol, _answer, door)),
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        self.certificate = ServedCertificate(*certificate) if certificate else None
        self._server = DeadlineServer(config, door, self.certificate)
        self._socket = listen(Settings(port=self.port))
        self._thread = threading.Thread(target=lambda: uvloop.run(self._server.serve(sockets=[self._socket])))

    def __enter__(self) -> Doorway:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()

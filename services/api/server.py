"""uvicorn's server, on sockets that it is given, with a deadline for TLS."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from services.api.certificate import ServedCertificate
from services.api.door import Door
from services.api.listener import Listener
from services.traces.tracer import TRACES

HANDSHAKE_DEADLINE = 5.0
"""Seconds from a connection to the end of its TLS handshake. Until then the door does not know the connection, so
nothing else limits how many wait there."""
GOODBYE_DEADLINE = 5.0
"""Seconds in which a client must acknowledge the end of a TLS connection."""


class DeadlineServer(uvicorn.Server):
    """uvicorn leaves asyncio's deadlines unchanged: a client may connect and say nothing for a minute."""

    def __init__(self, config: uvicorn.Config, door: Door, certificate: ServedCertificate | None = None) -> None:
        """`certificate`: None without TLS."""
        super().__init__(config)
        self._door = door
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        config, loop = self.config, asyncio.get_running_loop()

        def connected() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
                config=config, server_state=self.server_state, app_state={}, _loop=loop
            )

        async def connect(accepted: socket.socket) -> None:
            tls = None if self._certificate is None else self._certificate.context
            await loop.connect_accepted_socket(
                connected,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=HANDSHAKE_DEADLINE if tls else None,
                ssl_shutdown_timeout=GOODBYE_DEADLINE if tls else None,
            )

        for each in sockets or ():
            each.listen(config.backlog)
        self.servers = [Listener(each, self._door, connect) for each in sockets or ()]  # type: ignore[misc]  # as uvicorn uses one
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await TRACES.end()  # here, since uvicorn ends the process by the signal that it got as soon as this returns

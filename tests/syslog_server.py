"""A syslog server of the tests' own: frames of octet counting over TLS. It can be killed, stall, and come back."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<at>\S{1,32}) (?P<host>[\x21-\x7e]{1,255}) (?P<app>[\x21-\x7e]{1,48}) (?P<proc>[\x21-\x7e]{1,128}) "
    rb'(?P<kind>[\x21-\x7e]{1,32}) \[(?P<sd>[\x21-\x7e]{1,32})(?P<data>(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] '
    rb"(?P<text>[\x20-\x7e]*)"
)
"""RFC 5424, section 6, with one element of structured data."""
PARAMETER = re.compile(rb' ([!#-<>-\\^-~]+)="((?:[^"\\\]]|\\["\\\]])*)"')


@dataclass(frozen=True, slots=True)
class SyslogMessage:
    severity: int
    facility: int
    at: str
    kind: str
    data: dict[str, str]
    text: bytes


def parsed(message: bytes) -> SyslogMessage:
    """Strictly: anything that is not of the grammar raises AssertionError."""
    found = MESSAGE.fullmatch(message)
    assert found, message
    data = {
        name.decode(): re.sub(rb"\\(.)", rb"\1", value).decode() for name, value in PARAMETER.findall(found["data"])
    }
    facility, severity = divmod(int(found["pri"]), 8)
    return SyslogMessage(severity, facility, found["at"].decode(), found["kind"].decode(), data, found["text"])


def frames(stream: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames of a stream, and what is left of it (RFC 5425, section 4.3)."""
    found = []
    while (start := stream.find(b" ")) > 0:
        digits = stream[:start]
        assert re.fullmatch(rb"[1-9][0-9]*", digits), digits
        end = start + 1 + int(digits)
        if len(stream) < end:
            break
        found.append(stream[start + 1 : end])
        stream = stream[end:]
    return found, stream


class SyslogServer:
    """`certificate` is (certificate, key); `client_ca`: clients have to show a certificate of this authority. `keep`: whether it
    keeps what it reads; a server that dies before it does is one that never kept it."""

    def __init__(self, certificate: tuple[Path, Path], port: int = 0, client_ca: Path | None = None) -> None:
        self.messages: list[SyslogMessage] = []
        self.keeps = True
        self.connections: list[ssl.SSLSocket] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        if client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)
        self.port = port
        self._listening: socket.socket | None = None
        self.start()

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # it was closed
            while True:
                plain, _ = listening.accept()
                threading.Thread(target=self._serve, args=(plain, listening), daemon=True).start()

    def _serve(self, plain: socket.socket, listening: socket.socket) -> None:
        left = b""
        with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            # Suppressed: the client went away, or could not show who it is.
            self.connections.append(connection)
            if (
                self._listening is not listening
            ):  # killed during the handshake, after which the client thinks that it is connected
                return
            while data := connection.recv(65536):
                if self.keeps and self._listening is listening:
                    found, left = frames(left + data)
                    self.messages += map(parsed, found)

    def kill(self) -> None:
        """Take no connection any more, and reset those that there are."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        connections, self.connections = self.connections, []
        for each in connections:
            # Each is closed by its own thread. SSLSocket's own shutdown would let that thread read on without TLS.
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def __enter__(self) -> SyslogServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

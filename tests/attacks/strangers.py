"""What a client without credentials can send, byte by byte, from any address of the loopback network."""

from __future__ import annotations

import socket
from contextlib import suppress

from tests.installation import Installation

PROXY = "127.0.0.9"
"""The address of the attacked installation's trusted proxy."""
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIASTRANGER00000000/20260101/us-east-1/kms/aws4_request, "
    "SignedHeaders={signed}, Signature=" + "0" * 64
)


class Stranger:
    """A connection from this address."""

    def __init__(self, port: int, address: str = "127.0.0.1", receive: int = 0, within: float = 20) -> None:
        """`receive`: how many received bytes the system keeps unread. `within`: seconds for every operation."""
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.settimeout(within)
        try:
            self.socket.bind((address, 0))
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Returns False if the server has closed the connection."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def rest(self) -> bytes:
        """Everything that arrives until the server closes the connection."""
        found = bytearray()
        with suppress(ConnectionError):
            while part := self.socket.recv(65_536):
                found += part
        return bytes(found)

    def answer(self) -> tuple[int, bytes]:
        """(status, body) of the next answer; (0, b"") if the connection ended without one."""
        found = bytearray()
        with suppress(ConnectionError, TimeoutError):
            while b"\r\n\r\n" not in found:
                part = self.socket.recv(65_536)
                if not part:
                    return 0, b""
                found += part
            head, _, body = bytes(found).partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            while len(body) < length:
                part = self.socket.recv(65_536)
                if not part:
                    break
                body += part
            return int(head[9:12]), body
        return 0, b""

    def is_open(self) -> bool:
        """Whether the server has kept the connection open. Reads what has arrived."""
        self.socket.setblocking(False)
        try:
            while part := self.socket.recv(65_536):
                assert part
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(20)
        return False


def post(headers: str = "", length: int | None = None) -> bytes:
    """The head of an unsigned call."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST / HTTP/1.1\r\nHost: x\r\n{size}\r\n{headers}\r\n".encode()


def resident(installation: Installation) -> int:
    """The API worker's memory in bytes."""
    return int(installation.process("api-1").memory_info().rss)

"""One system call for each answer of uvicorn's."""

from __future__ import annotations

from typing import Any


class WholeResponses:
    """A transport that writes a response's head together with its body: uvicorn writes them apart, and each write is
    a system call, a twentieth of what a call costs. What begins with a status line waits for what follows it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self._head += data
            return
        # uvicorn learns of a lost connection for the request that came last, not for one before it that is answered now.
        if not self._transport.is_closing():
            self._transport.write(self._head + data)
        self._head = b""

    def end(self) -> None:
        """A response is whole: one to HEAD has no body, and its head waits still."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.end()
        self._transport.close()

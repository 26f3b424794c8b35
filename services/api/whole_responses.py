"""Makes each of uvicorn's answers cost one system call."""

from __future__ import annotations

from typing import Any


class WholeResponses:
    """A transport that writes a response's head together with its body. uvicorn writes them separately. Each write is a
    system call, which costs a twentieth of what a call costs. Data that begins with a status line waits for what
    follows it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self._head += data
            return
        # uvicorn marks a lost connection only on the last request, not on an earlier one that is being answered now.
        if not self._transport.is_closing():
            self._transport.write(self._head + data)
        self._head = b""

    def end(self) -> None:
        """The response is complete. A response to HEAD has no body, so its head is still waiting."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.end()
        self._transport.close()

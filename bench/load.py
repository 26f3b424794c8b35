"""A load generator that costs little: it signs once, and uvloop protocols send over keep-alive connections.

A signature holds for five minutes and has no nonce, so one signed request may be sent many times. The generator then
spends its time on sockets and leaves the processor to Keytrail. It is bounded in time, and connects to loopback
addresses only.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(slots=True)
class Result:
    """`latencies` in seconds, in the order of the answers."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def summary(self) -> str:
        p50, p99 = self.percentile(0.5) * 1e3, self.percentile(0.99) * 1e3
        return f"{self.rate:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {self.errors} errors"

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def signed(url: str, credentials: dict[str, str], operation: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request of KMS."""
    headers = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", url + "/", data=body, headers=headers)
    keys = Credentials(
        credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"], credentials.get("AWS_SESSION_TOKEN")
    )
    SigV4Auth(keys, "kms", "us-east-1").add_auth(request)
    return raw("POST", url, "/", dict(request.headers), body)


def raw(method: str, url: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, result: Result, ends: float, finished: asyncio.Event) -> None:
        self._request = request
        self._result = result
        self._ends = ends
        self._finished = finished
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished.is_set():
            self._result.errors += 1
            self._finished.set()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        place = self._buffer.lower().index(b"content-length:", 0, head) + 15
        length = int(self._buffer[place : self._buffer.index(b"\r\n", place)])
        if len(self._buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        if self._buffer[9:12] == b"200":
            self._result.latencies.append(now - self._sent)
        else:
            self._result.errors += 1
        self._buffer = b""
        if now < self._ends:
            self._send()
        else:
            self._finished.set()
            self._transport.close()


async def _run(url: str, request: bytes, connections: int, seconds: float) -> Result:
    parts = urlsplit(url)
    assert parts.hostname in ("127.0.0.1", "localhost"), "load goes to this machine alone"
    result = Result()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    finished = [asyncio.Event() for _ in range(connections)]
    for each in finished:
        await loop.create_connection(
            partial(_Client, request, result, began + seconds, each),
            parts.hostname,
            parts.port or 80,
        )
    async with asyncio.timeout(seconds + 30):
        for each in finished:
            await each.wait()
    result.seconds = time.perf_counter() - began
    return result


def run(url: str, request: bytes, connections: int, seconds: float) -> Result:
    return uvloop.run(_run(url, request, connections, seconds))

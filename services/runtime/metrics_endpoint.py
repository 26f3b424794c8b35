"""A process's own /metrics, where each runs on a machine of its own and no folder is shared.

Plain asyncio, because nothing here may cost the process more than a scrape: prometheus_client's server takes a thread for each
connection, without a limit of number or time; uvicorn would be loaded into every writer, and waits for ever for a request that
does not end. What a scraper sends is one line and headers that nobody reads.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus

from services.metrics import Scrapes, count_from_zero, exposition, shares_metrics
from services.settings import BadSetting, Settings

PATIENCE = 5.0
"""Seconds for a whole exchange."""
MOST_OPEN = 16
"""Connections at once; Prometheus needs one. A further one is closed at once."""
MOST_HEAD = 8192
"""The most bytes of a request's head."""
LOOPBACK = "127.0.0.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def answer_metrics(settings: Settings, process: str) -> asyncio.Server | None:
    """Answer GET /metrics on KEYTRAIL_METRICS_PORT from now on, as long as the event loop runs. Does nothing where that setting
    is 0, and under `keytrail up`, where an API worker answers for all.

    `process` is a kind of process in `services.metrics.MEASURED`. Raises BadSetting if the port cannot be bound.
    """
    if not settings.metrics_port or shares_metrics():
        return None
    count_from_zero(process)
    host, port = settings.metrics_host or LOOPBACK, settings.metrics_port
    endpoint = MetricsEndpoint(Scrapes(partial(exposition, process)))
    try:
        return await asyncio.start_server(endpoint.answer, host, port, limit=MOST_HEAD)
    except OSError as fault:
        raise BadSetting(
            f"KEYTRAIL_METRICS_PORT: {host}:{port} cannot be bound ({fault.strerror}). Each process on a machine needs a port of "
            "its own."
        ) from None


class MetricsEndpoint:
    """The answer to each connection. A scraper that is slow, leaves or sends nonsense is cut off, and harms nobody."""

    def __init__(self, scrapes: Scrapes) -> None:
        self._scrapes = scrapes
        self._open = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MOST_OPEN:
            writer.transport.abort()
            return
        self._open += 1
        try:
            writer.transport.set_write_buffer_limits(0)  # so that `drain` waits until all of the answer has left
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer_to(head))
                await writer.drain()
            writer.close()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1

    async def _answer_to(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD") or path != b"/metrics":
            return _response(HTTPStatus.NOT_FOUND, b"There is only GET /metrics here.\n", with_body=method != b"HEAD")
        return _response(HTTPStatus.OK, await self._scrapes.text(), with_body=method == b"GET")


def _response(status: HTTPStatus, body: bytes, *, with_body: bool) -> bytes:
    """Every answer is the last one of its connection (RFC 9112, section 9.6)."""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {TEXT}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")

"""An OpenTelemetry collector of the tests' own: an HTTP server that takes OTLP in JSON, and can fail, stall or be killed."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was answered by 200."""

    path: str
    headers: dict[str, str]
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """`declared`: a Content-Length other than the body's. The connection then ends after the body. If the reply `lingers`, the
    connection stays open after the body until the server is killed."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    declared: int | None = None
    lingers: bool = False


class CollectorServer:
    """`replies` are the answers to the next requests, in their order; after them `judge` answers each message, and takes every one
    unless a test has another judge. While `stalls` is set, no request is answered."""

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None) -> None:
        self.taken: list[Taken] = []
        self.replies: list[Reply] = []
        self.judge: Callable[[dict[str, Any]], Reply] = lambda message: Reply()
        self.asked = 0
        self.stalls = False
        self.released = threading.Event()
        self.connections: list[socket.socket] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self.url = f"{'http' if certificate is None else 'https'}://localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> CollectorServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the server and every connection to it."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        for each in self.connections:
            with suppress(OSError):  # the client may have ended it
                each.shutdown(socket.SHUT_RDWR)

    def spans(self) -> Iterator[dict[str, Any]]:
        """Every span that came, with `process`, the kind of process that sent it, and `values`, the span's attributes by name."""
        for each in list(self.taken):
            for of_resource in each.message.get("resourceSpans", ()):
                process = values(of_resource["resource"]["attributes"])["keytrail.process"]
                for of_scope in of_resource["scopeSpans"]:
                    for span in of_scope["spans"]:
                        yield {**span, "process": process, "values": values(span.get("attributes", []))}


def values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """What attributes say, by name."""
    return {each["key"]: next(iter(each["value"].values())) for each in attributes}


def _handler(collector: CollectorServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            collector.connections.append(self.connection)

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client need not read the whole of an answer
                super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked += 1
            if collector.stalls:
                collector.released.wait()
                self.close_connection = True
                return
            message = json.loads(body)
            reply = collector.replies.pop(0) if collector.replies else collector.judge(message)
            if reply.status == 200:
                collector.taken.append(Taken(self.path, dict(self.headers), message))
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.declared is None else reply.declared))
            self.close_connection = reply.declared is not None
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.lingers:
                collector.released.wait()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler

"""A proxy between browser and Keytrail that does not pass on what the browser signed."""

from __future__ import annotations

import copy
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.attacks.test_console_sessions import CODES, post
from tests.console.visit import Visit
from tests.installation import Installation

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}


@pytest.fixture(scope="module")
def proxied(served: Installation) -> Iterator[Installation]:
    """The same installation, behind a proxy that sends its own idea of Host."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size = int(self.headers.get("content-length", 0))
            headers = dict(self.headers) | {"Host": "keytrail.internal"}
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
            connection.request(self.command, self.path, self.rfile.read(size), headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    behind = copy.copy(served)
    behind.port = server.server_address[1]
    behind.url = f"http://127.0.0.1:{behind.port}"
    yield behind
    server.shutdown()
    server.server_close()


def test_a_proxy_that_changes_host_is_named_as_the_cause(
    browser: Browser, served: Installation, proxied: Installation
) -> None:
    must = f"with Host: 127.0.0.1:{proxied.port}"
    tab = Visit(browser, proxied)
    tab.opens("/keys")
    tab.fills_in(served.credentials())
    expect(tab.page.get_by_text(must)).to_be_visible()
    tab.leaves()

    code = post(served, CODES, {"root": True}, served.credentials())[1]["code"]
    tab = Visit(browser, proxied)
    tab.opens(f"/keys#code={code}")
    tab.page.get_by_role("button", name="Continue").click()
    expect(tab.page.get_by_text("for a credential that it made itself")).to_be_visible()
    expect(tab.page.get_by_text(must)).to_be_visible()
    tab.leaves()

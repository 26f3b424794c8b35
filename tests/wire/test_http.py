"""HTTP/1.1 (RFC 9112) at `POST /`: what a client may do that SDKs seldom do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import cache

import pytest

from tests.console.test_files import ask
from tests.installation import Installation
from tests.wire_client import sign

BODY = b'{"NumberOfBytes":8}'


@cache
def credentials(installation: Installation) -> dict[str, str]:
    return installation.credentials()


def request(
    installation: Installation, body: bytes = BODY, extra: str = "", version: str = "1.1", target: str = "/"
) -> bytes:
    headers = sign(installation.url, credentials(installation), body, operation="GenerateRandom")
    lines = [f"POST {target} HTTP/{version}", f"Host: 127.0.0.1:{installation.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in ("host", "content-length")]
    length = "" if "Transfer-Encoding" in extra else f"Content-Length: {len(body)}\r\n"
    return ("\r\n".join(lines) + f"\r\n{length}{extra}\r\n").encode() + (b"" if "Transfer-Encoding" in extra else body)


@pytest.fixture
def client(installation: Installation) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", installation.port), timeout=20) as connection:
        yield connection


def answer(client: socket.socket, kept: bytearray) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """(status line, headers, body) of the next response. Bytes after it stay in `kept`."""
    while b"\r\n\r\n" not in kept:
        part = client.recv(65_536)
        assert part, "the connection ended before a response's head"
        kept += part
    head, _, rest = bytes(kept).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    length = int(headers.get(b"content-length", b"0"))
    while len(rest) < length:
        rest += client.recv(65_536)
    kept[:] = rest[length:]
    return status, headers, rest[:length]


def test_requests_sent_ahead_are_answered_in_their_order(installation: Installation, client: socket.socket) -> None:
    bodies = [b'{"NumberOfBytes":%d}' % size for size in (1, 1024, 2, 512, 3)]
    client.sendall(b"".join(request(installation, body) for body in bodies))
    kept = bytearray()
    answers = [answer(client, kept) for _ in bodies]
    assert [status for status, _, _ in answers] == [b"HTTP/1.1 200 OK"] * 5
    lengths = [len(json.loads(body)["Plaintext"]) for _, _, body in answers]
    assert lengths == [4, 1368, 4, 684, 4]
    assert len({headers[b"x-amzn-requestid"] for _, headers, _ in answers}) == 5


def test_calls_and_other_requests_share_a_connection(installation: Installation, client: socket.socket) -> None:
    kept = bytearray()
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    client.sendall(request(installation) + health + request(installation))
    statuses = [answer(client, kept)[0] for _ in range(3)]
    client.sendall(health)
    assert [*statuses, answer(client, kept)[0]] == [b"HTTP/1.1 200 OK"] * 4


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/metrics", 200), ("/v1/openapi.json", 200), ("/v1/keys", 403), ("/x", 404)],
)
def test_a_head_is_answered_at_once_and_without_a_body(client: socket.socket, path: str, status: int) -> None:
    """A load balancer that checks with HEAD got no answer, and took the service for dead."""
    kept = bytearray()
    for _ in range(2):
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while b"\r\n\r\n" not in kept:
            part = client.recv(65_536)
            assert part, "the connection ended before a response's head"
            kept += part
        head, _, rest = bytes(kept).partition(b"\r\n\r\n")
        assert (int(head.split()[1]), rest) == (status, b"")
        kept.clear()


def test_a_slash_too_many_leads_nowhere(client: socket.socket) -> None:
    """The redirect led to any host that the request named."""
    client.sendall(b"GET /v1/openapi.json/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
    status, headers, _ = answer(client, bytearray())
    assert (status.split()[1], b"location" in headers) == (b"404", False)


def test_a_client_that_expects_100_continue_gets_it(installation: Installation, client: socket.socket) -> None:
    whole = request(installation, extra="Expect: 100-continue\r\n")
    client.sendall(whole[: -len(BODY)])
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(BODY)
    assert answer(client, bytearray())[0] == b"HTTP/1.1 200 OK"


def test_a_body_in_chunks(installation: Installation, client: socket.socket) -> None:
    head = request(installation, extra="Transfer-Encoding: chunked\r\n")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:]))
    for part in (head, chunks, b"0\r\n\r\n"):
        client.sendall(part)
    assert answer(client, bytearray())[0] == b"HTTP/1.1 200 OK"


UPGRADE = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("parts", [1, 2, 1000])
def test_a_wish_for_another_protocol_is_ignored(
    installation: Installation, client: socket.socket, parts: int, version: str
) -> None:
    """JDK's HttpClient says so with each call over plain HTTP (RFC 9110, section 7.8: a server may ignore it). Its body was lost,
    or read as a request of its own."""
    head, _, _ = request(installation, extra=UPGRADE, version=version).partition(BODY)
    if parts == 1:
        client.sendall(head + BODY)
    elif parts == 2:
        client.sendall(head)
        client.sendall(BODY)
    else:
        for byte in head + BODY:
            client.sendall(bytes([byte]))
    kept = bytearray()
    assert answer(client, kept)[0] == b"HTTP/1.1 200 OK"
    if version == "1.0":
        assert (bytes(kept), client.recv(10)) == (b"", b"")
        return
    # The connection goes on, with another wish, and with requests that come together.
    chunked = request(installation, extra=UPGRADE + "Transfer-Encoding: chunked\r\n")
    chunked += b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    without = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
    client.sendall(chunked + without + request(installation, extra=UPGRADE) + without)
    assert [answer(client, kept)[0] for _ in range(4)] == [b"HTTP/1.1 200 OK"] * 4
    client.sendall(without)
    assert answer(client, kept)[0] == b"HTTP/1.1 200 OK"
    assert not kept


@pytest.mark.parametrize("how", ["Connection: close\r\n", "1.0"])
def test_a_connection_that_is_to_end_after_the_answer_ends(
    installation: Installation, client: socket.socket, how: str
) -> None:
    client.sendall(request(installation, version=how) if how == "1.0" else request(installation, extra=how))
    kept = bytearray()
    status, headers, _ = answer(client, kept)
    assert (status, headers[b"connection"]) == (b"HTTP/1.1 200 OK", b"close")
    assert (bytes(kept), client.recv(10)) == (b"", b"")


def test_a_target_may_be_a_whole_url(installation: Installation, client: socket.socket) -> None:
    client.sendall(request(installation, target=f"{installation.url}/"))
    assert answer(client, bytearray())[0] == b"HTTP/1.1 200 OK"


def test_a_body_that_grows_too_large_is_refused_before_it_is_whole(
    installation: Installation, client: socket.socket
) -> None:
    client.sendall(request(installation, extra="Transfer-Encoding: chunked\r\n"))
    client.sendall(b"50000\r\n" + b"x" * 0x50000 + b"\r\n")  # without an end
    status, headers, body = answer(client, bytearray())
    assert status.startswith(b"HTTP/1.1 413")
    assert headers[b"connection"] == b"close"
    assert json.loads(body)["__type"] == "RequestEntityTooLargeException"


def test_a_client_that_goes_away_leaves_the_others_alone(installation: Installation) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", installation.port), timeout=20) as gone:
            gone.sendall(request(installation))
        with socket.create_connection(("127.0.0.1", installation.port), timeout=20) as half:
            half.sendall(request(installation)[:-3])
    with socket.create_connection(("127.0.0.1", installation.port), timeout=20) as client:
        client.sendall(request(installation))
        assert answer(client, bytearray())[0] == b"HTTP/1.1 200 OK"


def test_a_header_that_comes_twice_is_signed_as_both(installation: Installation, client: socket.socket) -> None:
    whole = request(installation)
    client.sendall(whole.replace(b"\r\n\r\n", b"\r\nX-Amz-Target: TrentService.ListKeys\r\n\r\n", 1))
    status, _, body = answer(client, bytearray())
    assert status == b"HTTP/1.1 400 Bad Request"
    assert json.loads(body)["__type"] == "InvalidSignatureException"


def test_a_console_that_is_off_is_nowhere(installation: Installation) -> None:
    assert installation.extra["KEYTRAIL_CONSOLE"] == "off"
    assert ask(installation, "/console/")[0] == 404

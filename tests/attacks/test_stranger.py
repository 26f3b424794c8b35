"""A stranger who reaches the port, without credentials. Every test says what the attack would have gained."""

from __future__ import annotations

import asyncio
import gc
import json
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from domain.state.world import World
from services import signing
from services.api import http_bounds, server
from services.api.door import Door
from services.api.protocol import GuardedProtocol
from services.client_address import group_of
from services.clock import clock_of
from services.kms_api.authentication import Authenticator, _Credential, _HeldCredentials
from services.kms_api.exchange import Exchange
from services.metrics import Scrapes
from services.settings import Settings
from tests import certificates
from tests.attacks.doorway import LARGE, Doorway
from tests.attacks.strangers import AUTHORIZATION, PROXY, Stranger, post, resident
from tests.installation import Installation, eventually
from tests.wire_client import post as post_signed
from tests.wire_client import sign

MEGABYTE = 1_048_576
BODY = b'{"NumberOfBytes":8}'


@pytest.fixture
def stranger(attacked: Installation) -> Iterator[Stranger]:
    with Stranger(attacked.port) as connection:
        yield connection


def signed(installation: Installation, **headers: str) -> dict[str, str]:
    given = sign(installation.url, installation.credentials(), BODY, operation="GenerateRandom", headers=headers)
    return {**given, "Host": f"127.0.0.1:{installation.port}"}


def sent(headers: dict[str, str], body: bytes = BODY, version: str = "1.1") -> bytes:
    lines = [f"POST / HTTP/{version}", *(f"{name}: {value}" for name, value in headers.items())]
    if "Transfer-Encoding" not in headers:
        lines += [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def calls(installation: Installation) -> int:
    """The status of an honest client's call, on a new connection."""
    return post_signed(installation.url, signed(installation), BODY)[0]


# -- bodies -------------------------------------------------------------------------------------------------------


def test_a_body_in_chunks_of_one_byte(stranger: Stranger) -> None:
    """Ten connections of 1.5 MB made everybody wait for thirteen seconds: each byte copied all bytes before it."""
    stranger.send(post())
    stranger.send(b"1\r\nx\r\n" * 20_000)
    status, told = stranger.answer()
    assert (status, told) == (413, b"The body comes in too many small parts.")


class _Part(bytes):
    """A part that counts how often joining it to others copies them."""

    copies = 0

    def __radd__(self, other: bytes) -> bytes:
        type(self).copies += 1
        return bytes(other) + bytes(self)


def test_a_body_in_many_parts_is_put_together_once() -> None:
    """The kind of the attack above: while parts are joined one by one, a limit on their number only slows it down."""
    call = Exchange(None, b"", [], "", keep_alive=True, expects_continue=False, secure=False)  # type: ignore[arg-type]  # it is not its turn
    for _ in range(4096):
        call.take(_Part(b"x" * 64))
    assert _Part.copies == 0
    call.complete()
    assert len(call.body) == 64 * 4096


def test_a_body_in_small_parts_for_the_audit_api(stranger: Stranger) -> None:
    """Paths other than `POST /` are collected elsewhere. The same limit holds there."""
    stranger.send(post().replace(b"POST /", b"POST /v1/alerts/check"))
    stranger.send(b"1\r\nx\r\n" * 20_000)
    assert stranger.answer()[0] in (0, 413)
    assert not stranger.send(b"1\r\nx\r\n" * 20_000) or not stranger.is_open()


# -- trailers -----------------------------------------------------------------------------------------------------


def test_trailers(stranger: Stranger) -> None:
    """No check of headers limits trailers, which follow the body: 40 MB on one connection took 800 MB."""
    stranger.send(post() + b"1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n")
    assert stranger.answer() == (400, b"Trailers are not accepted: send all fields before the body.")


def test_authorization_in_a_trailer(attacked: Installation, stranger: Stranger) -> None:
    """A check of the headers before the body, in a proxy for instance, would not have seen who calls."""
    headers = signed(attacked) | {"Transfer-Encoding": "chunked"}
    late = headers.pop("Authorization")
    stranger.send(sent(headers, b"%x\r\n%b\r\n0\r\nAuthorization: %b\r\n\r\n" % (len(BODY), BODY, late.encode())))
    assert stranger.answer()[0] == 400


def test_a_trailer_without_end(attacked: Installation) -> None:
    """The parser itself keeps a field that never ends: 20 connections of 10 MB took 200 MB."""
    before = resident(attacked)
    with ExitStack() as opened:
        for _ in range(20):
            each = opened.enter_context(Stranger(attacked.port))
            each.send(post() + b"1\r\nx\r\n0\r\nX-Late: ")
            assert not all(each.send(b"x" * MEGABYTE) for _ in range(10))
        assert resident(attacked) - before < 50 * MEGABYTE


def test_chunk_extensions_without_end(stranger: Stranger) -> None:
    """Bytes outside headers and body are limited too."""
    stranger.send(post() + b"1;")
    assert not all(stranger.send(b"x" * MEGABYTE) for _ in range(10))


# -- headers ------------------------------------------------------------------------------------------------------


def test_long_authorization_headers(attacked: Installation) -> None:
    """9 MB that were sent became 240 MB that stayed: parsed headers were remembered before any check."""
    before = resident(attacked)
    with Stranger(attacked.port) as connection:
        for number in range(300):
            names = ";".join(f"{number}{each}" for each in range(4000))[:30_000]
            connection.send(post(f"Authorization: {AUTHORIZATION.format(signed=names)}\r\n", length=0))
            assert connection.answer()[0] in (400, 403)
    assert resident(attacked) - before < 20 * MEGABYTE


def test_authorization_headers_that_are_new_each_time(attacked: Installation) -> None:
    """Short ones are not remembered either: the busiest sender would have filled the memory and displaced everybody
    else's."""
    header = {"authorization": AUTHORIZATION.format(signed="host;x-amz-date")}
    first, _ = signing.authorization(header)
    again, _ = signing.authorization(header)
    assert first == again
    assert first is not again


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 200_000), 431, id="one of 200 kB"),
        pytest.param(b"GET / HTTP/1.1\r\n%b\r\n" % (b"x:\r\n" * 8000), 431, id="8,000 tiny ones"),
        pytest.param(b"GET / HTTP/1.1\r\n%b" % (b"x:\r\n" * 8000), 431, id="8,000 tiny ones and no end"),
        pytest.param(b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 20_000), 414, id="a URL of 20 kB"),
        pytest.param(b"GET /%b" % (b"x" * 20_000), 414, id="a URL without end"),
    ],
)
def test_headers_at_once(stranger: Stranger, head: bytes, status: int) -> None:
    """A limit that is checked between two packets does not hold within one."""
    stranger.send(head)
    assert stranger.answer()[0] == status


def test_bad_requests_write_no_log(attacked: Installation) -> None:
    """Each request wrote a line, so anybody could fill the disk."""
    log = attacked.data / "logs" / "api-1.log"
    before = log.stat().st_size
    for _ in range(20):  # and goes away while it is answered
        with Stranger(attacked.port, receive=2048) as connection:
            connection.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 15)
        with Stranger(attacked.port) as connection:
            connection.send(sent(signed(attacked)) * 10)
    for garbage in (b"\0\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"):  # fmt: skip
        for _ in range(20):
            with Stranger(attacked.port) as connection:
                connection.send(garbage)
                assert connection.answer()[0] in (400, 404)
    assert log.stat().st_size == before


# -- requests ahead and answers unread ----------------------------------------------------------------------------


def test_ten_thousand_requests_ahead(attacked: Installation, stranger: Stranger) -> None:
    """Each waited in memory for its turn, at some kilobytes for eighteen bytes sent."""
    before = resident(attacked)
    stranger.send(b"GET /healthz HTTP/1.1\r\n\r\n" * 10_000)
    answers = stranger.rest().count(b"HTTP/1.1 200")
    assert answers <= AHEAD
    assert resident(attacked) - before < 10 * MEGABYTE


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of moments."""
    for name in ("LOOK_EVERY", "LINGER"):
        monkeypatch.setattr(http_bounds, name, 0.05)
    for name in ("REQUEST_DEADLINE", "STRANGERS_KEEP_ALIVE"):
        monkeypatch.setattr(http_bounds, name, 0.3)


ASKS = b"GET /large HTTP/1.1\r\n\r\n"
AHEAD = 1 + http_bounds.MOST_STRANGERS_AHEAD


@pytest.mark.parametrize(
    "sends",
    [
        ASKS * 1000,
        post() + b"1\r\nx\r\n" * 16_384,
        post() + b"1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n" + b"x" * 200_000,
        b"\0" * 200_000,
        post("X-Known: 1\r\nConnection: close\r\n", length=0),
    ],
    ids=["requests ahead", "chunks", "a trailer", "garbage", "a call"],
)
def test_nothing_is_kept_of_a_connection_that_ended(sends: bytes) -> None:
    """A refusal kept what it refused, a quarter of a megabyte at a time, until the garbage collector ran: a worker that
    refused 1,000 connections had 130 MB of them."""
    gc.collect()
    with Doorway(Door(100, 100)) as doorway:
        gc.disable()
        try:
            for _ in range(10):
                with Stranger(doorway.port) as stranger:
                    stranger.send(sends)
                    stranger.rest()
            eventually(lambda: len(doorway.door) == 0, within=5)
            left = sum(isinstance(each, GuardedProtocol) for each in gc.get_objects())
        finally:
            gc.enable()
    assert left <= 1  # a task that ended a moment ago may hold the last


def become_known(stranger: Stranger) -> None:
    """A stranger may send two such requests ahead, and their answers go into the kernel's buffer."""
    stranger.send(post("x-known: 1\r\n", length=0))
    assert stranger.answer()[0] == 200


@pytest.mark.usefixtures("quick")
def test_an_answer_that_nobody_reads() -> None:
    """It stayed in memory as long as the client liked, and so did the connection."""
    door = Door(100, 100)
    with Doorway(door) as doorway, Stranger(doorway.port, receive=2048) as stranger:
        become_known(stranger)
        stranger.send(ASKS * 10)
        eventually(lambda: door.held > 0, within=5)
        assert door.held < len(LARGE)  # one answer, not ten
        eventually(lambda: len(door) == 0, within=5)
        assert door.held == 0


def test_unread_answers_of_many() -> None:
    """The memory of all connections together is limited: the client with the most unread bytes is cut off."""
    door = Door(100, 100, most_held=3 * len(LARGE))
    with Doorway(door) as doorway, ExitStack() as opened:
        for _ in range(20):
            known = opened.enter_context(Stranger(doorway.port, receive=2048))
            become_known(known)
            known.send(ASKS * 10)
        eventually(lambda: len(door) < 20, within=5)
        assert door.held <= 3 * len(LARGE)
        with Stranger(doorway.port) as honest:
            honest.send(post(length=0))
            assert honest.answer()[0] == 200


@pytest.mark.usefixtures("quick")
def test_a_slow_reader_is_not_cut() -> None:
    """The counterpart: a client that goes on reading, however slowly, gets the whole answer."""
    with Doorway(Door(100, 100)) as doorway, Stranger(doorway.port, receive=2048) as stranger:
        stranger.send(ASKS)
        kept = 0
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends or kept < len(LARGE):
            kept += len(stranger.socket.recv(4096 if time.monotonic() < ends else 65_536))
            select.select([], [], [], 0.02)
    assert kept > len(LARGE)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sends", [b"", b"\r\n", b"GET", post(length=5), post(length=5) + b"x"])
def test_a_stranger_who_lingers(sends: bytes) -> None:
    """A connection was free for 75 seconds, and for ever with an empty line now and then, which postpones every
    deadline and is not a request."""
    door = Door(100, 100)
    with Doorway(door) as doorway, Stranger(doorway.port) as stranger:
        for _ in range(100):
            if not stranger.send(sends[:2] if sends in (b"", b"\r\n") else sends):
                break
            sends = sends if sends == b"\r\n" else b""
            if len(door) == 0 and _:
                break
            select.select([], [], [], 0.02)
        assert len(door) == 0


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01\x02\x00"])
def test_a_handshake_that_does_not_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: bytes) -> None:
    """Before TLS is agreed on, the door knows nobody: thousands of connections stayed for a minute each."""
    monkeypatch.setattr(server, "HANDSHAKE_DEADLINE", 0.3)
    with Doorway(Door(100, 100), certificates.make(tmp_path)) as doorway, Stranger(doorway.port) as stranger:
        stranger.send(says)
        began = time.monotonic()
        assert stranger.rest() == b""
        assert time.monotonic() - began < 10


@pytest.mark.usefixtures("quick")
def test_a_client_that_signed_may_linger() -> None:
    """The counterpart: an honest client's connection waits for its next call as long as before."""
    door = Door(100, 100)
    with Doorway(door) as doorway, Stranger(doorway.port) as client, Stranger(doorway.port) as stranger:
        client.send(post("X-Known: 1\r\n", length=0))
        assert client.answer()[0] == 200
        assert stranger.rest() == b""  # the door ends this one
        client.send(post(length=0))
        assert client.answer()[0] == 200


def test_places_are_for_those_who_sign() -> None:
    """Strangers get half of the places of an address and half of all. Of the clients that signed, the longest idle
    gives way last."""
    with Doorway(Door(20, 12)) as doorway, ExitStack() as opened:

        def comes(address: str, headers: str = "X-Known: 1\r\n") -> Stranger:
            client = opened.enter_context(Stranger(doorway.port, address))
            client.send(post(headers, length=0))
            assert client.answer()[0] == 200
            return client

        strangers = [comes("127.0.0.2", "") for _ in range(12)]
        assert [each.is_open() for each in strangers] == [False] * 6 + [True] * 6
        known = [comes("127.0.0.2") for _ in range(12)]
        assert [each.is_open() for each in known] == [True] * 12
        assert not any(each.is_open() for each in strangers)
        known.append(comes("127.0.0.2"))
        assert [each.is_open() for each in known] == [False] + [True] * 12
        others = [comes(f"127.0.0.{3 + number}") for number in range(8)]
        others.append(comes("127.0.0.20"))
        assert all(each.is_open() for each in others)  # the address with most gives way
        assert [each.is_open() for each in known].count(True) == 11


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_addresses_of_one_site(one: str, other: str, together: bool) -> None:
    """A client with one IPv6 address has 2^64 of them: a limit for single addresses would not hold."""
    assert (group_of(one) == group_of(other)) is together


# -- connections --------------------------------------------------------------------------------------------------


def test_unfinished_requests_of_many(attacked: Installation) -> None:
    """The limit of one request does not limit all: 900 unfinished bodies of 250 kB were 225 MB."""
    before = resident(attacked)
    with ExitStack() as opened:
        strangers = [opened.enter_context(Stranger(attacked.port, f"127.0.1.{1 + n % 4}")) for n in range(900)]
        for each in strangers:
            each.send(post(length=260_000) + b"x" * 250_000)
        assert calls(attacked) == 200
        assert resident(attacked) - before < 120 * MEGABYTE
        eventually(lambda: sum(not each.is_open() for each in strangers) > 500)


def test_idle_connections_of_one_address(attacked: Installation) -> None:
    """With 4,200 idle connections, 19 of 20 honest clients got a 503. Clients from the same address get in too."""
    with ExitStack() as opened:
        strangers = [opened.enter_context(Stranger(attacked.port)) for _ in range(1200)]
        assert [calls(attacked) for _ in range(5)] == [200] * 5
        left = eventually(lambda: (count := sum(each.is_open() for each in strangers)) <= 500 and count)
    assert left > 400


def test_idle_connections_of_many_addresses(attacked: Installation) -> None:
    """A client with many addresses gets no more than the strangers' half of all places."""
    with ExitStack() as opened:
        strangers = []
        for number in range(4200):
            with suppress(OSError):  # the listening socket's queue is full for a moment
                strangers.append(opened.enter_context(Stranger(attacked.port, f"127.0.2.{1 + number % 40}")))
        assert [calls(attacked) for _ in range(5)] == [200] * 5
        left = eventually(lambda: (count := sum(each.is_open() for each in strangers)) <= 1000 and count)
    assert left > 800


def test_a_connection_that_has_signed_keeps_its_place(attacked: Installation) -> None:
    """An honest client's kept connections do not give way: each call on them was answered with a 503."""
    with ExitStack() as opened:
        honest = opened.enter_context(Stranger(attacked.port))
        honest.send(sent(signed(attacked)))
        assert honest.answer()[0] == 200
        for _ in range(2500):
            opened.enter_context(Stranger(attacked.port))
        honest.send(sent(signed(attacked)))
        assert honest.answer()[0] == 200


def decided_at(installation: Installation, address: str, forwarded: str) -> str:
    """The source in a call's decision."""
    agent = f"from {address} for {forwarded}"
    with Stranger(installation.port, address) as client:
        client.send(sent(signed(installation) | {"X-Forwarded-For": forwarded, "User-Agent": agent}))
        assert client.answer()[0] == 200
    installation.caught_up()
    (found,) = installation.answers("decisions", "--where", f"agent={agent}")
    return str(found["source"])


def test_an_address_made_up_in_x_forwarded_for(attacked: Installation) -> None:
    """Conditions on aws:SourceIp, and the record, would have believed any client's claim about its source."""
    assert decided_at(attacked, "127.0.0.1", "203.0.113.7") == "127.0.0.1"


def test_an_address_made_up_before_a_trusted_proxy(attacked: Installation) -> None:
    """A proxy adds the address that it saw; the client sent what stands before it."""
    assert decided_at(attacked, PROXY, "6.6.6.6, 203.0.113.7, 10.1.2.3") == "203.0.113.7"


def test_a_request_in_the_body_of_one_that_asks_for_another_protocol(attacked: Installation) -> None:
    """The body was read as a request of its own, whose headers the trusted proxy never saw: any address, and TLS that was not."""
    agent = "in a body"
    inner = sent(signed(attacked) | {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https", "User-Agent": agent})
    wish = "X-Forwarded-For: 203.0.113.9\r\nUpgrade: x\r\nConnection: Upgrade\r\nExpect: 100-continue\r\n"
    with Stranger(attacked.port, PROXY) as client:
        client.send(post(wish, length=len(inner)))
        client.socket.recv(65_536)  # the head is read, so that the body comes in another packet
        client.send(inner)
        client.answer()
        client.send(sent(signed(attacked) | {"X-Forwarded-For": "203.0.113.9", "User-Agent": "behind it"}))
        assert client.answer()[0] == 200
    attacked.caught_up()
    agents = [each["agent"] for each in attacked.answers("decisions") if each["operation"] == "GenerateRandom"]
    assert ("behind it" in agents, agent in agents) == (True, False)


# -- what anybody may ask -----------------------------------------------------------------------------------------


def test_the_metrics_again_and_again() -> None:
    """Collecting them takes 30 ms of the processor: with forty requests a second, nobody else was answered."""
    gathered: list[int] = []

    def gather() -> bytes:
        gathered.append(threading.get_ident())
        return b"metrics"

    async def ask() -> list[bytes]:
        scrapes = Scrapes(gather)
        together = await asyncio.gather(*(scrapes.text() for _ in range(100)))
        return [*together, await scrapes.text()]

    assert asyncio.run(ask()) == [b"metrics"] * 101
    assert len(gathered) == 1
    assert gathered[0] != threading.get_ident()  # not on the event loop


class _Present:
    """A state, and how often the log's end was asked for."""

    def __init__(self) -> None:
        self.world = World(access_keys={"AKIAKNOWN": "111122223333"})
        self.barriers = 0

    async def barrier(self) -> None:
        self.barriers += 1


class _Vault:
    """How often it was asked for a secret."""

    def __init__(self) -> None:
        self.asked = 0

    async def secret(self, access_key: str) -> str:
        self.asked += 1
        return "nobody guesses it"


def refused_with(names: Sequence[str]) -> tuple[_Present, _Vault, Authenticator]:
    """What was asked for when calls came with these access keys, all at once, each with a wrong signature."""
    present, vault = _Present(), _Vault()
    door = Authenticator(present, vault, None, "us-east-1", clock_of(Settings()))  # type: ignore[arg-type]  # all it asks

    async def call(name: str) -> None:
        request = signing.Signed("POST", "/", "", {"host": "x"}, b"")
        headers = signing.sign(request, name, "a guess", "us-east-1", "kms", time.time())
        with pytest.raises(signing.SignatureRefused):
            await door.authenticate(replace(request, headers=headers), frozenset({"kms"}))

    async def attack() -> None:
        for _ in range(2):
            await asyncio.gather(*(call(name) for name in names))

    held = set(signing._verified)
    asyncio.run(attack())
    assert set(signing._verified) - held == set(), "nothing of theirs is held as verified"
    return present, vault, door


def test_access_keys_that_nobody_has() -> None:
    """Each caused a question to the broker: every call paid for what a stranger's request cost."""
    present, vault, _ = refused_with([f"AKIASTRANGER{number:08}" for number in range(200)])
    assert (present.barriers, vault.asked) == (2, 0)


def test_guesses_at_a_secret() -> None:
    """The credential displaced a cached one before the signature was checked. Now it does not, and not every guess asks
    the vault."""
    _, vault, door = refused_with(["AKIAKNOWN"])
    assert vault.asked == 1
    assert door._long_term.get("AKIAKNOWN") is None


def test_the_memory_for_sessions_is_bounded_by_size() -> None:
    """A token is as long as its session's policy and tags. A user without rights who has many filled the memory."""
    held = _HeldCredentials(2, 100)
    kept = [_Credential(name, "secret", None) for name in ("one", "two", "three")]
    for each in kept:
        held.keep(each.access_key, each)
    held.keep("x" * 98, kept[0])  # as large as all others may be together
    assert [held.get(name) for name in ("one", "two", "three")] == [None, None, None]


# -- signatures ---------------------------------------------------------------------------------------------------


def test_text_behind_the_signature(attacked: Installation, stranger: Stranger) -> None:
    """It was left out of every check, so that one signature had many headers."""
    headers = signed(attacked)
    for text in (", x=y", ",", "0"):
        stranger.send(sent(headers | {"Authorization": headers["Authorization"] + text}))
        status, told = stranger.answer()
        assert (status, json.loads(told)["__type"]) == (400, "IncompleteSignatureException")


def test_no_host(attacked: Installation, stranger: Stranger) -> None:
    """A request without Host, whose signature says that Host is empty, could be sent to any other server with the same
    key."""
    headers = sign("http://x", attacked.credentials(), BODY, operation="GenerateRandom", headers={"Host": ""})
    headers.pop("Host")
    stranger.send(sent(headers))
    status, told = stranger.answer()
    assert (status, json.loads(told)["__type"]) == (400, "InvalidSignatureException")
    assert "Host" in json.loads(told)["message"]


def test_a_session_token_that_is_the_access_key(attacked: Installation) -> None:
    """Text that is not a token was taken for one: a record would say that the call came with a session."""
    assert calls(attacked) == 200  # the credential is cached
    root = attacked.credentials()
    status, told = post_signed(
        attacked.url,
        sign(attacked.url, root | {"AWS_SESSION_TOKEN": root["AWS_ACCESS_KEY_ID"]}, BODY, operation="GenerateRandom"),
        BODY,
    )
    assert (status, told["__type"]) == (400, "UnrecognizedClientException")


# -- bytes that are no text -----------------------------------------------------------------------------------------------

_PLACES = (
    b"authorization: AWS4-HMAC-SHA256 Credential=A/1/%b/kms/aws4_request, SignedHeaders=host, Signature=" + b"0" * 64,
    b"authorization: AWS4-HMAC-SHA256 Credential=%b/1/us-east-1/kms/aws4_request, SignedHeaders=host, Signature="
    + b"0" * 64,
    b"authorization: AWS4-HMAC-SHA256 Credential=A/%b/us-east-1/%b/aws4_request, SignedHeaders=host, Signature="
    + b"0" * 64,
    b"authorization: AWS4-HMAC-SHA256 %b=a, Credential=A/1/us-east-1/kms/aws4_request, SignedHeaders=host, Signature="
    + b"0" * 64,
    b"authorization: AWS4-HMAC-SHA256 Credential=A/1/us-east-1/kms/aws4_request, SignedHeaders=host;%b, Signature="
    + b"0" * 64,
    b"authorization: AWS4-HMAC-SHA256 Credential=A/1/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=%b",
    b"authorization: %b",
    b"x-amz-date: %b",
    b"x-amz-target: TrentService.%b",
    b"x-amz-security-token: %b",
    b"user-agent: %b",
    b"%b: x",
)


@pytest.mark.parametrize("form", [b"application/x-amz-json-1.1", b"application/x-www-form-urlencoded"])
@pytest.mark.parametrize("line", [b"POST / HTTP/1.1", b"GET /v1/keys HTTP/1.1"])
def test_bytes_that_are_no_text_are_answered(attacked: Installation, line: bytes, form: bytes) -> None:
    """Every place of a worker, for good: the refusal quoted the byte and could not be written. The connection stayed,
    neither answered nor idle, and each wrote a line to the log."""
    before = _logged(attacked)
    for place in _PLACES:
        for odd in (b"\xff", b"\x80", b"\xc3\x28", b"\xed\xa0\x80"):
            header = place.replace(b"%b", odd)
            with Stranger(attacked.port, within=10) as stranger:
                stranger.send(
                    line + b"\r\nhost: x\r\ncontent-type: " + form + b"\r\n" + header + b"\r\ncontent-length: 0\r\n\r\n"
                )
                status, _ = stranger.answer()
                assert 400 <= status < 500, (header, status)
    assert _logged(attacked) == before


def _logged(installation: Installation) -> int:
    return sum(path.stat().st_size for path in (installation.data / "logs").glob("api-*.log"))

"""What an OTLP exporter promises (OpenTelemetry Protocol Specification, "OTLP/HTTP"), to a real server that fails in every way
that the specification names."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.otlp.messages import LOGS, TRACES, Frame, Signal, attributes, resource_of
from services.otlp.outbox import BATCH, PATIENCE, Outbox
from services.otlp.sender import (
    LONGEST_ANSWER,
    BadHeaders,
    Collector,
    CollectorAway,
    ExportAnswer,
    NotTaken,
    OtlpSender,
    headers_in,
    retry_after,
)
from services.settings import BadSetting, load
from services.supervisor.start_steps import read_files
from tests.certificates import make
from tests.collector import CollectorServer, Reply, values


class Item(msgspec.Struct):
    name: str
    attributes: msgspec.Raw = attributes({"a": "ä", "n": 2**53, "yes": True})


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    with CollectorServer() as server:
        yield server


@asynccontextmanager
async def sender(collector: CollectorServer, signal: Signal = TRACES, **more: object) -> AsyncIterator[OtlpSender]:
    found = OtlpSender(Collector(collector.url, **more), signal)  # type: ignore[arg-type]  # as the test gives them
    try:
        yield found
    finally:
        await found.close()


def message(signal: Signal = TRACES, count: int = 1) -> bytes:
    return Frame(signal, resource_of("api")).around([Item(f"item {number}") for number in range(count)])


@pytest.mark.parametrize("signal", [TRACES, LOGS])
async def test_a_message_arrives_at_its_signals_path(collector: CollectorServer, signal: Signal) -> None:
    async with sender(collector, signal, headers={"Authorization": "Bearer secret"}) as found:
        assert await found.send(message(signal, 2), 1) == 0
    [taken] = collector.taken
    assert (taken.path, taken.headers["Content-Type"], taken.headers["Authorization"]) == (
        signal.path,
        "application/json",
        "Bearer secret",
    )
    [by_resource] = taken.message[signal.by_resource]
    resource = values(by_resource["resource"]["attributes"])
    assert (resource["service.name"], resource["keytrail.process"]) == ("keytrail", "api")
    [by_scope] = by_resource[signal.by_scope]
    assert [each["name"] for each in by_scope[signal.items]] == ["item 0", "item 1"]
    assert values(by_scope[signal.items][0]["attributes"]) == {"a": "ä", "n": str(2**53), "yes": True}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_may_pass_is_tried_again(collector: CollectorServer, status: int) -> None:
    collector.replies = [Reply(status), Reply(status)]
    async with sender(collector) as found:
        assert await found.send(message(), 10) == 0
    assert (collector.asked, len(collector.taken)) == (3, 1)


async def test_it_waits_as_long_as_the_collector_asks(collector: CollectorServer) -> None:
    collector.replies = [Reply(429, (("Retry-After", "2"),))]
    began = time.monotonic()
    async with sender(collector) as found:
        await found.send(message(), 10)
    assert time.monotonic() - began >= 2
    assert collector.asked == 2


async def test_it_does_not_wait_longer_than_it_may(collector: CollectorServer) -> None:
    collector.replies = [Reply(503, (("Retry-After", "3600"),))]
    async with sender(collector) as found:
        with pytest.raises(CollectorAway, match="answered 503"):
            await found.send(message(), 5)
    assert collector.asked == 1


@pytest.mark.parametrize("asked", ["0", "Sun, 29 Nov 2026 11:00:00 GMT"])
async def test_a_collector_that_asks_for_no_pause_is_left_one(collector: CollectorServer, asked: str) -> None:
    """Otherwise each process of an installation would post as fast as it can, on the event loop that answers calls."""
    collector.judge = lambda message: Reply(503, (("Retry-After", asked),))
    async with sender(collector) as found:
        with pytest.raises(CollectorAway):
            await found.send(message(), 2)
    assert collector.asked <= 4


@pytest.mark.parametrize("status", [301, 400, 401, 413, 500])
async def test_any_other_refusal_is_final(collector: CollectorServer, status: int) -> None:
    collector.replies = [Reply(status, (("Location", "/elsewhere"),))]
    async with sender(collector) as found:
        with pytest.raises(NotTaken, match=str(status)):
            await found.send(message(), 10)
    assert collector.asked == 1


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}', 3),
        (b'{"partialSuccess":{"rejectedSpans":3}}', 3),
        (b'{"partialSuccess":{"rejectedSpans":"%b"}}' % (b"9" * 400), 2**63 - 1),
        (b'{"partialSuccess":{"rejectedSpans":1e308}}', 2**63 - 1),
        (b'{"partialSuccess":{}}', 0),
        (b'{"partialSuccess":null}', 0),
        (b"", 0),
        (b"[1]", 0),
        (b"\xff\xfe", 0),
    ],
)
async def test_a_partial_success_says_how_many_were_refused(
    collector: CollectorServer, said: bytes, refused: int
) -> None:
    collector.replies = [Reply(body=said)]
    async with sender(collector) as found:
        assert await found.send(message(), 10) == refused
    assert collector.asked == 1, "what was refused in part is not sent again"


LONG = b'{"message":"%b"}' % (b"x" * 2 * LONGEST_ANSWER)


@pytest.mark.parametrize("body", [LONG, LONG[:-2]])
@pytest.mark.parametrize(("status", "refusal"), [(400, NotTaken), (500, NotTaken), (503, CollectorAway)])
async def test_a_refusal_counts_however_much_it_says(
    collector: CollectorServer, status: int, refusal: type[Exception], body: bytes
) -> None:
    """One that quotes what it was sent, for instance: the message would be sent again without end."""
    collector.replies = [Reply(status, (("Retry-After", "7"),), body, declared=len(LONG))]
    async with sender(collector) as found:
        with pytest.raises(refusal, match=f"answered {status}"):
            await found.post(message(), 5)


async def test_a_refusal_that_stalls_is_one(collector: CollectorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be sent again without end as if nobody had answered, and what waits behind it would never come."""
    monkeypatch.setattr("services.otlp.sender.SAID_WITHIN", 1.5)
    collector.replies = [Reply(400, body=b"", declared=7, lingers=True)]
    async with sender(collector) as found:
        with pytest.raises(NotTaken, match="answered 400") as refused:
            await found.post(message(), 1)
    assert refused.value.said == ""


async def test_a_refusal_that_quotes_what_authorises_is_told_without_it(collector: CollectorServer) -> None:
    collector.replies = [Reply(401, body=b'{"message":"Authorization: Bearer hidden-token, no hidden-token"}')]
    async with sender(collector, headers={"Authorization": "Bearer hidden-token", "X-Tenant": "no"}) as found:
        with pytest.raises(NotTaken) as refused:
            await found.post(message(), 5)
    assert refused.value.said == "Authorization: [...], no [...]"


async def test_a_success_that_says_too_much_is_one(collector: CollectorServer) -> None:
    """Nobody knows how many it refused, but it has the message."""
    collector.replies = [Reply(body=LONG)]
    async with sender(collector) as found:
        assert await found.post(message()) == ExportAnswer()


@pytest.mark.parametrize(
    ("reply", "strange"),
    [
        (Reply(), ""),
        (Reply(body=b""), ""),
        (Reply(body=b' {"partialSuccess":null}\n'), ""),
        (Reply(204, body=b""), ""),
        (Reply(202, body=b""), "it answered 202, which is no answer of OTLP/HTTP: a collector says 200"),
        (Reply(201), "it answered 201, which is no answer of OTLP/HTTP: a collector says 200"),
        (
            Reply(200, (("Content-Type", "text/html; charset=utf-8"),), b"<html>We are back soon</html>"),
            "it answered 200 with text/html that is no answer of OTLP/HTTP in JSON: look what listens there",
        ),
        (
            Reply(200, (("Content-Type", "text/\x9b2Jhtml"),), b"soon"),
            "it answered 200 with something that is no answer of OTLP/HTTP in JSON: look what listens there",
        ),
        (
            Reply(200, (("Content-Type", "text/html"),), b"<!-- %b -->" % LONG),
            "it answered 200 with text/html that is no answer of OTLP/HTTP in JSON: look what listens there",
        ),
        (
            Reply(200, (("Content-Type", "application/json"),), b"[1]"),
            "it answered 200 with application/json that is no answer of OTLP/HTTP in JSON: look what listens there",
        ),
    ],
)
async def test_an_answer_says_whether_a_collector_would_give_it(
    collector: CollectorServer, reply: Reply, strange: str
) -> None:
    """OpenTelemetry Protocol Specification, "OTLP/HTTP Response": 200, in the encoding of the request. Loki says 204."""
    collector.replies = [reply]
    async with sender(collector) as found:
        assert await found.post(message()) == ExportAnswer(strange=strange)


async def test_a_collector_that_stalls_is_not_waited_for(collector: CollectorServer) -> None:
    collector.stalls = True
    async with sender(collector) as found:
        with pytest.raises(CollectorAway, match="did not answer"):
            await found.send(message(), 0.5)


async def test_a_collector_that_was_killed_is_tried_until_it_is_back() -> None:
    with CollectorServer() as killed:
        port = killed.port
        async with sender(killed) as found:
            await found.send(message(), 1)
            killed.kill()
            sending = asyncio.create_task(found.send(message(), math.inf))
            done, _ = await asyncio.wait({sending}, timeout=1)
            assert not done
            with CollectorServer(port) as back:
                assert await asyncio.wait_for(sending, 20) == 0
                assert len(back.taken) == 1


async def test_a_private_authority_vouches_for_the_collector(tmp_path: Path) -> None:
    own = make(tmp_path)
    with CollectorServer(certificate=own) as secure:
        async with sender(secure, ca=str(own[0])) as found:
            assert await found.send(message(), 5) == 0
        async with sender(secure) as found:
            with pytest.raises(CollectorAway, match="not trusted"):
                await found.post(message(), 5)
    with pytest.raises(OSError, match="No such file"):
        OtlpSender(Collector("https://localhost", ca=str(tmp_path / "nowhere")), TRACES)


NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("7", "", 7),
        (" 7 ", "", 7),
        ("Sun, 29 Nov 2026 12:00:07 GMT", "", 7),
        ("Sunday, 29-Nov-26 12:00:07 GMT", "", 7),
        ("Sun Nov 29 12:00:07 2026", "", 7),
        ("Sun, 29 Nov 2026 13:30:07 GMT", "Sun, 29 Nov 2026 13:30:00 GMT", 7),
        ("Sun, 29 Nov 2026 12:00:07 GMT", "yesterday", 7),
        ("Sun, 29 Nov 2026 11:00:00 GMT", "", 0),
        ("", "", None),
        ("-1", "", None),
        ("1.5", "", None),
        ("9999999", "", None),
        ("soon", "", None),
        ("Sun, 29 Nov 99999 12:00:07 GMT", "", None),
        ("Sun, 31 Feb 2026 12:00:07 GMT", "", None),
        ("\u0667", "", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_of_the_servers_clock(said: str, date: str, seconds: float | None) -> None:
    """RFC 9110, section 10.2.3; a date in each of the three forms of section 5.6.7."""
    assert retry_after({"Retry-After": said, "Date": date}, NOW) == seconds


@given(st.text() | st.from_regex(r"\w{3}, \d{1,20} Nov \d{1,20} [\d:]{1,20} ([A-Z]{3}|[+-]\d{1,20})"))
def test_no_text_of_a_server_ends_the_sender(said: str) -> None:
    found = retry_after({"Retry-After": said, "Date": said}, NOW)
    assert found is None or found >= 0


async def test_a_date_in_retry_after_is_waited_for(collector: CollectorServer) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    collector.replies = [Reply(503, (("Retry-After", until),))]
    async with sender(collector) as found:
        began = time.monotonic()
        assert await found.send(message(), 20) == 0
        assert time.monotonic() - began > 1.5
        collector.replies = [Reply(429, (("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"),))]
        with pytest.raises(CollectorAway) as away:
            await found.send(message(), 20)
        assert away.value.after is not None
        assert away.value.after > 1e10


def test_headers_are_those_of_the_standards_variable() -> None:
    assert headers_in("") == {}
    assert headers_in("Authorization=Basic%20YTpi, x-scope-orgid = one") == {
        "Authorization": "Basic YTpi",
        "x-scope-orgid": "one",
    }


@pytest.mark.parametrize(
    "text", ["secret", "=secret", "a b=secret", "a=secret%0d%0aHost: b", "Content-Length=secret", "a=secret%C3%A4"]
)
def test_headers_that_are_none_are_refused_without_their_secret(text: str) -> None:
    with pytest.raises(BadHeaders) as refused:
        headers_in(text)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(Collector("http://localhost", {"a": "secret"}))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"KEYTRAIL_TRACES_HEADERS": "secret"}, "KEYTRAIL_TRACES_HEADERS: each header is NAME=VALUE"),
        ({"KEYTRAIL_TRACES_CA": "/nowhere"}, "KEYTRAIL_TRACES_CA: /nowhere cannot be read"),
    ],
)
async def test_a_start_refuses_settings_of_traces_that_cannot_be_used(setting: dict[str, str], said: str) -> None:
    settings = load({"KEYTRAIL_TRACES_ENDPOINT": "https://localhost:4318"} | setting)
    with pytest.raises(BadSetting, match=said) as refused:
        await read_files(settings)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"KEYTRAIL_TRACES_ENDPOINT": "localhost:4318"},
        {"KEYTRAIL_TRACES_ENDPOINT": "http://user:secret@localhost:4318"},
        {"KEYTRAIL_TRACES_ENDPOINT": "http://localhost:4318/?token=secret"},
        {"KEYTRAIL_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"},
        {"KEYTRAIL_TRACES_RATIO": "1.01"},
        {"KEYTRAIL_TRACES_RATIO": "-0.1"},
        {"KEYTRAIL_TRACES_RATIO": "nan"},
    ],
)
def test_settings_of_traces_that_mean_nothing_are_refused(setting: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=next(iter(setting))):
        load(setting)


async def outbox(
    collector: CollectorServer, lost: Callable[[int], None], most: int = 10_000, patience: float = PATIENCE
) -> Outbox:
    sender = OtlpSender(Collector(collector.url), TRACES)
    return Outbox(sender, Frame(TRACES, resource_of("api")), lost, most, patience)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # the collector works in threads
            await asyncio.sleep(0.05)


def names(collector: CollectorServer) -> list[str]:
    return [span["name"] for span in collector.spans()]


async def test_what_waits_goes_in_batches_and_in_order(collector: CollectorServer) -> None:
    lost: list[int] = []
    waiting = await outbox(collector, lost.append)
    sending = asyncio.create_task(waiting.keep_sending())
    expected = [f"item {number}" for number in range(2 * BATCH + 1)]
    for name in expected:
        waiting.add(Item(name))
    await until(lambda: len(collector.taken) == 3)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await waiting.close()
    # A batch whose answer had not come when the process ended was sent once more.
    assert (list(dict.fromkeys(names(collector))), lost) == (expected, [])


async def test_what_has_no_place_is_lost_and_counted(collector: CollectorServer) -> None:
    lost: list[int] = []
    waiting = await outbox(collector, lost.append, most=10)
    for number in range(25):
        waiting.add(Item(f"item {number}"))
    await waiting.close()
    assert (names(collector), sum(lost)) == ([f"item {number}" for number in range(10)], 15)


async def test_what_is_sent_as_the_process_ends_arrives(collector: CollectorServer) -> None:
    lost: list[int] = []
    collector.replies = [Reply(503, (("Retry-After", "10"),))]
    waiting = await outbox(collector, lost.append)
    waiting.add(Item("item"))
    sending = asyncio.create_task(waiting.keep_sending())
    await until(lambda: collector.asked > 0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await waiting.close()
    assert (names(collector), lost) == (["item"], [])


async def test_a_process_does_not_end_later_for_a_collector_that_stalls(collector: CollectorServer) -> None:
    lost: list[int] = []
    collector.stalls = True
    waiting = await outbox(collector, lost.append)
    for _ in range(3 * BATCH):
        waiting.add(Item("item"))
    began = time.monotonic()
    await waiting.close()
    assert time.monotonic() - began < 4
    assert sum(lost) == 3 * BATCH


async def test_what_the_collector_refuses_is_counted(collector: CollectorServer) -> None:
    lost: list[int] = []
    collector.replies = [Reply(400), Reply(body=b'{"partialSuccess":{"rejectedSpans":"5"}}')]
    waiting = await outbox(collector, lost.append)
    for _ in range(2 * BATCH):
        waiting.add(Item("item"))
    await waiting.close()
    assert lost == [BATCH, 5]


async def test_a_collector_gets_no_other_batch_until_the_time_that_it_named(collector: CollectorServer) -> None:
    """Its answer is about the next batches too: each would be refused, and lost."""
    lost: list[int] = []
    waiting = await outbox(collector, lost.append, patience=1.0)
    collector.replies = [Reply(429, (("Retry-After", "3"),))]
    sending = asyncio.create_task(waiting.keep_sending())
    for _ in range(3 * BATCH):
        waiting.add(Item("item"))
    await until(lambda: waiting.away is not None)
    began = time.monotonic()
    await until(lambda: not waiting.next_batch())
    assert time.monotonic() - began > 2
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await waiting.close()
    assert (collector.asked, lost) == (3, [BATCH])


async def test_what_waits_as_the_process_ends_is_tried_once_though_the_collector_named_a_time(
    collector: CollectorServer,
) -> None:
    lost: list[int] = []
    waiting = await outbox(collector, lost.append, patience=1.0)
    collector.replies = [Reply(429, (("Retry-After", "3600"),))]
    sending = asyncio.create_task(waiting.keep_sending())
    for number in range(BATCH + 1):
        waiting.add(Item(f"item {number}"))
    await until(lambda: waiting.away is not None)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await waiting.close()
    assert (names(collector), lost, collector.asked) == ([f"item {BATCH}"], [BATCH], 2)

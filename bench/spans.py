"""What the spans of one call take of a processor, beside the call: `python -m bench spans`. Spans are made, encoded and sent in
loops, where everything is in the processor's caches; among calls they take up to twice as much (docs/performance.md)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import uvloop

from bench import load
from bench.installed import Installed, free_port, until
from services.alert_worker.judged_records import JudgedSpans
from services.kms_api.app import new_call_id
from services.otlp.messages import TRACES as SIGNAL
from services.otlp.outbox import Outbox
from services.otlp.sender import Collector, OtlpSender
from services.traces.ids import JUDGED, PROJECTED, REQUEST
from services.traces.spans import frame_of, record_attributes
from services.traces.tracer import TRACES, Tracer

CALLS = 20_000
RESOURCES = ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",)
AT = 1_785_000_000_000_000_000
SOME_CALL = new_call_id()
NOBODYS = JudgedSpans("decisions", 3)
MESSAGES, SPANS, CONNECTIONS = 200, 3, 16
ASKED_IN_API = 3
"""How often the API asks at an Encrypt whether calls are traced."""
Figure = tuple[str, str, str]


def _microseconds(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def _encrypt(tracer: Tracer) -> None:
    """What all processes together do for the spans of one Encrypt."""
    call = new_call_id()
    tracer.under_way[call] = ""
    tracer.decided(call, RESOURCES)
    tracer.called(call, "kms", "Encrypt", 200, "", "allowed", 0.001)
    for place in (PROJECTED, JUDGED):
        if tracer.samples(call):
            said = record_attributes("decisions", 3)
            tracer.followed(call, place, REQUEST, AT, AT, said, 360_000)


def _off() -> None:
    """What the API and the alert worker do at an Encrypt where no collector is named; the projector asks once for a batch."""
    for _ in range(ASKED_IN_API):
        if TRACES.tracer is not None:
            raise AssertionError("nobody traces here")
    NOBODYS.note(SOME_CALL, 0, 0)


async def _sent(url: str, message: bytes) -> float:
    """Microseconds of processor time to post a message, and to read that it was taken."""
    sender = OtlpSender(Collector(url), SIGNAL)
    await sender.post(message)
    began = time.process_time()
    for _ in range(MESSAGES):
        await sender.post(message)
    taken = time.process_time() - began
    await sender.close()
    return taken / MESSAGES * 1e6


def _posted(message: bytes) -> float:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    collector = subprocess.Popen([sys.executable, "-m", "bench.constant", str(port)])
    try:
        until(lambda: load.run(url, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 0.01).rate > 0)
        return uvloop.run(_sent(url, message))
    finally:
        collector.terminate()
        collector.wait()


def _of_a_call(installed: Installed, seconds: float) -> tuple[float, load.Result]:
    """Microseconds of processor time of an Encrypt, in all processes of an installation that traces nothing, followers
    included."""
    request = installed.encrypt_request()
    load.run(installed.url, request, CONNECTIONS, 2)
    installed.until_followed()
    before = installed.processor_seconds()
    time.sleep(seconds)
    idle = (installed.processor_seconds() - before) / seconds
    before, began = installed.processor_seconds(), time.monotonic()
    result = load.run(installed.url, request, CONNECTIONS, seconds)
    installed.until_followed()
    used = installed.processor_seconds() - before - idle * (time.monotonic() - began)
    return used / len(result.latencies) * 1e6, result


def spans(installed: Installed, seconds: float) -> list[Figure]:
    """All in processor time, so that other work of the machine hardly counts."""
    frame = frame_of("api")

    def outbox() -> Outbox:
        return Outbox(OtlpSender(Collector(installed.url), SIGNAL), frame, lambda lost: None, most=5 * CALLS)

    bare = _microseconds(new_call_id, CALLS)
    all_of_them, usual = outbox(), outbox()
    traced = _microseconds(partial(_encrypt, Tracer(all_of_them, 1)), CALLS) - bare
    sampled = _microseconds(partial(_encrypt, Tracer(usual, 0.01)), CALLS) - bare
    off = _microseconds(_off, CALLS)
    batch = all_of_them.next_batch()
    message = frame.around(batch)
    encoded = _microseconds(lambda: frame.around(batch), 200) / len(batch)
    sent = _posted(message) / len(batch)
    call, result = _of_a_call(installed, seconds)
    every = traced + SPANS * (encoded + sent)
    return [
        ("the three spans of an Encrypt, made", f"{traced:.1f} us", ""),
        ("  the same, one call in a hundred", f"{sampled:.2f} us", ""),
        ("a span, encoded", f"{encoded:.2f} us, {len(message) / len(batch):.0f} bytes", ""),
        (f"a span, sent in a message of {len(batch):,}", f"{sent:.2f} us", ""),
        ("traces that are off, at an Encrypt", f"{off:.2f} us", ""),
        ("  yardstick: an Encrypt in all processes, traces off", f"{call:.0f} us, {result.rate:,.0f}/s", ""),
        ("  share of the yardstick, every call traced", f"{every / call:.1%}", "at most 5%"),
        ("  share of the yardstick, off", f"{off / call:.2%}", "at most 1%"),
    ]

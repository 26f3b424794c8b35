"""What the spans of one call take of a processor, without any server: `python -m bench spans`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bench.installed import Installed
from domain.log.record import Decision
from services.kms_api.app import new_call_id
from services.otlp.messages import TRACES
from services.otlp.outbox import BATCH, Outbox
from services.otlp.sender import Collector, OtlpSender
from services.traces.ids import JUDGED, PROJECTED, REQUEST
from services.traces.spans import frame_of, record_attributes, request_attributes
from services.traces.tracer import Tracer

CALLS = 20_000
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
AT = 1_785_000_000_000_000_000
Figure = tuple[str, str, str]


def _microseconds(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def _encrypt(tracer: Tracer) -> None:
    """What all processes together do for the spans of one Encrypt."""
    call, decision = new_call_id(), Decision("allowed", resources=(KEY,))
    tracer.begin(call)
    tracer.decided(call, decision.resources)
    about = tracer.ended(call)
    if about is not None:
        said = request_attributes("kms", "Encrypt", 200, "", "allowed", about)
        tracer.answered(call, "Encrypt", 0.001, said, failed=False)
    for place in (PROJECTED, JUDGED):
        if tracer.samples(call):
            said = record_attributes("decisions", 3)
            tracer.followed(call, place, REQUEST, AT, AT, said, 360_000)


def spans(installed: Installed, seconds: float) -> list[Figure]:
    frame = frame_of("api")

    def outbox() -> Outbox:
        return Outbox(OtlpSender(Collector(installed.url), TRACES), frame, lambda lost: None, most=5 * CALLS)

    bare = _microseconds(new_call_id, CALLS)
    all_of_them, usual = outbox(), outbox()
    traced = _microseconds(partial(_encrypt, Tracer(all_of_them, 1)), CALLS) - bare
    sampled = _microseconds(partial(_encrypt, Tracer(usual, 0.01)), CALLS) - bare
    batch = all_of_them.next_batch()
    encoded = _microseconds(lambda: frame.around(batch), 200) / BATCH
    return [
        ("the three spans of an Encrypt, made", f"{traced:.1f} us", ""),
        ("  the same, one call in a hundred", f"{sampled:.2f} us", ""),
        ("a span, encoded", f"{encoded:.2f} us, {len(frame.around(batch)) / len(batch):.0f} bytes", ""),
    ]

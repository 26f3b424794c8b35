"""The spans that a process makes, and their parents. What the outbox sends is what waits in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from msgspec import Struct

from domain.log.own_commands import OURSELVES
from domain.log.record import Call, Decision
from projections.log.entry import DECISIONS, EVENTS, Entry
from services.alert_worker.judged_records import JudgedSpans
from services.otlp.messages import TRACES as SIGNAL
from services.otlp.outbox import Outbox
from services.otlp.sender import Collector, OtlpSender
from services.projector import projected_records
from services.traces import ids
from services.traces.ids import span_of, trace_of
from services.traces.spans import LONGEST_ARN, RequestSpan, TraceSpan, encoded, frame_of, record_attributes
from services.traces.tracer import OLDEST, TRACES, Tracer
from services.writer import decided_records
from services.writer.step import NewRecord
from tests.collector import values

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SAID = record_attributes(EVENTS, 0)
ALWAYS = "0b9c2f0e-4f3c-4a55-9cff-ffffffffffff"
"""A call that every ratio but 0 samples."""
SELDOM = "0b9c2f0e-4f3c-4a55-9c00-000000000000"
"""One that only the ratio 1 samples."""


class Traced:
    def __init__(self, ratio: float = 1) -> None:
        sender = OtlpSender(Collector("http://localhost:4318"), SIGNAL)
        self._outbox = Outbox(sender, frame_of("api"), lambda lost: None)
        self.tracer = Tracer(self._outbox, ratio)

    @property
    def waiting(self) -> list[Struct]:
        return self._outbox.next_batch()

    @property
    def spans(self) -> list[dict[str, Any]]:
        """What waits, as a collector reads it."""
        found: list[dict[str, Any]] = json.loads(encoded(cast("list[TraceSpan]", self.waiting)))
        return found


@pytest.fixture
def traced() -> Iterator[Traced]:
    """The tracer of this process for one test."""
    found = Traced()
    TRACES.tracer = found.tracer
    yield found
    TRACES.tracer = None


def call(principal: str, id: str = "") -> Call:
    return Call(id or str(uuid4()), "", principal, "111122223333", "", "", "ScheduleKeyDeletion", {})


def test_what_a_request_waits_for_is_part_of_it() -> None:
    traced, id = Traced(), str(uuid4())
    traced.tracer.begin(id)
    traced.tracer.awaited(id, (KEY, "another"), 5, SAID, 7)
    assert traced.tracer.ended(id) == KEY
    assert traced.tracer.ended(id) is None
    traced.tracer.answered(id, "Encrypt", 0.5, SAID, failed=False)
    waited, request = traced.spans
    assert (waited["parentSpanId"], request.get("parentSpanId")) == (request["spanId"], None)
    assert {waited["traceId"], request["traceId"]} == {trace_of(id)}
    assert int(request["endTimeUnixNano"]) - int(request["startTimeUnixNano"]) == 500_000_000
    assert values(waited["attributes"])["messaging.kafka.offset"] == "7"


def test_a_request_has_what_its_record_is_about() -> None:
    traced, id = Traced(), str(uuid4())
    traced.tracer.begin(id)
    traced.tracer.decided(id, (KEY,))
    assert (traced.tracer.ended(id), traced.spans) == (KEY, [])


@pytest.mark.parametrize(("status", "failed"), [(200, None), (499, None), (500, {"code": 2})])
def test_a_call_is_a_span_when_it_is_answered(status: int, failed: dict[str, int] | None) -> None:
    traced, id = Traced(), str(uuid4())
    traced.tracer.under_way[id] = ""
    traced.tracer.decided(id, (KEY,))
    traced.tracer.called(id, "kms", "Encrypt", status, "NotFoundException", "refused", 0.25)
    [span] = traced.spans
    assert (span["traceId"], span["spanId"]) == (trace_of(id), span_of(trace_of(id), ids.REQUEST))
    assert (span["name"], span["kind"], span.get("status")) == ("Encrypt", ids.SERVER, failed)
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 250_000_000
    assert values(span["attributes"]) == {
        "rpc.system": "aws-api",
        "rpc.service": "kms",
        "rpc.method": "Encrypt",
        "http.response.status_code": str(status),
        "keytrail.effect": "refused",
        "error.type": "NotFoundException",
        "aws.kms.key_arn": KEY,
    }
    assert traced.tracer.under_way == {}


def test_what_a_caller_names_does_not_wait_with_the_span() -> None:
    """A role's ARN may have 2,048 characters, and who may not assume it has it in the record of the refusal: 16,384 spans, which
    wait while the collector is away, held 134 MB of such texts."""
    traced, id = Traced(), str(uuid4())
    traced.tracer.under_way[id] = ""
    traced.tracer.decided(id, ("arn:aws:iam::111122223333:role/" + "\U0001f600" * 2000,))
    traced.tracer.called(id, "sts", "AssumeRole", 403, "AccessDenied", "refused", 0.25)
    [waiting] = traced.waiting
    assert isinstance(waiting, RequestSpan)
    assert len(waiting.resource) <= LONGEST_ARN
    assert "aws.kms.key_arn" not in values(traced.spans[0]["attributes"])


def test_what_the_api_does_by_itself_has_no_request() -> None:
    """A key that is made for a service, a code of an MFA device that is used and the count of refused attempts are calls with
    ids of their own."""
    traced, id, other = Traced(), str(uuid4()), str(uuid4())
    traced.tracer.awaited(id, (), 5, SAID, 7)
    traced.tracer.decided(other, ())
    assert [(each.get("parentSpanId"), each["spanId"]) for each in traced.spans] == [
        (None, span_of(trace_of(id), ids.WRITER_AWAITED)),
        (None, span_of(trace_of(other), ids.REQUEST)),
    ]


def test_a_call_that_is_not_sampled_leaves_nothing() -> None:
    traced = Traced(0.01)
    for id in (SELDOM, "", "call-1"):
        traced.tracer.begin(id)
        traced.tracer.decided(id, (KEY,))
        assert traced.tracer.ended(id) is None
    traced.tracer.under_way[SELDOM] = ""
    traced.tracer.called(SELDOM, "kms", "Encrypt", 200, "", "allowed", 0.25)
    assert (traced.spans, traced.tracer.under_way) == ([], {})
    traced.tracer.begin(ALWAYS)
    assert traced.tracer.ended(ALWAYS) == ""
    assert not Traced(0).tracer.samples(ALWAYS)


@pytest.mark.parametrize(("principal", "above"), [("arn:aws:iam::111122223333:root", True), (OURSELVES, False)])
def test_the_writer_decides_for_a_caller_or_by_itself(traced: Traced, principal: str, above: bool) -> None:
    made = call(principal)
    record = NewRecord(b"", [], None, made, Decision("allowed", resources=(KEY,)))
    decided_records.trace(record, decided_records.now(), 12)
    [span] = traced.spans
    assert span.get("parentSpanId") == (span_of(trace_of(made.id), ids.WRITER_AWAITED) if above else None)
    assert values(span["attributes"])["messaging.kafka.offset"] == "12"


def test_a_record_of_no_call_has_no_span(traced: Traced) -> None:
    decided_records.trace(NewRecord(b"", []), decided_records.now(), 12)
    assert traced.spans == []


def entry(topic: str, id: str | None, age: timedelta) -> Entry:
    document: dict[str, Any] = {"call": None if id is None else {"id": id}}
    return Entry(topic, 0, 3, datetime.now(UTC) - age, "us-east-1", document)


def test_rows_of_calls_have_spans_unless_the_past_is_read_again(traced: Traced) -> None:
    new, other, old = (str(uuid4()) for _ in range(3))
    found = [
        entry(EVENTS, new, timedelta(0)),
        entry(DECISIONS, other, OLDEST / 2),
        entry(EVENTS, old, OLDEST * 2),
        entry(EVENTS, None, timedelta(0)),
        Entry("alerts", 0, 3, datetime.now(UTC), "us-east-1", {}),
    ]
    projected_records.trace(traced.tracer, found, 5)
    assert [(each["traceId"], each["parentSpanId"]) for each in traced.spans] == [
        (trace_of(new), span_of(trace_of(new), ids.WRITER_DECIDED)),
        (trace_of(other), span_of(trace_of(other), ids.REQUEST)),
    ]


def test_judgements_have_spans_unless_the_past_is_read_again(traced: Traced) -> None:
    new, old = str(uuid4()), str(uuid4())
    now = int(datetime.now(UTC).timestamp() * 1e6)
    judged = JudgedSpans(DECISIONS, 2)
    judged.note(new, now, 3)
    judged.note(old, now - int(2 * OLDEST.total_seconds() * 1e6), 4)
    judged.note("", now, 5)
    assert traced.spans == [], "nothing is judged before the batch is"
    judged.end()
    assert [(each["traceId"], each["parentSpanId"]) for each in traced.spans] == [
        (trace_of(new), span_of(trace_of(new), ids.REQUEST))
    ]


def test_without_a_collector_nothing_is_noted() -> None:
    assert TRACES.tracer is None
    assert decided_records.now() == 0
    judged = JudgedSpans(DECISIONS, 2)
    judged.note(str(uuid4()), 0, 3)
    judged.end()

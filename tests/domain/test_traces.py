"""Ids of traces, sampling, and what a span says: pure functions, which every process has to agree on."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.log.record import Decision
from services.kms_api.app import new_call_id
from services.traces import ids, spans
from services.traces.spans import NOTHING_SAID, NOWHERE, TraceSpan, frame_of
from tests.collector import values

CALLS = st.uuids(version=4).map(str)
RATIOS = st.floats(0, 1)
TEXTS = st.text(max_size=60)
SHAPES = {
    "traceId": re.compile(r"[0-9a-f]{32}"),
    "spanId": re.compile(r"[0-9a-f]{16}"),
    "parentSpanId": re.compile(r"[0-9a-f]{16}"),
    "startTimeUnixNano": re.compile(r"\d+"),
    "endTimeUnixNano": re.compile(r"\d+"),
}
"""OTLP: ids are hexadecimal in JSON, and integers of 64 bits are text."""
OTHERS = {"name", "kind", "attributes", "status"}
NAMES = {
    *("rpc.system", "rpc.service", "rpc.method", "http.response.status_code", "http.request.method", "http.route"),
    *(
        "keytrail.effect",
        "keytrail.event",
        "keytrail.rule",
        "keytrail.severity",
        "keytrail.notifier",
        "keytrail.outcome",
    ),
    *("error.type", "aws.kms.key_arn", "messaging.system", "messaging.destination.name"),
    *("messaging.destination.partition.id", "messaging.kafka.offset"),
}
"""Every attribute that a span may have: docs/operations.md says so to operators."""


@given(CALLS)
def test_a_calls_id_is_its_traces_id(call: str) -> None:
    assert ids.trace_of(call) == UUID(call).hex


@given(CALLS, CALLS)
def test_the_spans_of_a_call_differ_and_are_the_same_for_every_process(call: str, alert: str) -> None:
    found = [ids.span_of(ids.trace_of(call), place) for place in ids.PLACES]
    found += [ids.span_of_alert(call, alert), ids.span_of_alert(call, alert, "siem", "0"), ids.span_of_alert(call, "b")]
    assert len(set(found)) == len(found)
    assert all(SHAPES["spanId"].fullmatch(each) and set(each) != {"0"} for each in found)
    assert found[: len(ids.PLACES)] == [ids.span_of(UUID(call).hex, place) for place in ids.PLACES]


def test_ids_do_not_change_from_version_to_version() -> None:
    """During an upgrade, processes of two versions make spans of one trace."""
    call = "0b9c2f0e-4f3c-4a55-9c0a-aabbccddeeff"
    assert ids.trace_of(call) == "0b9c2f0e4f3c4a559c0aaabbccddeeff"
    assert [ids.span_of(ids.trace_of(call), place) for place in ids.PLACES] == [
        f"0b9c2f0e4f3c000{number}" for number in range(1, 6)
    ]
    assert ids.span_of_alert(call, "a" * 32) == "d9699f06f3c77d13"


@given(CALLS, RATIOS)
def test_a_trace_is_sampled_by_its_last_56_bits(call: str, ratio: float) -> None:
    """OpenTelemetry, "TraceState: Probability Sampling": sampled if R >= T, where T = (1 - ratio) * 2**56."""
    random = int(ids.trace_of(call)[-14:], 16)
    assert (ids.end_of(call) >= ids.least_sampled(ratio)) == (random >= round((1 - ratio) * 2**56))


@given(CALLS, RATIOS, RATIOS)
def test_a_greater_ratio_samples_more(call: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert ids.end_of(call) < ids.least_sampled(less) or ids.end_of(call) >= ids.least_sampled(more)


@given(CALLS)
def test_all_calls_are_sampled_or_none(call: str) -> None:
    assert ids.end_of(call) >= ids.least_sampled(1)
    assert ids.end_of(call) < ids.least_sampled(0)


def test_a_hundredth_of_our_own_ids_is_sampled() -> None:
    """So many of 100,000 that a right generator misses once in a million million runs."""
    for made in (new_call_id, lambda: str(uuid4())):
        least = ids.least_sampled(0.01)
        assert 780 < sum(ids.end_of(made()) >= least for _ in range(100_000)) < 1220


def messages_spans(made: list[TraceSpan]) -> list[dict[str, Any]]:
    """The spans of a message, as a collector reads it."""
    [by_resource] = json.loads(frame_of("api").around(made))["resourceSpans"]
    assert values(by_resource["resource"]["attributes"])["keytrail.process"] == "api"
    [by_scope] = by_resource["scopeSpans"]
    assert by_scope["scope"]["name"] == "keytrail"
    found: list[dict[str, Any]] = by_scope["spans"]
    return found


SAID = st.one_of(
    st.builds(spans.request_attributes, *(st.sampled_from(each) for each in (("kms", "iam"), ("Encrypt", "none"))),
              st.sampled_from((200, 400)), st.sampled_from(("", "NotFoundException")), st.just("allowed"), TEXTS),
    st.builds(spans.decision_attributes, st.just("refused"), st.just("key-not-found"), TEXTS, st.just("")),
    st.builds(spans.record_attributes, st.sampled_from(("events", "decisions")), st.integers(0, 50)),
    st.builds(
        spans.with_position,
        st.builds(spans.decision_attributes, st.just("allowed"), st.just(""), TEXTS, st.just("key.created.v3")),
        st.just("events"), st.just(0),
    ),
    st.builds(spans.alert_attributes, st.just("grant-outside"), st.just("high")),
    st.builds(spans.message_attributes, st.just("grant-outside"), st.just("webhook"), st.just("delivered")),
    st.builds(spans.route_attributes, st.just("GET"), st.just("/v1/keys/{key}"), st.integers(200, 599)),
)  # fmt: skip


PARENTS = st.sampled_from((None, *ids.PLACES))
OFFSETS = st.just(NOWHERE) | st.integers(0, 2**63)
TIMES = st.integers(0, 3) | st.just(2**63)
"""Few, so that spans one after the other often have the same time."""
MADE = st.tuples(CALLS, st.sampled_from(ids.PLACES), TIMES, TIMES, SAID, PARENTS, OFFSETS, st.booleans())
Made = tuple[str, ids.SpanPlace, int, int, Any, ids.SpanPlace | None, int, bool]


@given(st.lists(MADE, min_size=1, max_size=5))
def test_a_message_is_otlp(made: list[Made]) -> None:
    found = messages_spans(
        [
            TraceSpan(call, place, began, ended, said, above, offset, "Encrypt" if failed else "", failed)
            for call, place, began, ended, said, above, offset, failed in made
        ]
    )
    for each, (call, place, began, ended, given_said, above, offset, failed) in zip(found, made, strict=True):
        trace = UUID(call).hex
        assert (each["traceId"], each["spanId"]) == (trace, ids.span_of(trace, place))
        assert (each["startTimeUnixNano"], each["endTimeUnixNano"]) == (str(began), str(ended))
        assert (each["name"], each["kind"]) == ("Encrypt" if failed else place.name, place.kind)
        assert each.get("parentSpanId") == (None if above is None else ids.span_of(trace, above))
        assert each.get("status") == ({"code": 2} if failed else None)
        assert set(each) <= set(SHAPES) | OTHERS
        assert all(SHAPES[name].fullmatch(value) for name, value in each.items() if name in SHAPES)
        said = each["attributes"]
        assert {attribute["key"] for attribute in said} <= NAMES
        assert len({attribute["key"] for attribute in said}) == len(said)
        assert all(set(attribute["value"]) < {"stringValue", "intValue", "boolValue"} for attribute in said)
        where = {} if offset == NOWHERE else {"messaging.kafka.offset": str(offset)}
        assert values(said) == values(json.loads(bytes(given_said))) | where


@given(CALLS, CALLS)
def test_an_alert_and_a_message_about_it_have_ids_of_their_own(call: str, alert: str) -> None:
    own, above = ids.span_of_alert(call, alert, "siem", "0"), ids.span_of_alert(call, alert)
    raised, notified = messages_spans(
        [
            TraceSpan(call, ids.RAISED, 1, 2, NOTHING_SAID, ids.JUDGED, own=above),
            TraceSpan(call, ids.NOTIFIED, 1, 2, NOTHING_SAID, own=own, parent=above),
        ]
    )
    assert (raised["spanId"], raised["parentSpanId"]) == (above, ids.span_of(UUID(call).hex, ids.JUDGED))
    assert (notified["spanId"], notified["parentSpanId"]) == (own, above)
    assert (raised["name"], notified["name"]) == ("alert", "notify")


@given(CALLS, st.text(min_size=36, max_size=36) | st.sampled_from(('"' * 36, "\\" * 36, "-" * 36, "call-1")))
def test_an_id_that_is_no_uuid_spoils_no_message(call: str, other: str) -> None:
    made = [TraceSpan(each, ids.REQUEST, 1, 2, NOTHING_SAID) for each in (other, call)]
    assert messages_spans(made)[-1]["traceId"] == UUID(call).hex


@given(st.one_of(TEXTS, TEXTS.map("arn:aws:kms:us-east-1:111122223333:key/{}".format), TEXTS.map("alias/{}".format)))
def test_no_text_of_a_caller_is_told_for_a_key(text: str) -> None:
    """A call that names a key which does not exist is on record with the caller's own words."""
    decision = Decision("refused", error={"kind": "key-not-found", "message": text}, resources=(text,))
    assert set(values(json.loads(bytes(spans.attributes_of(decision))))) == {"keytrail.effect", "error.type"}


@given(st.uuids(), st.sampled_from(("", "mrk-")), st.integers(0, 10**12 - 1))
def test_a_keys_arn_is_told(key: UUID, multi: str, account: int) -> None:
    name = f"mrk-{key.hex}" if multi else str(key)
    arn = f"arn:aws:kms:us-east-1:{account:012}:key/{name}"
    said = spans.attributes_of(Decision("allowed", resources=(arn,)), "key.created.v3")
    assert values(json.loads(bytes(said))) == {
        "keytrail.effect": "allowed",
        "keytrail.event": "key.created.v3",
        "aws.kms.key_arn": arn,
    }


def test_what_a_caller_calls_a_key_is_not_kept_either() -> None:
    """Attributes are kept by what they say: thousands of long names would take the place of keys, and much memory."""
    said = [
        spans.request_attributes("kms", "Encrypt", 400, "NotFoundException", "refused", each * 2000) for each in "ab"
    ]
    assert said[0] is said[1]
    decided = [spans.decision_attributes("refused", "key-not-found", each * 2000) for each in "ab"]
    assert decided[0] is decided[1]
    assert "a" * 2000 not in spans.ARNS


def test_of_many_keys_few_are_kept() -> None:
    arns = [f"arn:aws:kms:us-east-1:111122223333:key/mrk-{number:032x}" for number in range(spans.MOST_KEPT + 10)]
    assert [spans.told(each) for each in arns] == arns
    assert len(spans.ARNS) <= spans.MOST_KEPT

"""What a span says. Its attributes come from the functions here alone, and each is from a list of ours, a number, or the ARN of a
key: no plaintext, ciphertext, context, policy, token or name that a caller writes has a place.

Source: OpenTelemetry semantic conventions, RPC, messaging and AWS SDK spans; OTLP, `Span`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from domain.log.record import Decision
from services.otlp.messages import TRACES, AttributeValue, Frame, attributes, resource_of
from services.traces import ids
from services.traces.ids import SpanPlace

MOST_KEPT = 4096
"""Encoded attributes that a process keeps of each kind."""
KEY_ARN = re.compile(
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
"""What a caller calls a key may be anything, and so may what is on record of a key that does not exist. Only what has the form of
an id that Keytrail gives is told."""
LONGEST_ARN = 128
"""Characters. What is longer is no ARN of a key, and waits with no span: else callers decide how much memory spans take."""
ARNS: set[str] = set()
"""Those that were told, up to so many: a call asks for its key's, and to match it again would take ten times as long."""
LEAST_FAILED = 500
"""The least HTTP status of a request that the server did not answer as it should."""
NOWHERE = -1
"""The offset of a span that names no record."""
NOTHING_SAID = attributes({})
_OFFSET = b',{"key":"messaging.kafka.offset","value":{"intValue":"'


class SpanStatus(msgspec.Struct, gc=False, frozen=True):
    """OTLP, `Status`: 2 is an error."""

    code: int


_FAILED = SpanStatus(2)
_ENCODER = msgspec.json.Encoder()


class OtlpSpan(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """OTLP, `Span`. Times are nanoseconds since the epoch, as text, since they have 64 bits."""

    trace_id: str
    span_id: str
    name: str
    kind: int
    start_time_unix_nano: str
    end_time_unix_nano: str
    attributes: msgspec.Raw
    parent_span_id: str = ""
    status: SpanStatus | None = None


class TraceSpan(msgspec.Struct, gc=False):
    """A span until it is sent. It holds what its process had in its hands anyway. Ids and texts are made by `encoded`, for many
    spans one after the other: among calls each would take twice as long, and wait with all that belongs to it in the processor's
    caches. Times are nanoseconds since the epoch."""

    call: str
    place: SpanPlace
    began: int
    ended: int
    said: msgspec.Raw
    """Attributes, from a function below."""
    above: SpanPlace | None = None
    """None: this span has no parent, or `parent` is its id."""
    offset: int = NOWHERE
    """That of the record whose place `said` has."""
    name: str = ""
    """"" for the place's."""
    failed: bool = False
    own: str = ""
    parent: str = ""
    """Ids, where `place` and `above` do not say them."""


class RequestSpan(msgspec.Struct, gc=False):
    """The span of a call of KMS, IAM or STS in the API, until it is sent: every call has one, so its attributes wait too.
    `seconds`: how long it took."""

    call: str
    service: str
    operation: str
    status: int
    error: str
    effect: str
    resource: str
    seconds: float
    ended: int

    def whole(self) -> TraceSpan:
        said = request_attributes(self.service, self.operation, self.status, self.error, self.effect, self.resource)
        began, failed = self.ended - int(self.seconds * 1e9), self.status >= LEAST_FAILED
        return TraceSpan(self.call, ids.REQUEST, began, self.ended, said, None, NOWHERE, self.operation, failed)


def encoded(spans: Sequence[TraceSpan | RequestSpan]) -> bytes:
    """OTLP's list of `Span`. The records of one batch have their times and the beginning of their attributes in common: what the
    span before had too is not made again. `ids.trace_of` and `ids.span_of` are written out here, since calling them would be a
    seventh of the work."""
    found: list[OtlpSpan] = []
    began, begun, ended, end = -1, "", -1, ""
    place_said, opened = NOTHING_SAID, b""
    for waiting in spans:
        each = waiting.whole() if isinstance(waiting, RequestSpan) else waiting
        trace, place, above, said = each.call.replace("-", ""), each.place, each.above, each.said
        first = trace[:12]
        if each.began != began:
            began, begun = each.began, str(each.began)
        if each.ended != ended:
            ended, end = each.ended, str(each.ended)
        if each.offset >= 0:
            if said is not place_said:
                place_said, opened = said, bytes(said)[:-1] + _OFFSET
            said = msgspec.Raw(b'%b%d"}}]' % (opened, each.offset))
        parent = each.parent if above is None else first + above.digits
        status = _FAILED if each.failed else None
        own, name = each.own or first + place.digits, each.name or place.name
        found.append(OtlpSpan(trace, own, name, place.kind, begun, end, said, parent, status))
    return _ENCODER.encode(found)


def frame_of(process: str) -> Frame:
    """What stands around the spans of a process of this kind."""
    return Frame(TRACES, resource_of(process), encoded)


def told(resource: str) -> str:
    """The ARN of a key; "" for anything else, which is neither told nor kept: a caller may have written it."""
    if resource in ARNS:
        return resource
    if not KEY_ARN.fullmatch(resource):
        return ""
    if len(ARNS) >= MOST_KEPT:
        ARNS.clear()
    ARNS.add(resource)
    return resource


def request_attributes(
    service: str, operation: str, status: int, error: str, effect: str, resource: str
) -> msgspec.Raw:
    """`operation` is of our own list, `error` an AWS code or ""; of `resource` is only told the ARN of a key."""
    return _of_request(service, operation, status, error, effect, told(resource))


@lru_cache(MOST_KEPT)
def _of_request(service: str, operation: str, status: int, error: str, effect: str, key: str) -> msgspec.Raw:
    said: dict[str, AttributeValue] = {
        "rpc.system": "aws-api",
        "rpc.service": service,
        "rpc.method": operation,
        "http.response.status_code": status,
        "keytrail.effect": effect,
    }
    if error:
        said["error.type"] = error
    if key:
        said["aws.kms.key_arn"] = key
    return attributes(said)


@lru_cache(MOST_KEPT)
def route_attributes(method: str, route: str, status: int) -> msgspec.Raw:
    """A question to the audit API. `route` is a row's path, which has names where a request has the caller's words."""
    return attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})


def decision_attributes(effect: str, error: str, resource: str, event: str = "") -> msgspec.Raw:
    """What was decided. `error` is the kind of a refusal, `event` the type of the event that the call caused; of `resource` is
    only told the ARN of a key. The operation is not told: a record has it in the caller's words."""
    return _of_decision(effect, error, told(resource), event)


@lru_cache(MOST_KEPT)
def _of_decision(effect: str, error: str, key: str, event: str) -> msgspec.Raw:
    said: dict[str, AttributeValue] = {"keytrail.effect": effect}
    if error:
        said["error.type"] = error
    if event:
        said["keytrail.event"] = event
    if key:
        said["aws.kms.key_arn"] = key
    return attributes(said)


def attributes_of(decision: Decision, event: str = "") -> msgspec.Raw:
    error = "" if decision.error is None else decision.error["kind"]
    return decision_attributes(decision.effect, error, decision.resources[0] if decision.resources else "", event)


def with_position(said: msgspec.Raw, topic: str, partition: int) -> msgspec.Raw:
    """The same attributes, and where a record stands on Kafka but for its offset."""
    return msgspec.Raw(b"%b,%b" % (bytes(said)[:-1], bytes(record_attributes(topic, partition))[1:]))


@lru_cache(MOST_KEPT)
def record_attributes(topic: str, partition: int) -> msgspec.Raw:
    """Where a record stands on Kafka but for its offset. `topic` is its kind: events, decisions or alerts."""
    return attributes(
        {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
        }
    )


@lru_cache(MOST_KEPT)
def alert_attributes(rule: str, severity: str) -> msgspec.Raw:
    """An alert of `rule`; `severity` may also be "suppressed"."""
    return attributes({"keytrail.rule": rule, "keytrail.severity": severity})


@lru_cache(MOST_KEPT)
def message_attributes(rule: str, notifier: str, outcome: str) -> msgspec.Raw:
    """A message about an alert of `rule`, by a notifier of this kind (webhook or apprise)."""
    return attributes({"keytrail.rule": rule, "keytrail.notifier": notifier, "keytrail.outcome": outcome})

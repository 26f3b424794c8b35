"""What a span says. Its attributes come from the functions here alone, and each is from a list of ours, a number, or the ARN of a
key: no plaintext, ciphertext, context, policy, token or name that a caller writes has a place.

Source: OpenTelemetry semantic conventions, RPC, messaging and AWS SDK spans; OTLP, `Span`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from domain.log.record import Decision
from services.otlp.messages import AttributeValue, attributes

MOST_KEPT = 4096
"""Encoded attributes that a process keeps of each kind."""
KEY_ARN = re.compile(
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
"""What a caller calls a key may be anything, and so may what is on record of a key that does not exist. Only what has the form of
an id that Keytrail gives is told."""


class SpanStatus(msgspec.Struct, gc=False, frozen=True):
    """OTLP, `Status`: 2 is an error."""

    code: int


FAILED = SpanStatus(2)


class TraceSpan(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
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


def told(resource: str) -> str:
    """The ARN of a key; "" for anything else, which is neither told nor kept: a caller may have written it."""
    return resource if KEY_ARN.fullmatch(resource) else ""


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


def with_position(said: msgspec.Raw, topic: str, partition: int, offset: int) -> msgspec.Raw:
    """The same attributes, and where the record stands on Kafka."""
    return msgspec.Raw(b'%b,%b%d"}}]' % (bytes(said)[:-1], _place(topic, partition), offset))


def record_attributes(topic: str, partition: int, offset: int) -> msgspec.Raw:
    """Where a record stands on Kafka. `topic` is its kind: events, decisions or alerts."""
    return msgspec.Raw(b'[%b%d"}}]' % (_place(topic, partition), offset))


@lru_cache(MOST_KEPT)
def alert_attributes(rule: str, severity: str) -> msgspec.Raw:
    """An alert of `rule`; `severity` may also be "suppressed"."""
    return attributes({"keytrail.rule": rule, "keytrail.severity": severity})


@lru_cache(MOST_KEPT)
def message_attributes(rule: str, notifier: str, outcome: str) -> msgspec.Raw:
    """A message about an alert of `rule`, by a notifier of this kind (webhook or apprise)."""
    return attributes({"keytrail.rule": rule, "keytrail.notifier": notifier, "keytrail.outcome": outcome})


@lru_cache(MOST_KEPT)
def _place(topic: str, partition: int) -> bytes:
    said = attributes(
        {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.kafka.offset": 0,
        }
    )
    return bytes(said)[1:].removesuffix(b'0"}}]')

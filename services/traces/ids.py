"""The ids of a trace and of its spans, which follow from the call's id alone, and whether a trace is sampled.

A call's id is a UUID of version 4, so its last 56 bits are random, as the sampling of traces needs them.
Source: W3C Trace Context, Level 2, "Random Trace ID Flag"; OpenTelemetry, "TraceState: Probability Sampling".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpanPlace:
    """Where in a trace a span stands: the last four digits of its id, its name and OTLP's `SpanKind`. A call has each once."""

    digits: str
    name: str
    kind: int


SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
REQUEST = SpanPlace("0001", "record", SERVER)
"""From the request's last byte to its answer, in the API. It has the operation's name; this one is of a call that the API makes
of its own accord."""
WRITER_AWAITED = SpanPlace("0002", "await writer", PRODUCER)
"""From the command to its record, in the API."""
WRITER_DECIDED = SpanPlace("0003", "decide", CONSUMER)
"""From the command to the record that is read back, in the writer."""
PROJECTED = SpanPlace("0004", "project", CONSUMER)
"""From the record that was read to the row, in the projector."""
JUDGED = SpanPlace("0005", "judge", CONSUMER)
"""From the record that was read to its alerts, in the alert worker."""
PLACES = (REQUEST, WRITER_AWAITED, WRITER_DECIDED, PROJECTED, JUDGED)
RAISED = SpanPlace("", "alert", PRODUCER)
NOTIFIED = SpanPlace("", "notify", CLIENT)
"""A call has any number of these, so they have ids of their own (`span_of_alert`)."""

CALL_ID = 36
"""Characters of a UUID: 8-4-4-4-12 digits."""
NEVER = "~"
"""Greater than every digit."""
END = slice(-15, None)
"""Where `end_of` stands in a call's id: the tracer asks it of every call, where a call of a function counts."""
_RANDOM_BITS = 56


def trace_of(call: str) -> str:
    return call.replace("-", "")


def span_of(trace: str, place: SpanPlace) -> str:
    """The id of the span of a trace at this place. Twelve digits are the call's own, and random, so no two spans of an
    installation are likely to share an id."""
    return trace[:12] + place.digits


def span_of_alert(call: str, alert: str, *message: str) -> str:
    """The id of the span of an alert, since a call may raise several; with the notifier and the number of the attempt, that of a
    message about it."""
    return hashlib.sha256(" ".join((call, alert, *message)).encode()).hexdigest()[:16]


def least_sampled(ratio: float) -> str:
    """The least end of a call's id of which the trace is sampled: ids of this length compare as the numbers do that they are."""
    least = round((1 - ratio) * 2**_RANDOM_BITS)
    if least >= 2**_RANDOM_BITS:
        return NEVER
    digits = f"{least:014x}"
    return f"{digits[:2]}-{digits[2:]}"


def end_of(call: str) -> str:
    """What `least_sampled` is compared with: the last 56 bits, with the dash that stands among them."""
    return call[END]

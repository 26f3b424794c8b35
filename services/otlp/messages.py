"""The message of an export: who reports (a resource), and a list of items, which are spans or log records.

A message's frame is encoded once, and its items all at once. opentelemetry-sdk, which makes and sends such messages too, takes
36 us for a span and its encoding, 2.6 us for one that is not sampled, and 14 MB in each process; here a span and its encoding
take 2 us (docs/performance.md#traces).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import msgspec

AttributeValue = str | int | bool
SERVICE = "keytrail"


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of message: the path behind a collector's address, and the names of its members."""

    path: str
    by_resource: str
    by_scope: str
    items: str
    rejected: str
    """The member of a partial success that says how many items the collector refused."""


TRACES = Signal("/v1/traces", "resourceSpans", "scopeSpans", "spans", "rejectedSpans")
LOGS = Signal("/v1/logs", "resourceLogs", "scopeLogs", "logRecords", "rejectedLogRecords")


def attribute(key: str, value: AttributeValue) -> dict[str, object]:
    """A `KeyValue`. An integer of 64 bits is text in this encoding."""
    match value:
        case bool():
            return {"key": key, "value": {"boolValue": value}}
        case int():
            return {"key": key, "value": {"intValue": str(value)}}
        case str():
            return {"key": key, "value": {"stringValue": value}}


def attributes(values: Mapping[str, AttributeValue]) -> msgspec.Raw:
    """A list of `KeyValue`, encoded: whoever has the same attributes again keeps it."""
    return msgspec.Raw(_ENCODER.encode([attribute(key, value) for key, value in values.items()]))


def resource_of(process: str) -> dict[str, AttributeValue]:
    """Who reports: this process, which is of the kind `process` (semantic conventions, "Resource"). Each call names another
    instance, so a process asks once."""
    return {
        "service.name": SERVICE,
        "service.version": _version(),
        "service.instance.id": str(uuid4()),
        "host.name": os.uname().nodename,
        "process.pid": os.getpid(),
        "keytrail.process": process,
    }


_ENCODER = msgspec.json.Encoder()


class Frame:
    """What stands around the items of every message of one process and signal. `encode` makes a list in JSON of them. Without it
    they are structures in the shape of OTLP."""

    def __init__(
        self,
        signal: Signal,
        resource: Mapping[str, AttributeValue],
        encode: Callable[[Sequence[Any]], bytes] = _ENCODER.encode,
    ) -> None:
        self.signal, self._encode = signal, encode
        who = _ENCODER.encode({"attributes": [attribute(key, value) for key, value in resource.items()]})
        scope = _ENCODER.encode({"name": SERVICE, "version": _version()})
        self._before = b'{"%b":[{"resource":%b,"%b":[{"scope":%b,"%b":' % (
            signal.by_resource.encode(),
            who,
            signal.by_scope.encode(),
            scope,
            signal.items.encode(),
        )

    def around(self, items: Sequence[msgspec.Struct]) -> bytes:
        """The whole message with these items."""
        return b"%b%b}]}]}" % (self._before, self._encode(items))


@cache
def _version() -> str:
    return version(SERVICE)

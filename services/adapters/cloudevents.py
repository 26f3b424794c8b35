"""CloudEvents attributes as Kafka headers (CloudEvents 1.0, Kafka protocol binding, binary content mode)."""

from __future__ import annotations

from functools import lru_cache

from domain.ports import Headers


def headers(identity: str, log: str, kind: str, at: str) -> Headers:
    """The headers of a record. `kind` is the event's wire name, or `call.answered` or `call.decided` for a call that caused
    no event."""
    return [*_same(log, kind), ("ce_id", identity.encode()), ("ce_time", at.encode())]


def of_event(log: str, call: str | None, previous: str, event: str | None, at: str) -> Headers:
    """The headers of a record of `events`; `event` is its event's wire name."""
    return headers(call or previous or "first", log, event or "call.answered", at)


def of_decision(log: str, call: str, at: str) -> Headers:
    """The headers of a record of `decisions`."""
    return headers(call, log, "call.decided", at)


@lru_cache(maxsize=64)
def _same(log: str, kind: str) -> Headers:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", f"urn:keytrail:{log}".encode()),
        ("ce_type", f"keytrail.{kind}".encode()),
        ("content-type", b"application/json"),
    )

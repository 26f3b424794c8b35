"""CloudEvents attributes as Kafka headers (CloudEvents 1.0, Kafka protocol binding, binary content mode)."""

from __future__ import annotations

from functools import lru_cache


def headers(identity: str, log: str, kind: str, at: str) -> dict[str, str]:
    """`kind` is the event's wire name, or `call.answered` and `call.decided` where a call caused none."""
    return {**_same(log, kind), "ce_id": identity, "ce_time": at}


@lru_cache(maxsize=64)
def _same(log: str, kind: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_source": f"urn:keytrail:{log}",
        "ce_type": f"keytrail.{kind}",
        "content-type": "application/json",
    }

"""CloudEvents attributes as Kafka headers (CloudEvents 1.0, Kafka protocol binding, binary content mode)."""

from __future__ import annotations


def headers(identity: str, log: str, kind: str, at: str) -> dict[str, str]:
    """`kind` is the event's wire name, or `call.answered` and `call.decided` where a call caused none."""
    return {
        "ce_specversion": "1.0",
        "ce_id": identity,
        "ce_source": f"urn:keytrail:{log}",
        "ce_type": f"keytrail.{kind}",
        "ce_time": at,
        "content-type": "application/json",
    }

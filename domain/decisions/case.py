"""The basis of a decision, without what belongs to one call only. Thousands of calls share one case.

A case holds the caller, the credential, the answer and the key material that was used. It also holds everything that
the evaluator read of the request and its resources. The time of the call is left out (`timed` puts it back): hardly any
policy reads it, and with it no two calls would be alike.
"""

from __future__ import annotations

from typing import Any

from domain.log.codec import rfc3339
from domain.log.record import Document

TIME, EPOCH = "aws:currenttime", "aws:epochtime"
READS_TIME = (TIME, EPOCH)


def case_of(record: Document) -> dict[str, Any] | None:
    """The case of a parsed record of `events` or `decisions`; None for what Keytrail did itself without deciding."""
    call, decision = record["call"], record["decision"]
    if call is None or decision is None:
        return None
    inputs = decision["inputs"]
    error = decision["error"]
    result: dict[str, Any] = {
        "principal": call["principal"],
        "account": call["account"],
        "access_key": call["access_key"],
        "operation": call["operation"],
        "effect": decision["effect"],
        "kind": decision.get("kind", ""),
        "error": error["kind"] if error else None,
        "reasons": decision["reasons"],
        "resources": decision["resources"],
    }
    if decision.get("materials"):
        result["materials"] = decision["materials"]
    if call.get("session") is not None:
        result["session"] = call["session"]
    if call.get("via") is not None:
        result["via"] = call["via"]
    if record.get("repeats"):
        result["repeats"] = True
    if inputs:
        context = inputs.get("context")
        if context and context.get(TIME) == [f"{record['at'][:19]}.000000Z"]:
            context = dict(context)
            del context[TIME]
            context.pop(EPOCH, None)
            inputs = {**inputs, "context": context}
        result["inputs"] = inputs
    return result


def timed(at: int) -> dict[str, tuple[str, ...]]:
    """What a case's context had about the time, for a call at `at` (microseconds since the epoch)."""
    second = at // 1_000_000
    return {TIME: (rfc3339(second * 1_000_000),), EPOCH: (str(second),)}

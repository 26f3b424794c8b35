"""A grant to a principal of the account who could not use the key before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.grantee import NOT_USE, account_of, caller, cannot


def judge(change: Change) -> Iterator[Finding]:
    """Asked of the evaluator, over key policy, identity policies and the grants that there were."""
    key, event = change.key, change.event
    if key is None or account_of(event.grantee) != key.account:
        return
    who = caller(change, event.grantee)
    operations = [each for each in event.operations if each not in NOT_USE and each != "CreateGrant"]
    new = operations if who is None else cannot(who, operations, change.world.resource(key))
    if new:
        summary = f"{event.grantee} could not do this before: {', '.join(new)}"
        evidence = {"operations": new, "constraints": dict(event.constraints), "granted_by": change.who}
        yield Finding(event.grant, summary, about=(event.grantee,), evidence=evidence, **on_key(key))

"""A grant to a principal of the account who could not use the key before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.grantee import NOT_USE, account_of, caller, cannot
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.events import GrantCreated


def judge(change: Change) -> Iterator[Finding]:
    """Asks the evaluator, with the key policy, the identity policies and the earlier grants."""
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


RULE = AlertRule(
    id="grant-new-access",
    title="Grant to a principal who could not use the key",
    severity=HIGH,
    means="No key policy, identity policy or earlier grant allowed this principal to do it.",
    do="Find out who made it (`keytrail history KEY`); revoke it if nobody wanted it.",
    references=("T1098.003",),
    kind=OnChange(judge, on=(GrantCreated,)),
)

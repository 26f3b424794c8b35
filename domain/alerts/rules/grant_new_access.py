"""A grant to a principal of the account who could not use the key before, or only under other conditions."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.grantee import NOT_USE, GivenAccess, caller
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.arn import account_in
from domain.log.events import GrantCreated


def judge(change: Change) -> Iterator[Finding]:
    """Asks the evaluator, with the key policy, the identity policies and the earlier grants."""
    key, event = change.key, change.event
    if key is None or account_in(event.grantee) != key.account:
        return
    who = caller(change, event.grantee)
    operations = [each for each in event.operations if each not in NOT_USE and each != "CreateGrant"]
    nobody: dict[str, list[str] | None] = {each: [] for each in operations}
    new = nobody if who is None else GivenAccess(change, who).new(operations, change.world.resource(key))
    if new:
        free_of = sorted({key for keys in new.values() for key in keys or ()})
        summary = f"{event.grantee} {_in_words(new)}"
        evidence = {"operations": list(new), "constraints": dict(event.constraints), "granted_by": change.who}
        evidence |= {"free_of": free_of} if free_of else {}
        yield Finding(event.grant, summary, about=(event.grantee,), evidence=evidence, **on_key(key))


def _in_words(new: dict[str, list[str] | None]) -> str:
    known = {name: keys for name, keys in new.items() if keys is not None}
    listed = ", ".join(f"{name} without {' and '.join(keys)}" if keys else name for name, keys in known.items())
    unknown = ", ".join(name for name in new if name not in known)
    parts = [f"could not do this before: {listed}"] if known else []
    parts += (
        [f"may not have been able to do this before, which takes too many steps to say: {unknown}"] if unknown else []
    )
    return "; ".join(parts)


RULE = AlertRule(
    id="grant-new-access",
    title="Grant to a principal who could not use the key",
    severity=HIGH,
    means="No key policy, identity policy or earlier grant allowed this principal to do it, or only under conditions that the "
    "grant does not ask for.",
    do="Find out who made it (`keytrail history KEY`); revoke it if nobody wanted it.",
    references=("T1098.003",),
    kind=OnChange(judge, on=(GrantCreated,)),
)

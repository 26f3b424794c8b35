"""A grant gives back what a policy change just took."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.grantee import NOT_USE, GivenAccess, caller
from domain.alerts.numbers import Number, Numbers
from domain.alerts.rule import AlertRule, OnMeasuredChange
from domain.alerts.severities import HIGH
from domain.authorization.question import Resource
from domain.durations import DAY_SECONDS, SECOND_MICROS
from domain.log.events import GrantCreated
from domain.policy.compile import compile_key_policy

REMEMBERED = Number("seconds", DAY_SECONDS, "for so long after a policy change a grant must not give back what it took")


def judge(change: Change, numbers: Numbers) -> Iterator[Finding]:
    """Compares with policies that were replaced lately: what did one of them allow the grantee that the policy in force
    does not?"""
    key, event = change.key, change.event
    if key is None:
        return
    since = change.at - numbers[REMEMBERED] * SECOND_MICROS
    recent = [each for each in change.facts.versions if each.until >= since]
    who = caller(change, event.grantee) if recent else None
    if who is None:
        return
    operations = [each for each in event.operations if each not in NOT_USE]
    given, now = GivenAccess(change, who), change.world.resource(key)
    new = list(given.new(operations, now))
    for each in sorted(recent, key=lambda version: -version.version) if new else ():
        policy = compile_key_policy(each.text, key.arn, each.version, each.principals)
        back = given.back(new, Resource(key.arn, key.account, policy, key.resource.context, {}), now)
        if back:
            summary = (
                f"{event.grantee} gets back what version {each.version} of the policy let it do: {', '.join(back)}"
            )
            evidence = {"operations": back, "version": each.version, "granted_by": change.who}
            yield Finding(event.grant, summary, about=(event.grantee,), evidence=evidence, **on_key(key))
            return


RULE = AlertRule(
    id="grant-gives-back",
    title="Grant gives back what a policy change took",
    severity=HIGH,
    means="A policy change has just removed this access; the grant gives it back.",
    do="Revoke the grant, or ask the policy's author to agree to it.",
    references=("T1098.003",),
    kind=OnMeasuredChange(judge, on=(GrantCreated,), numbers=(REMEMBERED,)),
)

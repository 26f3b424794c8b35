"""A role's trust policy newly lets another account assume it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.replaced_trust import replaced_trust
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.arn import parse_arn, root_arn
from domain.log.identity_events import RoleCreated, TrustReplaced
from domain.policy.compile import CompiledStatement, compile_trust_policy
from domain.policy.parse import TRUST, parse_policy

ASSUME = "sts:assumerole"
STRANGER = "999999999999"


def judge(change: Change) -> Iterator[Finding]:
    """Asks about everyone whom the new policy names, and about a stranger."""
    event = change.event
    replaced = replaced_trust(change)
    role, before = replaced.role, replaced.before
    new = admitted(event.trust, event.account, role) - (admitted(before, event.account, role) if before else set())
    if new:
        who = sorted(new)
        summary = f"{', '.join('anyone' if each == '*' else each for each in who)} may assume {role}"
        evidence = {"trust": event.trust, "by": change.who}
        yield Finding(role, summary, event.account, about=tuple(who), evidence=evidence)


def admitted(text: str, account: str, role: str) -> set[str]:
    """The names of other accounts' principals that may assume the role under some condition; `*` for everyone."""
    policy = parse_policy(text, TRUST)
    names = {name for each in policy.statements if each.principal is not None for name in each.principal.names}
    rules = compile_trust_policy(text, role, 1, {}).statements
    found = set()
    for name in [*sorted(names), f"arn:aws:iam::{STRANGER}:user/stranger"]:
        arn = parse_arn(name)
        if arn is None or arn.account == account:
            continue
        means = {name: 1, root_arn(arn.account): 1}
        if any(not rule.denies and _speaks(rule, means) for rule in rules) and not any(
            rule.denies and not rule.tests and _speaks(rule, means) for rule in rules
        ):
            found.add("*" if arn.account == STRANGER and name not in names else name)
    return {"*"} if "*" in found else found


def _speaks(rule: CompiledStatement, means: dict[str, int]) -> bool:
    return rule.acts is not None and rule.acts(ASSUME) and (rule.who is None or bool(rule.who(means)))


RULE = AlertRule(
    id="role-trust-outside",
    title="Role trust opened to another account",
    severity=HIGH,
    means="A principal of another account can assume this role, with all its permissions.",
    do="Require sts:ExternalId, or name the one role that needs access, if any does.",
    references=("T1199", "T1484.002"),
    kind=OnChange(judge, on=(TrustReplaced, RoleCreated)),
)

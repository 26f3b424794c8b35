"""A role's trust policy newly admits everybody to whom an OpenID Connect provider gives a token."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.replaced_trust import replaced_trust
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.identity_events import RoleCreated, TrustReplaced
from domain.policy.glob import compile_glob
from domain.policy.parse import TRUST, Statement, parse_policy

FEDERATED, ACTION, SUBJECT = "Federated:", "sts:assumerolewithwebidentity", ":sub"
LIMITING = frozenset({"stringequals", "stringequalsignorecase", "stringlike"})
"""The operators with which a condition names subjects. Without `IfExists`: a token always has a subject."""
ANY_PROVIDER = "any provider of the account"
"""Whose tokens are admitted where the principal is `*`."""


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    replaced = replaced_trust(change)
    new = admitted(event.trust) - (admitted(replaced.before) if replaced.before else set())
    if new:
        providers = sorted(new)
        summary = f"Everybody with a token of {', '.join(providers)} may assume {replaced.role}"
        evidence = {"trust": event.trust, "by": change.who}
        yield Finding(replaced.role, summary, event.account, about=(replaced.role,), evidence=evidence)


def admitted(text: str) -> set[str]:
    """The providers (ARNs, or ANY_PROVIDER) whose tokens are admitted whatever their subject."""
    found = set()
    for statement in parse_policy(text, TRUST).statements:
        if statement.effect == "Allow" and _acts(statement) and not _names_subjects(statement):
            names = statement.principal.names if statement.principal is not None else ()
            if statement.principal is not None and statement.principal.anyone:
                found.add(ANY_PROVIDER)
            found |= {name.removeprefix(FEDERATED) for name in names if name.startswith(FEDERATED)}
    return found


def _acts(statement: Statement) -> bool:
    if statement.action is None:
        return ACTION not in {each.lower() for each in statement.not_action or ()}
    return any(compile_glob(each.lower())(ACTION) for each in statement.action)


def _names_subjects(statement: Statement) -> bool:
    for operator, keys in (statement.condition or {}).items():
        if operator.lower().rpartition(":")[2] in LIMITING:
            for key, values in keys.items():
                if key.lower().endswith(SUBJECT) and not any(_is_anything(value) for value in values):
                    return True
    return False


def _is_anything(value: str) -> bool:
    """Whether every subject may fit: wildcards alone, or a variable, which may be the subject itself."""
    return set(value) <= {"*", "?"} or "${" in value


RULE = AlertRule(
    id="role-trust-any-subject",
    title="Role trust admits every subject of a provider",
    severity=HIGH,
    means="The trust policy has no condition on the token's subject (`ISSUER:sub`). Of a provider that many share, such as a CI "
    "service, anybody can get a token for the right audience.",
    do="Add a condition StringEquals on `ISSUER:sub` that names the one workload or person.",
    references=("T1199", "T1484.002"),
    kind=OnChange(judge, on=(TrustReplaced, RoleCreated)),
)

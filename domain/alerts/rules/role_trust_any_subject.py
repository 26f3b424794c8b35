"""A role's trust policy newly admits everybody to whom an OpenID Connect provider gives a token."""

from __future__ import annotations

import re
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
LIKE = "stringlike"
LIMITING = frozenset({"stringequals", "stringequalsignorecase", LIKE})
"""The operators with which a condition names subjects. Without `IfExists`: a token always has a subject."""
OF_CALLERS = ("aws:", "sts:")
"""Beginnings of keys that are no issuer's."""
OPEN_TEXT, OPEN_PATTERN = re.compile(r"\$\{"), re.compile(r"\$\{|[*?]")
"""Where a text is left open: at a policy variable, which may be the subject itself; in a pattern, at a wildcard too."""
SEPARATOR, UUID = re.compile("[:/]"), re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KUBERNETES = "system:"
"""Every service account's subject begins with two words: `system:serviceaccount:NAMESPACE:NAME`."""
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
        if statement.effect == "Allow" and statement.principal is not None and _acts(statement):
            limited = _issuers_with_named_subjects(statement)
            if statement.principal.anyone and not limited:
                found.add(ANY_PROVIDER)
            names = (each.removeprefix(FEDERATED) for each in statement.principal.names if each.startswith(FEDERATED))
            found |= {name for name in names if issuer_of(name).lower() not in limited}
    return found


def issuer_of(provider: str) -> str:
    return provider.partition(":oidc-provider/")[2] or provider


def _acts(statement: Statement) -> bool:
    if statement.action is None:
        return ACTION not in {each.lower() for each in statement.not_action or ()}
    return any(compile_glob(each.lower())(ACTION) for each in statement.action)


def _issuers_with_named_subjects(statement: Statement) -> set[str]:
    """The issuers, in lower case, whose tokens' subjects the statement names. Other keys that end alike, such as a session tag,
    say nothing of a token: whoever asks for the role may choose them."""
    return {
        key.lower().removesuffix(SUBJECT)
        for operator, keys in (statement.condition or {}).items()
        if (name := operator.lower().rpartition(":")[2]) in LIMITING
        for key, values in keys.items()
        if key.lower().endswith(SUBJECT) and not key.lower().startswith(OF_CALLERS)
        if all(names_subjects(value, wild=name == LIKE) for value in values)
    }


def names_subjects(wanted: str, *, wild: bool) -> bool:
    """Whether a text tells some subjects of a provider from the others. In a pattern, a whole part must stand behind the word
    that every subject begins with (`repo:OWNER/`), before anything that is left open: what comes later, such as a branch, the
    token's owner may choose."""
    literal = (OPEN_PATTERN if wild else OPEN_TEXT).split(wanted, maxsplit=1)[0]
    if literal == wanted or UUID.search(literal):
        return True
    whole = [each for each in SEPARATOR.split(literal.removeprefix(KUBERNETES))[:-1] if each]
    return len(whole) > 1


RULE = AlertRule(
    id="role-trust-any-subject",
    title="Role trust admits every subject of a provider",
    severity=HIGH,
    means="The trust policy has no condition that names subjects of tokens (`ISSUER:sub`). Of a provider that many share, such "
    "as a CI service, anybody can get a token for the right audience.",
    do="Add a condition StringEquals on `ISSUER:sub` that names the one workload or person. A pattern names somebody only if it "
    "has a whole part before its first wildcard: `repo:OWNER/*`, not `repo:*`.",
    references=("T1199", "T1484.002"),
    kind=OnChange(judge, on=(TrustReplaced, RoleCreated)),
)

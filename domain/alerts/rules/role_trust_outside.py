"""A role's trust policy newly lets another account assume it, or under fewer conditions."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.replaced_trust import replaced_trust
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.alerts.ways_to_assume import EVERYONE, newly_admitted
from domain.log.identity_events import RoleCreated, TrustReplaced


def judge(change: Change) -> Iterator[Finding]:
    """Asks about everyone whom one of the policies names, and about a stranger. Fewer conditions are new access too."""
    event = change.event
    replaced = replaced_trust(change)
    new = newly_admitted(replaced.before, event.trust, event.account, replaced.role)
    if new:
        summary = f"{', '.join(_in_words(who, keys) for who, keys in sorted(new.items()))} may assume {replaced.role}"
        evidence = {"trust": event.trust, "by": change.who}
        yield Finding(replaced.role, summary, event.account, about=tuple(sorted(new)), evidence=evidence)


def _in_words(who: str, keys: list[str]) -> str:
    return ("anyone" if who == EVERYONE else who) + (f" (asking {', '.join(keys)})" if keys else "")


RULE = AlertRule(
    id="role-trust-outside",
    title="Role trust opened to another account",
    severity=HIGH,
    means="A principal of another account can assume this role, with all its permissions, or needs fewer conditions for it "
    "than before.",
    do="Require sts:ExternalId, or name the one role that needs access, if any does.",
    references=("T1199", "T1484.002"),
    kind=OnChange(judge, on=(TrustReplaced, RoleCreated)),
)

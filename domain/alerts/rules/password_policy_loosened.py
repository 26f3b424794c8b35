"""An account asks less of its users' passwords than before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.identities.password_policy import DEFAULT_KINDS, DEFAULT_LENGTH, PasswordPolicy
from domain.log.sign_in_events import PasswordPolicyDeleted, PasswordPolicySet

KINDS = {
    "symbols": "a symbol",
    "numbers": "a number",
    "uppercase": "an uppercase letter",
    "lowercase": "a lowercase letter",
}


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    old = change.world.accounts[event.account].password_policy
    new = None if isinstance(event, PasswordPolicyDeleted) else PasswordPolicy(**event.policy)
    less = list(lost(old, new))
    if less:
        summary = f"{change.who} loosened the password policy: {'; '.join(less)}"
        yield Finding(f"password policy of {event.account}", summary, event.account, about=(change.caller,))


def lost(old: PasswordPolicy | None, new: PasswordPolicy | None) -> Iterator[str]:
    """What `old` asks of a password and `new` does not. None is an account without a policy of its own."""
    lengths = [DEFAULT_LENGTH if each is None else each.minimum_length for each in (old, new)]
    if lengths[1] < lengths[0]:
        yield f"{lengths[1]} characters are enough, not {lengths[0]}"
    yield from _lost_kinds(old, new)
    before, after = old or PasswordPolicy(), new or PasswordPolicy()
    if before.max_age and not after.max_age:
        yield "passwords no longer expire"
    elif before.max_age and after.max_age > before.max_age:
        yield f"passwords expire after {after.max_age} days, not {before.max_age}"
    if after.reuse_prevention < before.reuse_prevention:
        yield f"{after.reuse_prevention} earlier passwords are excluded, not {before.reuse_prevention}"
    if before.max_age and before.hard_expiry and not after.hard_expiry:
        yield "users may replace a password that has expired"


def _lost_kinds(old: PasswordPolicy | None, new: PasswordPolicy | None) -> Iterator[str]:
    if old is not None and new is not None:
        dropped = [word for name, word in KINDS.items() if getattr(old, name) and not getattr(new, name)]
        yield from (f"{word} is no longer needed" for word in dropped)
        return
    counts = [DEFAULT_KINDS if each is None else sum(getattr(each, name) for name in KINDS) for each in (old, new)]
    if counts[1] < counts[0]:
        yield f"passwords need {counts[1]} of the {len(KINDS)} kinds of characters, not {counts[0]}"


RULE = AlertRule(
    id="password-policy-loosened",
    title="Password policy loosened",
    severity=MEDIUM,
    means="Weaker passwords are taken from now on, or old ones are kept for longer.",
    do="Ask whoever did it why; put the policy back with `aws iam update-account-password-policy`.",
    references=("CIS 1.8", "CIS 1.9", "T1556"),
    kind=OnChange(judge, on=(PasswordPolicySet, PasswordPolicyDeleted)),
)

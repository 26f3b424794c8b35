"""Somebody set the password of another user."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH, MEDIUM
from domain.log.identity_events import LoginProfileCreated, PasswordChanged


def judge(change: Change) -> Iterator[Finding]:
    """An administrator who makes a person's first password has it changed at the first sign-in. Without that, whoever set
    the password can go on to use it."""
    event = change.event
    user = change.world.directory.identities[event.id].arn
    if user == change.caller:
        return
    first = isinstance(event, LoginProfileCreated)
    done = "gave a password to" if first else "replaced the password of"
    kept = "" if event.reset_required else ", which that user need not change"
    severity = MEDIUM if event.reset_required else HIGH
    yield Finding(user, f"{change.who} {done} {user}{kept}", event.account, about=(user,), severity=severity)


RULE = AlertRule(
    id="password-set-for-other",
    title="Password set for somebody else",
    severity=HIGH,
    means="Whoever set the password knows it, and can sign in as that user. If the user has to change the password at the next "
    "sign-in, the severity is medium.",
    do="Ask the user whether they wanted it. If not, delete the login profile (`aws iam delete-login-profile --user-name NAME`), "
    "and ask `keytrail decisions --principal NAME` what was done since.",
    references=("T1098", "T1098.001"),
    kind=OnChange(judge, on=(LoginProfileCreated, PasswordChanged)),
)

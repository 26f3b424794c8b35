"""Somebody tried to sign in as one user from many addresses."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import HIGH


def occurrences(call: ObservedCall) -> Iterator[Occurrence]:
    """A name that is no user's has no ARN, and does not count."""
    if call.sign_in_refused and call.principal.startswith("arn:"):
        yield Occurrence(call.principal, call.account, call.source)


def found(occurrence: Occurrence, count: int, seconds: int) -> Finding:
    summary = f"Sign-ins of {occurrence.subject} were refused from {count} addresses or more within {seconds} s"
    return Finding(occurrence.subject, summary, occurrence.account, about=(occurrence.subject,))


RULE = AlertRule(
    id="sign-ins-at-user",
    title="One user's password tried from many addresses",
    severity=HIGH,
    means="Somebody guesses a user's password, and spreads the guesses so that none of the addresses is stopped.",
    do="See that the user has an MFA device; replace the password. Every attempt is among `keytrail decisions --principal NAME "
    "--operation ConsoleLogin`.",
    references=("T1110.001",),
    kind=OnCountedCalls(
        occurrences, found, threshold(5, "addresses from which one user's sign-ins were refused"), window(600)
    ),
)

"""Somebody tried to sign in again and again from one address."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import MEDIUM


def occurrences(call: ObservedCall) -> Iterator[Occurrence]:
    """Each refused attempt counts, for the account that it is at: another account's attempts are none of its business, and
    must not use up its alert. Names that are no user's are not on record, so it is not known how many were tried."""
    if call.sign_in_refused and call.source:
        yield Occurrence(f"{call.source} {call.account}", call.account)


def found(occurrence: Occurrence, count: int, seconds: int) -> Finding:
    address = occurrence.subject.partition(" ")[0]
    summary = f"{count} sign-ins or more from {address} were refused within {seconds} s"
    return Finding(occurrence.subject, summary, occurrence.account, about=(address,))


RULE = AlertRule(
    id="sign-ins-from-address",
    title="Many refused sign-ins from one address",
    severity=MEDIUM,
    means="Somebody tries names or passwords: a few passwords with many users, or passwords that leaked elsewhere.",
    do="Look at `keytrail decisions --where source=ADDRESS --operation ConsoleLogin`: a success after the refusals is the one to "
    "follow. Keep the address out at your proxy.",
    references=("T1110.003", "T1110.004"),
    kind=OnCountedCalls(
        occurrences, found, threshold(10, "refused sign-ins from one address at one account"), window(600)
    ),
)

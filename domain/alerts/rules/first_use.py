"""A principal uses a key for the first time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.numbers import Number
from domain.alerts.observed_call import ObservedCall, without_path
from domain.alerts.rule import AlertRule, OnFirstUse
from domain.alerts.severities import INFO
from domain.arn import account_in
from domain.authorization.audience import Audience
from domain.crypto.uses import USES
from domain.durations import DAY_SECONDS

AGE = Number("age", 7 * DAY_SECONDS, "seconds that a key is old before a new principal is told of")


def pairs(call: ObservedCall) -> Iterator[tuple[str, str]]:
    if not call.refused and call.operation in USES:
        for key in call.keys:
            # Without the role's path, as pairs were kept before it was read: nothing known comes for the first time again.
            yield _told(call, key, without_path(call.who)), key


def found(call: ObservedCall, key: str) -> Finding:
    who = _told(call, key, call.who)
    summary = f"{who} used the key for the first time: {call.operation}"
    tags = call.tags if call.keys[0] == key else {}
    return Finding(f"{who} {key}", summary, account_in(key), key, (who,), tags=tags)


def _told(call: ObservedCall, key: str, who: str) -> str:
    """For a caller of another account, the key's owner learns only the account."""
    return Audience(account_in(key)).who(call.account, who)


RULE = AlertRule(
    id="first-use",
    title="Principal uses a key for the first time",
    severity=INFO,
    means="The key is not new, and this principal has never used it.",
    do="Nothing, if this was intended; `keytrail explain CALL_ID` says what allowed it.",
    references=("T1078.004",),
    kind=OnFirstUse(pairs, found, AGE),
)

"""A key that is in use was disabled."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_in_use import USED_WITHIN, ago, days_since_use
from domain.alerts.numbers import Numbers
from domain.alerts.rule import AlertRule, OnMeasuredChange
from domain.alerts.severities import HIGH
from domain.log.events import KeyDisabled


def judge(change: Change, numbers: Numbers) -> Iterator[Finding]:
    key, days = change.key, days_since_use(change, numbers[USED_WITHIN])
    if key is not None and days is not None:
        summary = f"{change.who} disabled the key, which was used {ago(days)}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="disabled-in-use",
    title="Key in use disabled",
    severity=HIGH,
    means="From now on, calls that use the key are refused.",
    do="Run `keytrail last-use KEY` to see whose, and `aws kms enable-key --key-id KEY` to enable it.",
    references=("CIS 4.7", "T1489"),
    kind=OnMeasuredChange(judge, on=(KeyDisabled,), numbers=(USED_WITHIN,)),
)

"""A key policy lets in another account that is hosted here or named in the settings."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts import other_accounts
from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.key_policy import COMPARE, POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM


def judge(change: Change) -> Iterator[Finding]:
    yield from other_accounts.judge(change, known=True)


RULE = AlertRule(
    id="key-policy-known-account",
    title="Key policy lets in another known account",
    severity=MEDIUM,
    means="An account that is hosted here or named in the settings got more access to the key.",
    do=COMPARE + "ask the key's owner to confirm what the other account needs.",
    references=("T1199",),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)

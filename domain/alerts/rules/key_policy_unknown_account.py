"""A key policy lets in another account that is not known."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts import other_accounts
from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.key_policy import COMPARE, POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH


def judge(change: Change) -> Iterator[Finding]:
    yield from other_accounts.judge(change, known=False)


RULE = AlertRule(
    id="key-policy-unknown-account",
    title="Key policy lets in an unknown account",
    severity=HIGH,
    means="The policy lets in an account that is neither hosted here nor named in the settings.",
    do=COMPARE
    + ("if the account is a partner's, name it under `known_accounts`; otherwise put the earlier version back."),
    references=("T1199", "T1537"),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)

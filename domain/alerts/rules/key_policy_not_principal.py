"""A key policy allows everyone except those whom it names."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    for at, statement in change.new_statements:
        if key is not None and statement.get("Effect") == "Allow" and "NotPrincipal" in statement:
            sid = statement.get("Sid", "")
            summary = f"statement {at} {sid!r} allows everyone whom its NotPrincipal does not name, of any account"
            yield Finding(f"{key.arn}#{at}", summary, about=("*",), evidence={"statement": statement}, **on_key(key))


RULE = AlertRule(
    id="key-policy-not-principal",
    title="Key policy allows everyone but a few",
    severity=HIGH,
    means=(
        "Allow with NotPrincipal lets in everyone who is not named, including anonymous callers and other accounts."
    ),
    do="Name the intended principals under Principal.",
    references=("Security Hub KMS.5",),
    kind=OnChange(judge, on=POLICY_SET),
)

"""A grant allows decryption under any encryption context."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import DECRYPTING
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.grants.grant import granted
from domain.log.events import GrantCreated
from domain.policy_analysis.who_could import constraints_of


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    operations = sorted(each for each in event.operations if f"kms:{each}" in DECRYPTING)
    if key is not None and operations and not constraints_of(granted(event, change.at, change.position)):
        summary = f"{event.grantee} is granted {', '.join(operations)} without a constraint"
        yield Finding(event.grant, summary, about=(event.grantee,), **on_key(key))


RULE = AlertRule(
    id="grant-unconstrained",
    title="Grant decrypts without a constraint",
    severity=MEDIUM,
    means="The grantee can decrypt everything that was encrypted under the key, with any encryption context.",
    do="Make the grant again with EncryptionContextSubset or EncryptionContextEquals.",
    references=("T1530",),
    kind=OnChange(judge, on=(GrantCreated,)),
)

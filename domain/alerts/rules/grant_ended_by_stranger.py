"""Somebody without a part in a grant ended it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.observed_call import without_path
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import LOW
from domain.arn import root_arn
from domain.log.events import GrantRetired, GrantRevoked


def judge(change: Change) -> Iterator[Finding]:
    """These have a part in it: its maker, its grantee, those who may retire it, and the account's root."""
    key, event = change.key, change.event
    grant = change.world.grants.get(event.key, {}).get(event.grant)
    if key is None or grant is None or not change.caller:
        return
    parts = {without_path(each) for each in (grant.issuer, grant.grantee_shown, grant.retiring_shown)}
    if without_path(change.caller) in parts | {root_arn(key.account)}:
        return
    summary = (
        f"{change.who} ended the grant that {change.told(grant.issued_by, grant.issuer)} made for {grant.grantee_shown}"
    )
    yield Finding(event.grant, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="grant-ended-by-stranger",
    title="Grant ended by somebody with no part in it",
    severity=LOW,
    means=(
        "The grant was ended by neither its maker, nor its grantee, nor its retiring principal. Something may "
        "stop working."
    ),
    do="Ask the principal that ended it.",
    references=("T1531",),
    kind=OnChange(judge, on=(GrantRevoked, GrantRetired)),
)

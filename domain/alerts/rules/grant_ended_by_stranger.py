"""A grant was ended by somebody who has no part in it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.use import principal_of
from domain.arn import root_arn


def judge(change: Change) -> Iterator[Finding]:
    """Who made it, its grantee, who may retire it and the account's root have a part in it."""
    key, event = change.key, change.event
    grant = change.world.grants.get(event.key, {}).get(event.grant)
    if key is None or grant is None or not change.caller:
        return
    parts = {principal_of(each) for each in (grant.issuer, grant.grantee_shown, grant.retiring_shown)}
    if principal_of(change.caller) in parts | {root_arn(key.account)}:
        return
    summary = (
        f"{change.who} ended the grant that {change.told(grant.issued_by, grant.issuer)} made for {grant.grantee_shown}"
    )
    yield Finding(event.grant, summary, about=(change.who,), **on_key(key))

"""Somebody made an access key of another user."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.identity_events import UserAccessKeyCreated


def judge(change: Change) -> Iterator[Finding]:
    """The answer to CreateAccessKey has the secret, and goes to the caller."""
    event = change.event
    user = change.world.directory.identities[event.id].arn
    if user != change.caller:
        summary = f"{change.who} made the access key {event.access_key} of {user}"
        yield Finding(user, summary, event.account, about=(user,))


RULE = AlertRule(
    id="access-key-made-for-other",
    title="Access key made for somebody else",
    severity=MEDIUM,
    means="Whoever made the access key knows its secret, and can call as that user for as long as the key is active.",
    do="Ask the user whether they wanted it. If not, delete the access key (`aws iam delete-access-key --user-name NAME "
    "--access-key-id ID`), and ask `keytrail decisions --principal NAME` what was done since.",
    references=("T1098", "T1098.001"),
    kind=OnChange(judge, on=(UserAccessKeyCreated,)),
)

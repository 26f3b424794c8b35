"""Somebody made an access key for another user, or made another user's key active again."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.identities.account import ACTIVE
from domain.log.identity_events import UserAccessKeyChanged, UserAccessKeyCreated


def judge(change: Change) -> Iterator[Finding]:
    """The answer to CreateAccessKey has the secret, and goes to the caller. A caller who found the secret of an inactive access
    key needs only UpdateAccessKey."""
    event = change.event
    user = change.world.directory.identities[event.id].arn
    if user == change.caller:
        return
    if isinstance(event, UserAccessKeyChanged):
        if event.status != ACTIVE or _was_active(change, event):
            return
        done = "made the access key {} of {} active again"
    else:
        done = "made the access key {} for {}"
    summary = f"{change.who} {done.format(event.access_key, user)}"
    yield Finding(user, summary, event.account, about=(user,))


def _was_active(change: Change, event: UserAccessKeyChanged) -> bool:
    """Whether the access key is known to have been active before. If a trail first shows the access key in this record, we only
    assumed that it was active. It was probably inactive, because nobody activates an active key."""
    held = change.world.directory.identities[event.id].access_keys[event.access_key]
    assumed = change.world.of_trail and held.created == change.at
    return held.status == ACTIVE and not assumed


RULE = AlertRule(
    id="access-key-made-for-other",
    title="Access key made or made active again for somebody else",
    severity=MEDIUM,
    means="Whoever made the access key knows its secret, and can call as that user for as long as the key is active. If an "
    "inactive one was made active again, whoever has its secret can do so: perhaps the caller, who found it in an old file.",
    do="Ask the user whether they wanted it. If not, delete the access key (`aws iam delete-access-key --user-name NAME "
    "--access-key-id ID`), and ask `keytrail decisions --principal NAME` what was done since.",
    references=("T1098", "T1098.001"),
    kind=OnChange(judge, on=(UserAccessKeyCreated, UserAccessKeyChanged)),
)

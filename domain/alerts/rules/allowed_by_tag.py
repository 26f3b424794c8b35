"""The tags of a key changed so that the allow-list covers findings on it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.allow import EVERY
from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import LOW, MEDIUM
from domain.log.events import KeyCreated, KeyTagged, KeyUntagged


def judge(change: Change) -> Iterator[Finding]:
    """The finding has no tags, so that no entry covers it by the tag that it is about. A key that is made with the tag protects
    nothing yet: that is milder. Where tags differ in case alone, taking one away may leave the other to an entry."""
    key, event = change.key, change.event
    if key is None:
        return
    new = isinstance(event, KeyCreated)
    before, after = ({}, event.tags) if new else (key.tags, event.all_tags)
    found = [
        each
        for each in change.allow
        if each.is_for_tagged(key.arn, after, change.at) and not each.is_for_tagged(key.arn, before, change.at)
    ]
    if found:
        did = "made the key with tags" if new else "changed the key's tags"
        covered = "; ".join(
            dict.fromkeys(f"{'every rule' if each.rule == EVERY else each.rule}, by {each.tag}" for each in found)
        )
        summary = f"{change.who} {did} so that the allow-list covers findings on it: {covered}"
        evidence = {"entries": [each.document() for each in found]}
        severity = LOW if new else MEDIUM
        yield Finding(key.arn, summary, key.account, key.arn, about=(change.who,), severity=severity, evidence=evidence)


RULE = AlertRule(
    id="allowed-by-tag",
    title="Tag lets the allow-list cover a key's alerts",
    severity=MEDIUM,
    means="Alerts on this key that an entry of the allow-list covers by this tag are sent to nobody any more. So whoever may tag "
    "keys decides which ones these are. For a key that is made with the tag, the severity is low. No tag covers this alert.",
    do="Ask whoever changed the tags why. See what was suppressed since (`keytrail alerts --key KEY --suppressed`). Rather name "
    "keys in the allow-list, or deny kms:TagResource on the tag (aws:TagKeys) to all but those who keep the list.",
    references=("T1562.001", "T1562.006"),
    kind=OnChange(judge, on=(KeyCreated, KeyTagged, KeyUntagged)),
)

"""An identity policy newly allows what decrypts, CreateGrant or PutKeyPolicy on every key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.replaced_default import document_of, replaced_default
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.alerts.wide_identity_policy import newly_given
from domain.log.identity_events import DefaultVersionSet, InlinePolicyPut, PolicyAttached, PolicyVersionCreated
from domain.policy import unseen


def judge(change: Change) -> Iterator[Finding]:
    """A managed policy counts when it is attached, and when it changes while it is attached."""
    event, region = change.event, change.world.region
    before, after, subject, whose = _documents(change)
    if not after or (change.world.of_trail and unseen.is_document(after)):
        return  # what was never seen is not new
    new = newly_given(before, after, event.account, region)
    if new:
        by = subject.rpartition("#")[2]
        summary = f"{', '.join(whose)} may {', '.join(map(_in_words, sorted(new.items())))} on every key of the account, by {by}"
        evidence = {"policy": after, "by": change.who}
        yield Finding(subject, summary, event.account, about=tuple(whose), evidence=evidence)


def _in_words(given: tuple[str, list[str] | None]) -> str:
    action, keys = given
    if keys is None:
        return f"perhaps {action} (which takes too many steps to say)"
    return f"{action} (asking {', '.join(keys)})" if keys else action


def _documents(change: Change) -> tuple[str, str, str, list[str]]:
    """(the document before, the document after, a subject, the ARNs of its owners)."""
    event, directory = change.event, change.world.directory
    if isinstance(event, InlinePolicyPut | PolicyAttached):
        identity = directory.identities[event.id]
        if isinstance(event, PolicyAttached):
            return "", document_of(change, event.policy), f"{identity.arn}#{event.policy}", [identity.arn]
        held = identity.inline.get(event.policy)
        return held.document if held else "", event.document, f"{identity.arn}#{event.policy}", [identity.arn]
    replaced = replaced_default(change)
    if replaced is None:
        return "", "", "", []
    whose = sorted(directory.identities[each].arn for each in directory.attached_to.get(replaced.policy, ()))
    return replaced.before, replaced.after if whose else "", f"{replaced.policy}#{replaced.policy}", whose


RULE = AlertRule(
    id="identity-wide",
    title="Identity policy reaches every key",
    severity=HIGH,
    means=(
        "The policy allows what decrypts (such as Decrypt and ReEncryptFrom), CreateGrant or PutKeyPolicy on every present and "
        "future key that lets identity policies decide, or on a part of them that a pattern of key ids makes."
    ),
    do="Name keys, or a tag that they have, in the policy.",
    references=("Security Hub KMS.1", "Security Hub KMS.2", "T1098.003"),
    kind=OnChange(judge, on=(InlinePolicyPut, PolicyAttached, PolicyVersionCreated, DefaultVersionSet)),
)

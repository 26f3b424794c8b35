"""An identity policy newly allows what decrypts, CreateGrant or PutKeyPolicy on every key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding, some_of
from domain.alerts.replaced_default import document_of, replaced_default
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.alerts.wide_identity_policy import newly_given
from domain.identities.identity import Identity
from domain.log.identity_events import (
    DefaultVersionSet,
    InlinePolicyPut,
    MemberAdded,
    PolicyAttached,
    PolicyVersionCreated,
)
from domain.policy import unseen


def judge(change: Change) -> Iterator[Finding]:
    """A managed policy counts when it is attached, and when it changes while it is attached; a group's policies count again for
    a user who joins it, beside those that the user has."""
    event, region = change.event, change.world.region
    before, after, subject, whose = _documents(change)
    if change.world.of_trail:
        after = {name: text for name, text in after.items() if not unseen.is_document(text)}  # never seen is not new
    new = newly_given(before, [*after.values()], event.account, region)
    if new:
        by = subject.rpartition("#")[2]
        summary = f"{some_of(whose)} may {', '.join(map(_in_words, sorted(new.items())))} on every key of the account, by {by}"
        held = {"policies": sorted(after)} if isinstance(event, MemberAdded) else {"policy": "".join(after.values())}
        yield Finding(subject, summary, event.account, about=tuple(whose), evidence={**held, "by": change.who})


def _in_words(given: tuple[str, list[str] | None]) -> str:
    action, keys = given
    if keys is None:
        return f"perhaps {action} (which takes too many steps to say)"
    return f"{action} (asking {', '.join(keys)})" if keys else action


def _documents(change: Change) -> tuple[list[str], dict[str, str], str, list[str]]:
    """(the documents before, those after by their policies' names, a subject, the ARNs of their owners)."""
    event, directory = change.event, change.world.directory
    if isinstance(event, MemberAdded):
        user, group = directory.identities[event.user], directory.identities[event.group]
        own = [_held(change, each) for each in (user, *map(directory.identities.__getitem__, user.groups))]
        before = [text for held in own for text in held.values()]
        return before, _held(change, group), f"{user.arn}#{group.arn}", [user.arn]
    if isinstance(event, InlinePolicyPut | PolicyAttached):
        identity = directory.identities[event.id]
        if isinstance(event, PolicyAttached):
            before, after = [], document_of(change, event.policy)
        else:
            held = identity.inline.get(event.policy)
            before, after = [held.document] if held else [], event.document
        return before, {event.policy: after}, f"{identity.arn}#{event.policy}", [identity.arn]
    replaced = replaced_default(change)
    if replaced is None or not directory.attached_to.get(replaced.policy):
        return [], {}, "", []
    whose = sorted(directory.identities[each].arn for each in directory.attached_to[replaced.policy])
    return [replaced.before], {replaced.policy: replaced.after}, f"{replaced.policy}#{replaced.policy}", whose


def _held(change: Change, identity: Identity) -> dict[str, str]:
    """The documents of the identity's own policies, by their names."""
    inline = {name: each.document for name, each in identity.inline.items()}
    return inline | {each: document_of(change, each) for each in identity.attached}


RULE = AlertRule(
    id="identity-wide",
    title="Identity policy reaches every key",
    severity=HIGH,
    means=(
        "The policy allows what decrypts (such as Decrypt and ReEncryptFrom), CreateGrant or PutKeyPolicy on every present and "
        "future key that lets identity policies decide, or on a part of them that a pattern of key ids makes. A user who "
        "joins a group gets its policies."
    ),
    do="Name keys, or a tag that they have, in the policy; or take the user out of the group.",
    references=("Security Hub KMS.1", "Security Hub KMS.2", "T1098.003"),
    kind=OnChange(judge, on=(InlinePolicyPut, PolicyAttached, PolicyVersionCreated, DefaultVersionSet, MemberAdded)),
)

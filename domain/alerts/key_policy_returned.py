"""A key policy went back to an older version that lets in more."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, compared, on_key
from domain.alerts.finding import Finding
from domain.meaning.compare import EQUIVALENT, compare
from domain.meaning.space import Side

MOST_COMPARED = 10


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why or not policy.gained:
        return
    new = policy.sides[1]
    older = sorted(change.facts.versions, key=lambda each: -each.version)
    for each in [each for each in older if each.version < key.policy_version][:MOST_COMPARED]:
        if each.text == new.text or same(change, Side(each.text, each.principals, each.version), new):
            actions = policy.actions_of(policy.gained)
            weaker = f"which lets in more than {key.policy_version}: {', '.join(actions)}"
            summary = f"back to what version {each.version} said, {weaker}"
            evidence = policy.shown(policy.gained) | {"version": each.version}
            yield Finding(key.arn, summary, about=(change.caller,), evidence=evidence, **on_key(key))
            return


def same(change: Change, one: Side, other: Side) -> bool:
    """Whether they answer every request alike."""
    assert change.key is not None, "the key is there"
    found = compared(change.key, one, other)
    return not found.why and compare(found.space)["answer"] == EQUIVALENT

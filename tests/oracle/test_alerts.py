"""The rules on key policies, compared with the sets that the policies mean: 60 generated pairs in `make test`, 2,500 in
`make soak`."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, assume, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from domain.alerts.change import Change, Facts, Version
from domain.alerts.engine.judge import Judge
from domain.keys.states import KEY_ACTIONS
from domain.log.events import PolicyReplaced
from domain.policy_analysis.check import Policies, not_public
from domain.policy_analysis.compare import compare
from domain.policy_analysis.fixed_keys import known_of
from domain.policy_analysis.outcomes import EQUIVALENT, FAILED, PASSED, UNKNOWN
from domain.policy_analysis.space import Side, Space
from tests.given import ACCOUNT, a_key, arn, given, key_id
from tests.oracle.test_meaning import SOAK, pairs

NOW = 1_800_000_000_000_000
OF_GAINS = {
    "key-policy-public", "key-policy-unknown-account", "key-policy-known-account", "key-policy-service", "key-policy-decrypt",
    "key-policy-delegated", "key-policy-administrator", "key-policy-deny-dropped", "key-policy-loosened", "key-policy-returned",
}  # fmt: skip
"""Rules that fire because of what was let in."""


def space_of(old: str, new: str) -> Space:
    """The sets of the key that the rules ask about, over every action."""
    key = given(a_key(policy=old)).world.keys[key_id()]
    return Space((Side(old), Side(new)), ACCOUNT, KEY_ACTIONS, arn(), fixed=known_of(key, of_trail=False))


def fired(old: str, new: str, *before: str) -> set[str]:
    """Rules that fire when one policy replaces the other, on a key that had others before."""
    world = given(a_key(policy=old)).world
    world.replace_key(replace(world.keys[key_id()], policy_version=len(before) + 1))
    versions = tuple(Version(at, text, {}, NOW) for at, text in enumerate(before, 1))
    event = PolicyReplaced(key_id(), len(before) + 2, new, False, False, {})
    change = Change(event, world, NOW, 100, caller="somebody", account=ACCOUNT, facts=Facts(versions=versions))
    found = {each.rule.id for each in Judge("the-log").of_change(change, {})}
    assert "rule-failed" not in found
    return found


@settings(max_examples=2500 if SOAK else 60)
@given_any(pairs(with_variables=True))
def test_rules_fire_for_what_a_policy_lets_in_and_for_nothing_else(pair: tuple[str, str]) -> None:
    old, new = pair
    found, told = compare(space_of(old, new)), fired(old, new)
    if not found["allowed"] and not any("allowed" in each for each in found["unknown"]) and found["answer"] != UNKNOWN:
        assert told & OF_GAINS == set()
    public = [not_public(Policies(Side(text), ACCOUNT, KEY_ACTIONS, arn()))["answer"] for text in (old, new)]
    if public == [PASSED, FAILED]:
        assert "key-policy-public" in told
    if public[1] == PASSED:
        assert "key-policy-public" not in told


# One pair in six lets in more: a soak that draws few of them at first is no worse.
@settings(max_examples=2500 if SOAK else 60, suppress_health_check=[HealthCheck.filter_too_much])
@given_any(pairs(), st.booleans())
def test_a_policy_that_returns_is_reported_if_it_lets_in_more(pair: tuple[str, str], other_words: bool) -> None:
    """An older version is put again, in its own words or with its statements in another order."""
    weak, strong = pair
    assume(compare(space_of(strong, weak))["allowed"])
    again = json.loads(weak)
    if other_words:
        again["Statement"].reverse()
    text = json.dumps(again)
    assert "key-policy-returned" in fired(strong, text, weak)
    if compare(space_of(weak, strong))["answer"] not in (EQUIVALENT, UNKNOWN):
        assert "key-policy-returned" not in fired(strong, text, strong)

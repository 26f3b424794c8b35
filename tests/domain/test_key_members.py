"""What follows from the members of a key, for each of them: a new member is in its place, or a test here fails."""

from __future__ import annotations

from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from domain.keys.key import Key, absent, created
from domain.policy_analysis.fixed_keys import known_of
from tests.given import ACCOUNT, OTHER, REGION, a_key, arn, key_id
from tests.logs import NOW


def is_of(value: Any, declared: Any) -> bool:
    if isinstance(declared, UnionType):
        return any(is_of(value, each) for each in get_args(declared))
    return isinstance(value, get_origin(declared) or declared)


def test_an_absent_key_has_a_value_of_its_own_type_in_every_member() -> None:
    """The values had no names. A new member that was left out shifted all later ones, and the absent key of another account
    ended in an error, while the one that exists was refused."""
    key, declared = absent(key_id(), arn(account=OTHER), OTHER), get_type_hints(Key)
    assert [each.name for each in fields(Key) if not is_of(getattr(key, each.name), declared[each.name])] == []
    assert (key.id, key.arn, key.account) == (key_id(), arn(account=OTHER), OTHER)


def test_every_condition_key_of_a_key_but_its_tags_is_compared_at_its_value() -> None:
    """A list of names beside the values could lack one. Two policies that differ only for other keys then seemed to differ."""
    key = created(a_key(tags={"team": "blue"}), REGION, NOW)
    context = dict(key.resource.context)
    assert context.pop("aws:resourcetag/team") == ("blue",)
    assert known_of(key, of_trail=False) == context
    assert context["aws:resourceaccount"] == (ACCOUNT,)

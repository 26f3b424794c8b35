"""Lists of keys and principals as they were: at a time or a position, page by page, of one account alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.installation import Installation
from tests.wire.test_audit_api import get
from tests.wire.test_exports import reader


class Then(NamedTuple):
    before: str
    """The position before anything below was made."""
    between: str
    """The position at which everything was there."""
    keys: list[str]
    made: list[str]
    """The same in the order in which they were made."""
    name: str
    """How the names of the users begin."""


@pytest.fixture(scope="module")
def then(installation: Installation) -> Then:
    """Three keys and three users that were there at one time, and are not now as they were then."""
    kms, iam, name = installation.client(), installation.client(service="iam"), f"then-{uuid4().hex[:8]}"
    before = position(installation)
    keys = [
        kms.create_key(Description="as it was", Tags=[{"TagKey": "then", "TagValue": "one=two"}])["KeyMetadata"][
            "KeyId"
        ]
        for _ in range(3)
    ]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=keys[0])
    users = [f"{name}-{number}" for number in range(3)]
    for each in users:
        iam.create_user(UserName=each)
    between = position(installation)
    kms.update_key_description(KeyId=keys[0], Description="as it is")
    kms.delete_alias(AliasName=f"alias/{name}")
    kms.disable_key(KeyId=keys[1])
    iam.delete_user(UserName=users[0])
    iam.update_user(UserName=users[1], NewUserName=f"{name}-renamed")
    installation.caught_up()
    return Then(before, between, sorted(keys), keys, name)


def position(installation: Installation) -> str:
    return f"@{get(installation, '/v1/status')[1]['position']}"


def all_of(installation: Installation, path: str, limit: int = 1000) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        status, page = get(installation, f"{path}&limit={limit}{cursor}")
        assert status == 200, page
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"


def test_keys_are_listed_as_they_were(installation: Installation, then: Then) -> None:
    found = {each["key_id"]: each for each in all_of(installation, f"/v1/as-of/keys?at={then.between}")}
    assert {name: found[name]["description"] for name in then.keys} == dict.fromkeys(then.keys, "as it was")
    assert {found[name]["state"] for name in then.keys} == {"Enabled"}
    assert [each["key_aliases"] for each in found.values() if each["key_aliases"] == [f"alias/{then.name}"]]
    earlier = {each["key_id"] for each in all_of(installation, f"/v1/as-of/keys?at={then.before}")}
    assert earlier & {*then.keys} == set()
    now = {each["key_id"]: each for each in all_of(installation, f"/v1/as-of/keys?at={position(installation)}")}
    assert {now[name]["description"] for name in then.keys} == {"as it was", "as it is"}


def test_keys_are_found_by_what_they_were(installation: Installation, then: Then) -> None:
    def found(at: str, **filters: str) -> list[int]:
        items = all_of(installation, f"/v1/as-of/keys?{urlencode({'at': at, **filters})}")
        return sorted(then.keys.index(each["key_id"]) for each in items if each["key_id"] in then.keys)

    now = position(installation)
    first, second, third = (then.keys.index(key) for key in then.made)
    whole = [first, second, third]
    assert found(then.between, description="as it w*") == sorted(whole)
    assert found(now, description="as it w*") == sorted([second, third])
    assert found(now, state="Disabled", description="as it*") == [second]
    assert found(then.between, state="Disabled", description="as it*") == []
    assert found(then.between, alias=f"{then.name[:-1]}*") == found(then.between, alias=f"alias/{then.name}") == [first]
    assert found(now, alias=then.name) == []
    assert found(then.between, tag="then") == found(then.between, tag="then=one=two") == sorted(whole)
    assert found(then.between, tag="then=one") == found(then.between, manager="service") == []
    assert found(now, manager="customer", key=then.made[2], usage="ENCRYPT*", origin="AWS_KMS") == [third]
    listed = installation.answers("keys", "--at", then.between, "--alias", then.name, "--state", "Enabled")
    assert [each["key_id"] for each in listed] == [then.made[0]]
    assert found(now, spec="RSA*") == found(now, state="Deleted") == []


def test_users_are_listed_as_they_were(installation: Installation, then: Then) -> None:
    def names(at: str) -> list[str]:
        items = all_of(installation, f"/v1/as-of/principals?kind=user&at={at}")
        return [each["name"] for each in items if each["name"].startswith(then.name)]

    assert names(then.before) == []
    assert names(then.between) == [f"{then.name}-{number}" for number in range(3)]
    assert names(position(installation)) == [f"{then.name}-2", f"{then.name}-renamed"]


@pytest.mark.parametrize("path", ["/v1/as-of/keys?", "/v1/as-of/principals?kind=user&"])
def test_pages_have_each_once(installation: Installation, then: Then, path: str) -> None:
    whole = [each["arn"] for each in all_of(installation, f"{path}at={then.between}")]
    assert [each["arn"] for each in all_of(installation, f"{path}at={then.between}", limit=1)] == whole
    assert len(whole) >= 3


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("principals", "kind must be one of user, group, role, policy"),
        ("principals?kind=usr", "not 'usr'. Near it: user."),
        ("keys?at=@99999999", "the log ends at @"),
        ("keys?at=yesterday", "a time is RFC 3339"),
        ("keys?cursor=nonsense", "the cursor does not come from an earlier answer"),
        ("keys?trail=nope", "There is no trail nope"),
    ],
)
def test_a_bad_question_is_told_so(installation: Installation, query: str, words: str) -> None:
    status, answer = get(installation, f"/v1/as-of/{query}")
    assert (status in (400, 404), words in answer["error"]["message"]) == (True, True), answer


@pytest.mark.parametrize("path", ["keys", "principals?kind=role"])
def test_who_may_not_list_gets_nothing(installation: Installation, path: str) -> None:
    credentials = reader(installation, f"lists-nothing-{uuid4().hex[:8]}")
    status, answer = get(installation, f"/v1/as-of/{path}", credentials)
    assert (status, answer["error"]["code"]) == (403, "AccessDeniedException")

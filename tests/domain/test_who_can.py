"""Who could, as an account may see it: what a policy says is for the account whose policy it is."""

from __future__ import annotations

from domain.access.audience import Audience
from domain.arn import iam_arn, root_arn
from services.questions.who_can import can_what, who_can
from tests.given import ACCOUNT, OTHER, a_key, given, key_id
from tests.policies import policy, statement

ONLY = {"StringEquals": {"kms:EncryptionContext:app": "payroll"}}
SHARED = policy(statement(Sid="theirs", Principal={"AWS": root_arn(ACCOUNT)}, Action="kms:Decrypt", Condition=ONLY))
TAGGED = policy(
    statement(
        Principal={"AWS": root_arn(ACCOUNT)},
        Action="kms:Decrypt",
        Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}},
    )
)


def test_its_owner_is_told_all_of_it() -> None:
    world = given(a_key(1, OTHER, policy=SHARED)).world
    del world.accounts[ACCOUNT]  # the world of the asking account
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id(1)], "kms:Decrypt")}
    assert rows[root_arn(ACCOUNT)]["kind"] == "account"
    (path,) = rows[root_arn(ACCOUNT)]["paths"]
    assert (path["by"]["sid"], path["open"]) == (
        "theirs",
        [{"operator": "StringEquals", "key": "kms:EncryptionContext:app", "wanted": ["payroll"]}],
    )


def test_of_another_accounts_principal_its_own_tags_are_not_known() -> None:
    """A path that hangs on them is open: nobody is left out who could come in."""
    world = given(a_key(1, OTHER, policy=TAGGED)).world
    del world.accounts[ACCOUNT]
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id(1)], "kms:Decrypt")}
    assert [each["key"] for each in rows[root_arn(ACCOUNT)]["paths"][0]["open"]] == ["aws:PrincipalTag/a"]


def test_what_another_accounts_principal_could_is_what_the_keys_policy_gives_it() -> None:
    world = given(a_key(1, OTHER, policy=SHARED)).world
    del world.accounts[ACCOUNT]
    (row,) = can_what(
        world, iam_arn(ACCOUNT, "user", "/", "anybody"), [world.keys[key_id(1)]], ["kms:Decrypt"], Audience(OTHER)
    )
    assert list(row["under_conditions"]) == ["Decrypt"]

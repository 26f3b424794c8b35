"""Who could, as an account may see it: what a policy says is for the account whose policy it is."""

from __future__ import annotations

from domain.access.caller import root_of
from domain.arn import root_arn
from services.questions.who_can import can_what, who_can
from tests.given import ACCOUNT, OTHER, a_key, given, key_id
from tests.policies import policy, statement

ONLY = {"StringEquals": {"kms:EncryptionContext:app": "payroll"}}
FOREIGN = policy(statement(Sid="theirs", Principal={"AWS": root_arn(ACCOUNT)}, Action="kms:Decrypt", Condition=ONLY))


def test_another_accounts_key_policy_is_not_told() -> None:
    world = given(a_key(1, OTHER, policy=FOREIGN)).world
    key = world.keys[key_id(1)]
    (mine,) = can_what(world, root_of(ACCOUNT), [key], ["kms:Decrypt"], ACCOUNT)
    told = mine["under_conditions"]["Decrypt"]
    assert (told["paths"], told["unless"]) == ([{"by": {"kind": "key-policy"}, "open": []}], [])


def test_its_owner_is_told_all_of_it() -> None:
    world = given(a_key(1, OTHER, policy=FOREIGN)).world
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id(1)], "kms:Decrypt", OTHER)}
    (path,) = rows[root_arn(ACCOUNT)]["paths"]
    assert (path["by"]["sid"], path["open"]) == (
        "theirs",
        [{"operator": "StringEquals", "key": "kms:EncryptionContext:app", "wanted": ["payroll"]}],
    )

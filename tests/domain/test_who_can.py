"""Who could, as an account may see it: only a policy's own account sees what the policy says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from domain.arn import iam_arn, root_arn
from domain.authorization.audience import Audience
from domain.authorization.caller import Caller
from domain.authorization.context import carriers, tag_keys
from domain.authorization.evaluate import may
from domain.authorization.question import Resource
from domain.keys.states import KEY_ACTIONS
from domain.log import identity_events as identities
from domain.log.events import PolicyReplaced
from domain.policy.compile import compile_trust_policy
from domain.policy.condition_keys import CONDITION_KEYS
from domain.policy_analysis.who_could import Path, could
from services.kms_api.shapes import service_model
from services.operations.identity_table import IAM, STS
from services.operations.table import CROSS_ACCOUNT, OPERATIONS
from services.questions.access_between import AccessHolders
from services.questions.who_can import assumable, can_what, who_can
from tests.given import ACCOUNT, OTHER, a_key, given, key_id
from tests.policies import delegating, grant, key, named, policy, statement, to_identity, user, user_arn

ONLY = {"StringEquals": {"kms:EncryptionContext:app": "payroll"}}
SHARED = policy(statement(Sid="theirs", Principal={"AWS": root_arn(ACCOUNT)}, Action="kms:Decrypt", Condition=ONLY))
TAGGED = policy(
    statement(
        Principal={"AWS": root_arn(ACCOUNT)},
        Action="kms:Decrypt",
        Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}},
    )
)


def test_the_owner_sees_all_of_it() -> None:
    world = given(a_key(1, OTHER, policy=SHARED)).world
    del world.accounts[ACCOUNT]  # the state of the asking account
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id(1)], "kms:Decrypt")}
    assert rows[root_arn(ACCOUNT)]["kind"] == "account"
    (path,) = rows[root_arn(ACCOUNT)]["paths"]
    assert (path["by"]["sid"], path["open"]) == (
        "theirs",
        [{"operator": "StringEquals", "key": "kms:EncryptionContext:app", "wanted": ["payroll"]}],
    )


def test_of_another_accounts_principal_its_own_tags_are_not_known() -> None:
    """A path that depends on them stays open, so nobody is left out who could get in."""
    world = given(a_key(1, OTHER, policy=TAGGED)).world
    del world.accounts[ACCOUNT]
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id(1)], "kms:Decrypt")}
    assert [each["key"] for each in rows[root_arn(ACCOUNT)]["paths"][0]["open"]] == ["aws:PrincipalTag/a"]


def test_another_accounts_principal_could_do_what_the_keys_policy_allows() -> None:
    world = given(a_key(1, OTHER, policy=SHARED)).world
    del world.accounts[ACCOUNT]
    (row,) = can_what(
        world, iam_arn(ACCOUNT, "user", "/", "anybody"), [world.keys[key_id(1)]], ["kms:Decrypt"], Audience(OTHER)
    )
    assert list(row["under_conditions"]) == ["Decrypt"]


# -- rows that no request can meet are cut, as `diff` cuts them -------------------------------------------------------

ALICE = user()
APP = "kms:EncryptionContext:app"
NAMES = "kms:EncryptionContextKeys"


def paths(*statements: dict[str, Any], action: str, who: Caller = ALICE, **grants: Any) -> tuple[Path, ...]:
    return could(who, action, key(policy(*statements), **grants)).paths


def under(
    action: str = "kms:*", principal: str = ALICE.principal, effect: str = "Allow", **tests: Any
) -> dict[str, Any]:
    """One principal's access, under conditions: operators, with `_` for a colon, to keys with values."""
    condition = {operator.replace("_", ":"): keys for operator, keys in tests.items()}
    return named(principal, Action=action, Effect=effect, Condition=condition)


CARRIED = sorted(
    (row.name.replace("*", "x"), of)
    for row in CONDITION_KEYS.values()
    if (of := carriers(row.name.lower().replace("*", "x"))) is not None
)


@pytest.mark.parametrize(("name", "operations"), CARRIED)
def test_a_condition_key_of_parameters_lets_in_no_operation_without_them(name: str, operations: frozenset[str]) -> None:
    statement = under(StringEquals={name: "x"})
    denying = [named(ALICE.principal), under(effect="Deny", StringEquals={name: "x"})]
    absent = [named(ALICE.principal), under(effect="Deny", Null={name: "true"})]
    for action in KEY_ACTIONS:
        carried = action.removeprefix("kms:") in operations
        assert bool(paths(statement, action=action)) == carried, action
        assert bool(paths(under(Null={name: "false"}), action=action)) == carried, action
        # A condition that needs a key to be absent is certain if the key cannot be there; a Deny then never matches.
        assert bool(could(ALICE, action, key(policy(*denying))).unless) == carried, action
        assert bool(paths(*absent, action=action)) == carried, action


def test_every_operation_that_takes_tags_may_meet_a_condition_on_them() -> None:
    """By the service models, of each operation that Keytrail has: a condition on what an operation cannot carry admits nobody."""
    given_tags, named_tags = set[str](), set[str]()
    for service, operations in (("kms", OPERATIONS), ("iam", IAM), ("sts", STS)):
        for name in operations:
            shape = service_model(service).operation_model(name).input_shape
            members = shape.members if shape is not None else {}
            given_tags |= {name} if "Tags" in members else set()
            named_tags |= {name} if {"Tags", "TagKeys"} & members.keys() else set()
    beside = {"TagSession", "SetSourceIdentity"}  # asked about for AssumeRole
    assert carriers("aws:requesttag/x") == frozenset(given_tags | beside)
    assert carriers("aws:tagkeys") == frozenset(named_tags | beside)


TRUSTED = {"Effect": "Allow", "Principal": {"AWS": user_arn()}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
BY_TAG = {"StringEquals": {"aws:RequestTag/project": "x"}}


@pytest.mark.parametrize(
    ("condition", "open"),
    [
        (BY_TAG, ["aws:RequestTag/project"]),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["project"]}, **BY_TAG},
            ["aws:TagKeys", "aws:RequestTag/project"],
        ),
        ({"Null": {"aws:RequestTag/project": "false"}}, ["aws:RequestTag/project"]),
        (BY_TAG | {"Null": {"aws:RequestTag/project": "true"}}, None),
    ],
)
def test_a_trust_policy_that_asks_for_a_session_tag_lets_its_principal_in(
    condition: dict[str, Any], open: list[str] | None
) -> None:
    """It was said to let nobody in, as if AssumeRole took no tags."""
    trust = policy(TRUSTED | {"Condition": condition})
    happened = (
        identities.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", {}, ""),
        identities.RoleCreated(ACCOUNT, "AROAAPP", "app", "/", trust, {user_arn(): "AIDAALICE"}, "", 3600, {}, ""),
    )
    rows = assumable(given(*happened).world, user_arn(), Audience(ACCOUNT))
    told = [[each["key"] for each in path["open"]] for row in rows for path in row["paths"]]
    assert told == ([] if open is None else [open])
    role = Resource(iam_arn(ACCOUNT, "role", "/", "app"), ACCOUNT, compile_trust_policy(trust, "app", 1, {}))
    asked = tag_keys([{"Key": "project", "Value": "x"}])
    assert may(ALICE, "sts:AssumeRole", role, asked).allowed is (open is not None)


def test_describe_key_with_an_encryption_context_is_no_row() -> None:
    world = given(a_key(policy=policy(delegating(), statement(Principal={"AWS": OTHER}, Condition=ONLY)))).world
    rows = {row["principal"] for row in who_can(world, world.keys[key_id()], "kms:DescribeKey")}
    assert rows == {root_arn(ACCOUNT)}
    assert root_arn(OTHER) in {row["principal"] for row in who_can(world, world.keys[key_id()], "kms:Decrypt")}
    outside = can_what(world, root_arn(OTHER), [world.keys[key_id()]], KEY_ACTIONS, Audience(ACCOUNT))
    under_conditions = set(outside[0]["under_conditions"]) if outside else set()
    carrying = carriers("kms:encryptioncontextkeys")
    assert carrying is not None
    with_pairs = {name for name in CROSS_ACCOUNT if name in carrying}
    assert (outside[0]["operations"], under_conditions) == ([], with_pairs)


IMPOSSIBLE = [
    {"StringEquals": {"kms:ViaService": "a"}, "StringLike": {"kms:ViaService": "b*"}},
    {"StringEquals": {APP: "a"}, "StringNotEquals": {APP: "a"}},
    {"StringEquals": {APP: "a"}, "Null": {APP: "true"}},
    {"StringEquals": {APP: "a"}, "Null": {NAMES: "true"}},
    {"StringEquals": {APP: "a"}, "ForAllValues:StringEquals": {NAMES: "other"}},
    {"StringNotLike": {APP: "*"}, "ForAnyValue:StringEquals": {NAMES: "app"}},
    {"StringEquals": {APP: []}},
    {"NumericLessThan": {"kms:RotationPeriodInDays": "90"}, "NumericGreaterThan": {"kms:RotationPeriodInDays": "100"}},
    {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "NotIpAddress": {"aws:SourceIp": "10.0.0.0/7"}},
    {"ForAnyValue:StringNotLike": {NAMES: "*"}},
]
POSSIBLE = [
    {"StringEquals": {APP: "a"}, "StringLike": {APP: "a*"}},
    {"StringEquals": {APP: "a"}, "ForAllValues:StringEquals": {NAMES: ["app", "other"]}},
    {"StringEquals": {APP: "a", "kms:EncryptionContext:b": "b"}, "ForAllValues:StringLike": {NAMES: "*"}},
    {"Null": {APP: "true"}, "ForAnyValue:StringEquals": {NAMES: "other"}},
    {"Null": {APP: "true"}, "ForAnyValue:StringEquals": {NAMES: "app"}},  # its value is empty
    {"StringEquals": {APP: "a"}, "StringLike": {APP: "b*"}},  # App=a and app=b
    {"ForAllValues:StringEquals": {NAMES: "app"}},
    {"StringEquals": {APP: "${aws:userid}"}, "StringNotEquals": {APP: "${aws:userid}"}},  # not cut: it counts as met
]


@pytest.mark.parametrize("condition", IMPOSSIBLE)
def test_conditions_that_exclude_each_other_are_no_row(condition: dict[str, Any]) -> None:
    for action in ("kms:Decrypt", "kms:EnableKeyRotation"):
        assert paths(named(ALICE.principal, Condition=condition), action=action) == ()
    # ... even if one half stands in the key policy and the other in the identity's.
    if len(condition) == 2:
        one, other = ({operator: keys} for operator, keys in condition.items())
        who = user(to_identity(Condition=other))
        assert paths(delegating(Condition=one), action="kms:Decrypt", who=who) == ()


@pytest.mark.parametrize("condition", POSSIBLE)
def test_conditions_that_can_be_met_together_are_a_row(condition: dict[str, Any]) -> None:
    assert paths(named(ALICE.principal, Condition=condition), action="kms:Decrypt")


def test_what_a_deny_takes_away_whole_is_no_row() -> None:
    a, b = {"StringEquals": {APP: "a"}}, {"StringEquals": {APP: "b"}}
    for deny in (a, {"StringEquals": {APP: ["a", "c"]}}, {"StringLike": {APP: "*"}}, {"Null": {APP: "false"}}):
        denied = named(ALICE.principal, Effect="Deny", Condition=deny)
        assert paths(named(ALICE.principal, Condition=a), denied, action="kms:Decrypt") == ()
    other = named(ALICE.principal, Effect="Deny", Condition=b)
    assert len(paths(named(ALICE.principal, Condition=a), other, action="kms:Decrypt")) == 1


def test_nobody_is_left_out_where_not_every_path_is_looked_at() -> None:
    """Twenty-five statements. The first can never be met together with the identity's, the last can."""
    statements = [delegating(Condition={"StringEquals": {APP: f"x{number}"}}) for number in range(25)]
    who = user(to_identity(Condition={"StringEquals": {APP: "x24"}}))
    assert paths(*statements, action="kms:Decrypt", who=who)


def test_a_grants_constraints_are_conditions_that_can_exclude_each_other() -> None:
    only = grant(ALICE.principal, "Decrypt", constraints={"EncryptionContextSubset": {"APP": "a"}})
    nothing = named(user_arn("bob"))
    assert len(could(ALICE, "kms:Decrypt", key(policy(nothing), only)).paths) == 1
    deny = named(ALICE.principal, Effect="Deny", Condition={"StringEquals": {APP: "a"}})
    assert could(ALICE, "kms:Decrypt", key(policy(nothing, deny), only)).paths == ()
    (path,) = could(ALICE, "kms:Decrypt", key(policy(nothing), no_pairs := grant(ALICE.principal, "Decrypt", constraints={"EncryptionContextEquals": {}}))).paths  # fmt: skip
    assert [(each["operator"], each["key"], each["wanted"]) for each in path.open] == [("Null", NAMES, ["true"])]
    deny = named(ALICE.principal, Effect="Deny", Condition={"Null": {NAMES: "true"}})
    assert could(ALICE, "kms:Decrypt", key(policy(nothing, deny), no_pairs)).paths == ()


def test_a_principal_that_keeps_access_in_another_way_is_shown_with_both_ways() -> None:
    theirs = root_arn("777788889999")
    use = named(theirs, Action="kms:Decrypt")
    world = given(a_key(1, ACCOUNT, policy=policy(delegating(), use))).world
    standing = AccessHolders(world, key_id(1), "kms:Decrypt")

    async def put(text: str) -> dict[str, list[dict[str, Any]]]:
        if not standing.rows:
            await standing.begin()
        return await standing.take(PolicyReplaced(key_id(1), 2, text, False, False, {}))

    found = asyncio.run(put(policy(delegating(), use | {"Condition": ONLY})))
    (row,) = found["changed"]
    assert (row["principal"], row["for_sure"], row["before"]["for_sure"]) == (theirs, False, True)
    assert [each["open"] for each in row["before"]["paths"]] == [[]]
    again = asyncio.run(put(policy(delegating(), use | {"Condition": ONLY})))
    assert again == {"gained": [], "lost": [], "changed": []}


ALLOW_DECRYPT = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
GITHUB = "token.actions.example.com"


def web_trust(**condition: object) -> str:
    principal = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}
    )


@pytest.mark.parametrize(
    ("condition", "who", "open_on"),
    [
        ({}, f"anyone of https://{GITHUB}", []),
        (
            {"StringLike": {f"{GITHUB}:sub": "repo:us/*"}, "StringEquals": {f"{GITHUB}:aud": "keytrail"}},
            f"anyone of https://{GITHUB} with sub repo:us/*",
            [f"{GITHUB}:sub", f"{GITHUB}:aud"],
        ),
    ],
)
def test_who_has_a_role_by_a_token_is_named(condition: dict[str, object], who: str, open_on: list[str]) -> None:
    """Given a role that may decrypt and trusts a provider, when it is asked who can decrypt, then the answer names those to
    whom the provider gives such tokens."""
    world = given(
        a_key(),
        identities.RoleCreated(
            ACCOUNT, "AROA0000000000000001", "app", "/", web_trust(**condition), {}, "", 3600, {}, ""
        ),
        identities.InlinePolicyPut(ACCOUNT, "role", "AROA0000000000000001", "p", ALLOW_DECRYPT),
        identities.OidcProviderCreated(ACCOUNT, GITHUB, ["keytrail"], [], {}),
        identities.OidcProviderCreated(ACCOUNT, "other.example.com", ["keytrail"], [], {}),
    ).world
    rows = {row["principal"]: row for row in who_can(world, world.keys[key_id()], "kms:Decrypt")}
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    row = rows[f"{who}, as {role}"]
    assert row["kind"] == "federated"
    assert [each["key"] for each in row["paths"][0]["open"]] == open_on
    assert row["for_sure"] is (not open_on)
    assert len([each for each in rows.values() if each["kind"] == "federated"]) == 1
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"
    assert [each["principal"] for each in assumable(world, provider, Audience(ACCOUNT))] == [role]
    assert assumable(world, f"arn:aws:iam::{ACCOUNT}:oidc-provider/other.example.com", Audience(ACCOUNT)) == []


def test_who_gains_and_loses_a_role_by_a_token_is_named_too() -> None:
    """Given a role that may decrypt, when its provider comes and goes, its trust policy asks for a subject and its permission
    ends, then each change names those whom the provider's tokens let in or no longer let in."""
    role = "AROA0000000000000001"
    events = [
        identities.OidcProviderCreated(ACCOUNT, "other.example.com", ["keytrail"], [], {}),
        identities.OidcProviderCreated(ACCOUNT, GITHUB, ["keytrail"], [], {}),
        identities.TrustReplaced(ACCOUNT, role, 2, web_trust(StringLike={f"{GITHUB}:sub": "repo:us/*"}), {}),
        identities.OidcProviderDeleted(ACCOUNT, GITHUB),
        identities.OidcProviderCreated(ACCOUNT, GITHUB, ["keytrail"], [], {}),
        identities.InlinePolicyDeleted(ACCOUNT, "role", role, "p"),
    ]
    created = identities.RoleCreated(ACCOUNT, role, "app", "/", web_trust(), {}, "", 3600, {}, "")
    world = given(a_key(), created, identities.InlinePolicyPut(ACCOUNT, "role", role, "p", ALLOW_DECRYPT)).world
    standing = AccessHolders(world, key_id(), "kms:Decrypt")

    async def told() -> list[tuple[list[str], list[str]]]:
        await standing.begin()
        found = [await standing.take(event) for event in events]
        return [
            ([row["principal"] for row in each["gained"]], [row["principal"] for row in each["lost"]]) for each in found
        ]

    arn, session = f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:sts::{ACCOUNT}:assumed-role/app/session"
    anyone, ours = f"anyone of https://{GITHUB}, as {arn}", f"anyone of https://{GITHUB} with sub repo:us/*, as {arn}"
    assert asyncio.run(told()) == [
        ([], []),
        ([anyone], []),
        ([ours], [anyone]),
        ([], [ours]),
        ([ours], []),
        ([], [session, ours]),
    ]


RED = {"StringEquals": {"aws:PrincipalTag/team": "red"}}


@pytest.mark.parametrize(
    "statements",
    [
        [statement(Action="kms:Decrypt", Condition=RED)],
        [statement(Action="kms:Decrypt"), statement(Effect="Deny", Condition={"StringNotEquals": RED["StringEquals"]})],
    ],
)
def test_everybody_may_have_a_tag(statements: list[dict[str, Any]]) -> None:
    """The caller who stands for everybody was taken for one without tags, so strangers were missing."""
    world = given(a_key(policy=policy(*statements))).world
    assert "everyone" in {row["kind"] for row in who_can(world, world.keys[key_id()], "kms:Decrypt")}


@pytest.mark.parametrize(
    "statement_",
    [
        statement(Action="kms:Decrypt", Condition={"StringEquals": {"aws:username": "app"}}),
        statement(Action="kms:Decrypt", Condition={"StringEquals": {"aws:PrincipalServiceName": "s3.amazonaws.com"}}),
    ],
)
def test_a_role_has_no_username_and_is_no_service(statement_: dict[str, Any]) -> None:
    trusted = {"Effect": "Allow", "Principal": {"AWS": root_arn(ACCOUNT)}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    made = identities.RoleCreated(ACCOUNT, "AROAAPP", "app", "/", trust, {}, "", 3600, {}, "")
    world = given(made, a_key(policy=policy(statement_))).world
    assert "role" not in {row["kind"] for row in who_can(world, world.keys[key_id()], "kms:Decrypt")}

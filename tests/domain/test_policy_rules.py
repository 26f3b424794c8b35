"""The documented rules that implementers get wrong (docs/authorisation-rules.md): each test names its rule.

Only whole calls show #ciphertext-names-its-key and a half of #cross-account-operations: tests/e2e/test_authorisation.py. Grants are
decided as commands in test_grants.py too (#grant-constraints, #child-grant-is-no-wider).
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from domain.arn import alias_arn, root_arn, session_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import NO_BOUNDARY, NO_IDENTITY_POLICY, NO_RESOURCE_POLICY, NO_SESSION_POLICY
from domain.commands.create_key import required_permissions
from domain.errors import MalformedPolicy
from domain.grants.grant import is_narrower
from domain.policy.check import check_policy
from domain.policy.compile import DIRECT, compile_key_policy
from domain.policy.glob import compile_glob
from domain.policy.parse import KEY
from services.operations.iam_simulation_results import KMS_ANYWHERE
from services.operations.rows import Reading, Request
from services.operations.table import BY_NAME, CROSS_ACCOUNT
from tests.given import Given, arn, create_key
from tests.policies import (
    ACCOUNT,
    OTHER,
    allows,
    ask,
    boundary,
    delegating,
    grant,
    key,
    named,
    policy,
    role_arn,
    session_of,
    session_policy,
    statement,
    to_identity,
    user,
    user_arn,
)

ALLOW = to_identity()
DENY = {"Effect": "Deny"}


def when(operator: str, condition_key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {condition_key: list(values)}}}


def test_delegation_to_the_root_lets_identity_policies_decide() -> None:
    """#delegation-leaves-it-to-identity-policies"""
    assert not allows(policy(delegating()), user())
    assert ask(policy(delegating()), user()).by == NO_IDENTITY_POLICY
    assert allows(policy(delegating()), user(ALLOW))
    verdict = ask(policy(delegating()), user(ALLOW))
    assert verdict.kind == "identity-policy"
    assert verdict.delegation is not None


def test_the_root_user_has_what_the_key_policy_gives_and_no_more() -> None:
    """#root-user-has-what-the-key-policy-gives"""
    assert allows(policy(delegating()))
    assert not allows(policy(named(user_arn())))


def test_an_account_id_is_its_root_arn() -> None:
    """#account-id-is-its-root-arn"""
    assert allows(policy(named(ACCOUNT)))
    assert allows(policy(named(ACCOUNT)), user(ALLOW))
    assert not allows(policy(named(ACCOUNT)), root_of(OTHER))


def test_without_delegation_identity_policies_cannot_allow_but_still_deny() -> None:
    """#no-delegation-no-identity-allow"""
    assert not allows(policy(named(user_arn("bob"))), user(ALLOW))
    assert ask(policy(named(user_arn("bob"))), user(ALLOW)).by == NO_RESOURCE_POLICY
    assert not allows(policy(named(user_arn())), user(to_identity(**DENY)))
    assert ask(policy(named(user_arn())), user(to_identity(**DENY))).kind == "identity-policy"


def test_a_delegation_is_no_wider_than_its_actions() -> None:
    """#delegation-is-no-wider-than-its-actions"""
    limited = policy(delegating(Action="kms:Describe*"))
    assert not allows(limited, user(ALLOW), "kms:Decrypt")
    assert allows(limited, user(ALLOW), "kms:DescribeKey")


def test_a_foreign_user_that_the_key_policy_names_needs_an_allow_at_home() -> None:
    """#foreign-user-needs-an-allow-at-home"""
    text = policy(named(user_arn(account=OTHER)))
    assert not allows(text, user(account=OTHER))
    assert allows(text, user(ALLOW, account=OTHER))


def test_everyone_of_the_callers_own_account() -> None:
    """#everyone-with-caller-account"""
    text = policy(statement(**when("StringEquals", "kms:CallerAccount", ACCOUNT)))
    assert allows(text, user())
    assert not allows(text, user(ALLOW, account=OTHER))


def test_everyone_without_a_condition_still_needs_an_allow_at_home_from_abroad() -> None:
    """#everyone-from-abroad-needs-an-allow-at-home"""
    assert allows(policy(statement()), user())
    assert not allows(policy(statement()), user(account=OTHER))
    assert allows(policy(statement()), user(ALLOW, account=OTHER))


@pytest.mark.parametrize("missing", ["Action", "Resource"])
def test_a_statement_without_action_or_resource_has_no_effect(missing: str) -> None:
    """#statement-without-action-or-resource"""
    without = {name: value for name, value in statement().items() if name != missing}
    check_policy(policy(without), KEY)
    assert not allows(policy(without))
    assert allows(policy(statement(), without | DENY))


def test_a_roles_arn_is_all_its_sessions_and_a_sessions_arn_is_that_one() -> None:
    """#role-arn-covers-its-sessions"""
    assert allows(policy(named(role_arn())), session_of())
    assert allows(policy(named(role_arn())), session_of(session="s2"))
    one = policy(named(session_arn(ACCOUNT, "app", "s1")))
    assert allows(one, session_of())
    assert not allows(one, session_of(session="s2"))
    for partial in (f"arn:aws:iam::{ACCOUNT}:user/*", f"arn:aws:iam::{ACCOUNT}:role/a?p", f"arn:aws:iam::{ACCOUNT}:*"):
        with pytest.raises(MalformedPolicy, match="invalid principals"):
            check_policy(policy(named(partial)), KEY)


def test_implicit_denies_limit_what_a_role_arn_gives_and_not_what_a_session_or_user_gives() -> None:
    """#implicit-deny-limits-a-role"""
    narrow = to_identity(Action="kms:Sign")
    by_role, by_session = policy(named(role_arn())), policy(named(session_arn(ACCOUNT, "app", "s1")))
    for limited in (session_of(limit=boundary(narrow)), session_of(policies=session_policy(narrow))):
        assert not allows(by_role, limited)
        assert allows(by_session, limited)
        assert allows(policy(statement()), limited)
    assert ask(by_role, session_of(limit=boundary(narrow))).by == NO_BOUNDARY
    assert ask(by_role, session_of(policies=session_policy(narrow))).by == NO_SESSION_POLICY
    assert allows(policy(named(user_arn())), user(limit=boundary(narrow)))
    assert not allows(policy(delegating()), user(ALLOW, limit=boundary(narrow)))
    denied = session_of(limit=boundary(to_identity(**DENY)))
    assert not allows(by_session, denied)
    assert ask(by_session, denied).kind == "boundary"


def test_a_deny_with_not_equals_on_a_missing_key_denies() -> None:
    """#negated-operator-on-a-missing-key"""
    denying = statement(**DENY, **when("StringNotEquals", "aws:SourceVpce", "vpce-1"))
    assert not allows(policy(statement(), denying))


def test_if_exists_on_a_missing_key() -> None:
    """#if-exists-on-a-missing-key"""
    assert allows(policy(statement(**when("StringEqualsIfExists", "aws:SourceVpce", "vpce-1"))))
    denying = statement(**DENY, **when("StringNotEqualsIfExists", "aws:SourceVpce", "vpce-1"))
    assert not allows(policy(statement(), denying))


def test_bool_false_on_a_missing_key_does_not_match() -> None:
    """#bool-on-a-missing-key"""
    text = policy(statement(**when("Bool", "aws:MultiFactorAuthPresent", "false")))
    assert not allows(text)
    assert allows(text, context={"aws:MultiFactorAuthPresent": "false"})


def test_null_is_absence_and_not_equals_matches_an_absent_key() -> None:
    """#null-is-absence"""
    absent = policy(statement(**when("Null", "aws:TokenIssueTime", "true")))
    assert allows(absent)
    assert not allows(absent, context={"aws:TokenIssueTime": "2026-01-01T00:00:00Z"})
    neither = policy(statement(**when("StringNotEquals", "aws:PrincipalTag/team", "a", "b")))
    assert not allows(neither, context={"aws:PrincipalTag/team": "a"})
    assert not allows(neither, context={"aws:PrincipalTag/team": "b"})
    assert allows(neither, context={"aws:PrincipalTag/team": "c"})


def test_for_all_values_is_true_of_nothing_and_for_any_value_false() -> None:
    """#set-operators-on-a-missing-key"""
    every = policy(statement(**when("ForAllValues:StringEquals", "aws:TagKeys", "a", "b")))
    some = policy(statement(**when("ForAnyValue:StringEquals", "aws:TagKeys", "a", "b")))
    assert allows(every)
    assert allows(every, context={"aws:TagKeys": []})
    assert allows(every, context={"aws:TagKeys": ["a", "b"]})
    assert not allows(every, context={"aws:TagKeys": ["a", "c"]})
    assert not allows(some)
    assert allows(some, context={"aws:TagKeys": ["a", "c"]})
    assert not allows(some, context={"aws:TagKeys": ["c"]})


def test_for_all_values_on_an_encryption_context_pair_is_refused() -> None:
    """#no-set-operator-on-a-pair"""
    text = policy(statement(**when("ForAllValues:StringEquals", "kms:EncryptionContext:app", "x")))
    with pytest.raises(MalformedPolicy, match=r"OverlyPermissiveCondition.*\$\.Statement\[0\]\.Condition"):
        check_policy(text, KEY)
    check_policy(policy(statement(**when("ForAllValues:StringEquals", "kms:EncryptionContextKeys", "x"))), KEY)


def test_a_pairs_name_has_no_case_its_value_has_and_the_keys_have() -> None:
    """#case-of-an-encryption-context"""
    text = policy(statement(**when("StringEquals", "kms:EncryptionContext:AppName", "Pay")))
    assert allows(text, pairs={"appname": "Pay"})
    assert not allows(text, pairs={"AppName": "pay"})
    assert allows(
        policy(statement(**when("StringEqualsIgnoreCase", "kms:EncryptionContext:a", "PAY"))), pairs={"A": "pay"}
    )
    keys = policy(statement(**when("ForAnyValue:StringEquals", "kms:EncryptionContextKeys", "AppName")))
    assert allows(keys, pairs={"AppName": "x"})
    assert not allows(keys, pairs={"appname": "x"})


def test_arn_operators_match_by_component_string_like_does_not_and_string_equals_never_globs() -> None:
    """#arn-operators-match-by-component"""
    own = {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/team/app"}
    for operator in ("ArnEquals", "ArnLike"):
        assert allows(policy(statement(**when(operator, "aws:PrincipalArn", "arn:aws:iam::*:role/*"))), context=own)
        assert not allows(policy(statement(**when(operator, "aws:PrincipalArn", "arn:*:role/*"))), context=own)
    assert allows(policy(statement(**when("StringLike", "aws:PrincipalArn", "arn:*:role/*"))), context=own)
    assert not allows(policy(statement(**when("StringEquals", "aws:PrincipalArn", "arn:*"))), context=own)


@pytest.mark.parametrize("action", ["KMS:encrypt", "kms:ENCRYPT", "kms:Encryp?", "kms:E*", "*", "kms:*", "k*:*t"])
def test_action_names_are_case_insensitive_and_have_wildcards(action: str) -> None:
    """#action-names-have-no-case"""
    assert allows(policy(statement(Action=action)))
    assert not allows(policy(statement(Action="kms:Decryp?")))


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_a_variable_is_text_under_old_versions(version: str | None) -> None:
    """#variables-need-version-2012"""
    condition = when("StringEquals", "kms:EncryptionContext:user", "${aws:username}")
    assert allows(policy(statement(**condition)), user(), pairs={"user": "alice"})
    old = policy(statement(**condition), version=version)
    assert not allows(old, user(), pairs={"user": "alice"})
    assert allows(old, user(), pairs={"user": "${aws:username}"})


def test_a_key_of_many_values_is_no_variable() -> None:
    """#variables-need-version-2012"""
    text = policy(statement(**when("StringEquals", "kms:EncryptionContext:tag", "${aws:TagKeys}")))
    assert not allows(text, pairs={"tag": "a"}, context={"aws:TagKeys": ["a", "b"]})


def test_addresses_and_dates_on_missing_keys() -> None:
    """#addresses-and-dates-on-missing-keys"""
    outside = statement(**DENY, **when("NotIpAddress", "aws:VpcSourceIp", "10.0.0.0/8"))
    assert not allows(policy(statement(), outside))
    later = policy(statement(**when("DateGreaterThan", "aws:TokenIssueTime", "2020-01-01T00:00:00Z")))
    assert not allows(later)
    assert allows(later, context={"aws:TokenIssueTime": "2026-01-01T00:00:00Z"})


def test_an_alias_arn_in_resource_is_the_alias_and_not_the_key() -> None:
    """#alias-arn-is-not-the-key"""
    alias = alias_arn("us-east-1", ACCOUNT, "alias/a")
    assert not allows(policy(statement(Resource=alias)))
    assert not allows(policy(delegating()), user(to_identity(Resource=alias)))
    on_alias = user(to_identity(Resource=alias))
    assert may(on_alias, "kms:CreateAlias", in_account(alias, ACCOUNT)).allowed
    assert not may(user(to_identity(Resource=arn())), "kms:CreateAlias", in_account(alias, ACCOUNT)).allowed


def on_no_key(caller: Caller, operation: str) -> bool:
    world = Given().world
    if operation == "CreateKey":
        return all(each.allowed for each in required_permissions(create_key(), caller, world))
    row = BY_NAME[operation]
    assert isinstance(row, Reading)
    (verdict,) = row.access(Request(operation, {"RetiringPrincipal": user_arn()}, caller), world)
    return verdict.allowed


ON_NO_KEY = sorted(name for name in BY_NAME if name.lower() in KMS_ANYWHERE)


@pytest.mark.parametrize("operation", ON_NO_KEY)
def test_an_operation_on_no_key_needs_a_statement_on_everything(operation: str) -> None:
    """#operations-on-no-key"""
    assert ON_NO_KEY == [
        "CreateKey", "DescribeCustomKeyStores", "GenerateRandom", "ListAliases", "ListKeys", "ListRetirableGrants",
    ]  # fmt: skip
    keys, named = f"arn:aws:kms:*:{ACCOUNT}:key/*", user_arn()
    assert not on_no_key(user(to_identity(Resource=[keys, named])), operation)
    assert on_no_key(user(to_identity()), operation)
    assert on_no_key(user(to_identity(), to_identity(**DENY, Resource=[keys, named])), operation)
    assert not on_no_key(user(to_identity(), to_identity(**DENY)), operation)


def test_tags_for_a_new_key_are_on_a_key() -> None:
    """#operations-on-no-key, by the example of KMS tag-permissions."""
    create, tagging = to_identity(Action="kms:CreateKey"), to_identity(Action="kms:TagResource")
    tagged, world = create_key(tags=[("team", "red")]), Given().world
    keys = {"Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*"}
    for statements, expected in [
        ([create], [True, False]),
        ([create, tagging | keys], [True, True]),
        ([create | keys, tagging], [False, True]),
        ([create, tagging | {"Resource": arn()}], [True, False]),
    ]:
        verdicts = required_permissions(tagged, user(*statements), world)
        assert [each.allowed for each in verdicts] == expected


def test_a_grant_allows_without_being_named_and_an_explicit_deny_beats_it() -> None:
    """#grants-only-allow"""
    nothing = policy(named(user_arn("bob")))
    granted = key(nothing, grant("AIDAalice", "Encrypt"))
    assert allows(granted, user())
    assert ask(granted, user()).kind == "grant"
    assert not allows(granted, user(), "kms:Decrypt")
    assert not allows(granted, user(name="carol"))
    assert not allows(granted, user(to_identity(**DENY)))
    assert not allows(key(policy(named(user_arn(), **DENY)), grant("AIDAalice", "Encrypt")), user())


def test_grant_constraints_are_exact_or_a_subset_and_their_values_have_case() -> None:
    """#grant-constraints: the developer guide says that names have case. The API reference's GrantConstraints, which is newer,
    says that they have not."""
    nothing = policy(named(user_arn("bob")))
    operations = ("Encrypt", "DescribeKey", "RetireGrant")
    exact = key(nothing, grant("AIDAalice", *operations, constraints={"EncryptionContextEquals": {"App": "x"}}))
    subset = key(nothing, grant("AIDAalice", *operations, constraints={"EncryptionContextSubset": {"App": "x"}}))
    assert allows(exact, user(), pairs={"App": "x"})
    assert not allows(exact, user(), pairs={"App": "x", "b": "y"})
    assert allows(exact, user(), pairs={"app": "x"})
    assert not allows(exact, user(), pairs={"App": "X"})
    assert not allows(exact, user(), pairs={"App": "x", "app": "x"})
    assert allows(subset, user(), pairs={"App": "x", "b": "y"})
    assert allows(subset, user(), pairs={"aPP": "x", "b": "y"})
    assert not allows(subset, user(), pairs={"App": "X"})
    assert not allows(subset, user())
    assert allows(exact, user(), "kms:DescribeKey")
    assert allows(exact, user(), "kms:RetireGrant")


def test_a_child_grants_constraints_are_equal_or_stricter() -> None:
    """#child-grant-is-no-wider"""
    equals, subset = "EncryptionContextEquals", "EncryptionContextSubset"
    assert is_narrower({equals: {"a": "1"}}, {equals: {"a": "1"}})
    assert not is_narrower({equals: {"a": "1", "b": "2"}}, {equals: {"a": "1"}})
    assert not is_narrower({subset: {"a": "1"}}, {equals: {"a": "1"}})
    assert is_narrower({subset: {"a": "1", "b": "2"}}, {subset: {"a": "1"}})
    assert is_narrower({equals: {"a": "1", "b": "2"}}, {subset: {"a": "1"}})
    assert not is_narrower({}, {subset: {"a": "1"}})
    assert is_narrower({subset: {"a": "1"}}, {})
    assert is_narrower({equals: {"A": "1"}}, {equals: {"a": "1"}})
    assert is_narrower({subset: {"A": "1", "b": "2"}}, {subset: {"a": "1"}})
    assert not is_narrower({subset: {"a": "X"}}, {subset: {"a": "x"}})
    assert not is_narrower({}, {equals: {}})
    assert not is_narrower({subset: {"a": "1"}}, {equals: {}})
    assert is_narrower({equals: {}}, {equals: {}})
    assert is_narrower({}, {subset: {}})


def test_a_grant_for_an_encryption_context_of_no_pairs() -> None:
    """API reference, GrantConstraints: "the same as" no pairs is a request without a context, "includes" no pairs is any."""
    nothing = policy(named(user_arn("bob")))
    none = key(nothing, grant("AIDAalice", "Encrypt", constraints={"EncryptionContextEquals": {}}))
    assert allows(none, user())
    assert not allows(none, user(), pairs={"a": "b"})
    some = key(nothing, grant("AIDAalice", "Encrypt", constraints={"EncryptionContextSubset": {}}))
    assert allows(some, user(), pairs={"a": "b"})


def test_what_cannot_be_called_across_accounts_is_a_table() -> None:
    """#cross-account-operations"""
    assert "PutKeyPolicy" not in CROSS_ACCOUNT
    assert {"Encrypt", "Decrypt", "DescribeKey", "CreateGrant"} <= CROSS_ACCOUNT


def test_iam_knows_re_encrypt_from_and_to() -> None:
    """#re-encrypt-has-two-permissions"""
    both = policy(statement(Action=["kms:ReEncryptFrom", "kms:ReEncryptTo"]))
    assert allows(both, action="kms:ReEncryptFrom")
    assert not allows(policy(statement(Action="kms:ReEncrypt")), action="kms:ReEncryptFrom")
    assert "ReEncrypt" in BY_NAME


def test_a_pattern_full_of_stars_takes_no_backtracking() -> None:
    """#globs-in-linear-time"""
    matches = compile_glob("*a*a*a*a*a*a*a*a*b")
    began = time.perf_counter()
    assert not matches("a" * 384)
    assert not compile_glob("*a?*a?*a?*a?*b")("a" * 384)
    # a backtracking matcher would take longer than the age of the universe; this bound only tells the two apart
    assert time.perf_counter() - began < 1


def test_a_deny_beats_every_allow() -> None:
    """#explicit-deny-wins"""
    assert not allows(policy(statement(), statement(Effect="Deny", Action="kms:Encrypt")))
    assert allows(policy(statement(), statement(Effect="Deny", Action="kms:Decrypt")))


def test_not_action_not_resource_and_not_principal() -> None:
    assert allows(policy({"Effect": "Allow", "Principal": "*", "NotAction": "kms:Decrypt", "Resource": "*"}))
    assert not allows(policy({"Effect": "Allow", "Principal": "*", "NotAction": "kms:E*", "Resource": "*"}))
    assert allows(policy({"Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": "arn:aws:s3:::x"}))
    assert not allows(policy({"Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": arn()}))
    everyone_else = {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "*", "Resource": "*"}
    assert allows(policy(statement(), everyone_else))
    assert not allows(policy(statement(), everyone_else), root_of(OTHER))


def test_a_deny_spares_by_not_principal_only_those_of_whom_every_name_is_listed() -> None:
    """IAM user guide, reference_policies_elements_notprincipal: the account has to be listed beside its user."""
    spared = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": [user_arn(), root_arn(ACCOUNT)]},
        "Action": "*",
        "Resource": "*",
    }
    half = {"Effect": "Deny", "NotPrincipal": {"AWS": [user_arn()]}, "Action": "*", "Resource": "*"}
    assert allows(policy(statement(), spared), user())
    assert not allows(policy(statement(), half), user())
    assert not allows(policy(statement(), spared), user(name="bob"))


def test_a_condition_that_cannot_be_read_never_allows_and_always_denies() -> None:
    """Policies that were put before conditions were checked stay on the log, and are read on the safe side."""
    odd = statement(Condition={"StringWishes": {"aws:x": "y"}})
    assert not allows(policy(odd))
    assert not allows(policy(statement(), odd | DENY))


def test_the_deciding_statement_is_named_and_so_is_the_one_that_came_close() -> None:
    text = policy(statement(Sid="one", Action="kms:Decrypt"), statement(Sid="two"), statement(Sid="three", Effect="Deny", Action="kms:Sign"))  # fmt: skip
    resource = key(text)
    by = ask(resource).document()["by"]
    assert by == {"kind": "key-policy", "policy": arn(), "version": 1, "sid": "two", "index": 1}
    assert ask(resource, action="kms:Sign").document()["by"]["sid"] == "three"
    close = ask(
        policy(statement(Sid="app", **when("StringEquals", "kms:EncryptionContext:app", "pay"))), pairs={"app": "x"}
    )
    assert close.near is not None
    assert close.near["by"]["sid"] == "app"
    assert close.near["condition"] == {
        "operator": "StringEquals",
        "key": "kms:EncryptionContext:app",
        "wanted": ["pay"],
        "found": ["x"],
    }
    assert compile_key_policy(text, arn(), 7).statements[0].by.version == 7


def test_a_service_principal_has_the_name_that_key_policies_use() -> None:
    """A service has no account and no policies of its own, and a user is never meant by a service's name."""
    service = Caller("", "logs.amazonaws.com", {"Service:logs.amazonaws.com": DIRECT}, "logs", needs_policies=False)
    for_logs = policy(statement(Principal={"Service": "logs.amazonaws.com"}))
    assert allows(for_logs, service)
    assert not allows(policy(statement(Principal={"Service": "s3.amazonaws.com"})), service)
    assert not allows(policy(delegating()), service)
    assert not allows(for_logs, user(ALLOW))

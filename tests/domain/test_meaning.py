"""How two policies differ, and what a policy must not do: by meaning, not by text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.errors import MalformedPolicy
from domain.keys.states import KEY_ACTIONS
from domain.policy.check import check_policy
from domain.policy.default import default_key_policy
from domain.policy.parse import KEY
from domain.policy_analysis.check import Policies, no_new_access_than, not_grants, not_public
from domain.policy_analysis.compare import compare
from domain.policy_analysis.outcomes import DIFFERENT, EQUIVALENT, UNKNOWN
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.words import TooMany, arn, glob, literal, samples
from tests.given import ACCOUNT, OTHER
from tests.given import arn as key_arn
from tests.policies import delegating, named, policy, role_arn, statement, user_arn

DEFAULT = default_key_policy(ACCOUNT)


def diff(old: str, new: str, old_ids: dict[str, str] | None = None, new_ids: dict[str, str] | None = None) -> Any:
    return compare(Space((Side(old, old_ids or {}), Side(new, new_ids or {})), ACCOUNT, KEY_ACTIONS, key_arn()))


def who(region: dict[str, Any]) -> set[str]:
    return {each.get("principal", f"other {each['kind']} of {each.get('account')}") for each in region["principals"]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (statement(Action=["kms:Encrypt", "kms:Decrypt"]), [statement(Action="kms:Decrypt"), statement(Action="kms:Encrypt")]),
        (statement(Action="kms:enCRYPT"), [statement(Action="KMS:Encrypt")]),
        (statement(), [statement(), statement(Action="kms:Encrypt")]),
        (statement(Action="kms:Encrypt"), [statement(Action="kms:Encrypt", Sid="named", Condition={})]),
        (named(ACCOUNT), [named(f"arn:aws:iam::{ACCOUNT}:root")]),
        (
            statement(Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
            [statement(Condition={"StringLike": {"kms:CallerAccount": ACCOUNT}})],
        ),
        (
            statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
            [
                statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/9"}}),
                statement(Condition={"IpAddress": {"aws:SourceIp": "10.128.0.0/9"}}),
            ],
        ),
        (
            statement(Condition={"NumericLessThan": {"kms:RotationPeriodInDays": "100"}}),
            [
                statement(Condition={"NumericLessThanEquals": {"kms:RotationPeriodInDays": "50"}}),
                statement(Condition={"NumericLessThan": {"kms:RotationPeriodInDays": ["100", "20"]}}),
            ],
        ),
        (
            statement(Condition={"StringLike": {"kms:ViaService": "*"}}),
            [statement(Condition={"Null": {"kms:ViaService": "false"}})],
        ),
    ],
)  # fmt: skip
def test_other_words_for_the_same_are_equivalent(one: dict[str, Any], other: list[dict[str, Any]]) -> None:
    assert diff(policy(delegating(), one), policy(delegating(), *other))["answer"] == EQUIVALENT


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_date_that_utc_does_not_have_is_unknown_and_no_fault(date: str) -> None:
    """No new policy may have one; the log may hold one. Each comparison with it ended in an exception."""
    never = named("*", Effect="Deny", Condition={"DateGreaterThan": {"aws:CurrentTime": date}})
    assert diff(policy(delegating()), policy(delegating(), never))["answer"] in (UNKNOWN, DIFFERENT)
    assert diff(policy(delegating(), never), policy(delegating(), never, named(OTHER)))["answer"] in (
        UNKNOWN,
        DIFFERENT,
    )
    check_policy(
        policy(delegating(), named("*", Condition={"DateGreaterThan": {"aws:CurrentTime": "9999-12-31T23:59:59Z"}})),
        KEY,
    )
    with pytest.raises(MalformedPolicy, match="outside of the years 1 to 9999"):
        check_policy(policy(delegating(), never), KEY)


def test_untagging_has_the_names_of_tags_and_no_pairs() -> None:
    """The second Deny alone keeps somebody from taking the tag away; it was taken for one that the first makes needless."""
    admin = named(user_arn(), Action="kms:*")
    pairs = named(
        "*", Effect="Deny", Action="kms:TagResource", Condition={"StringNotEquals": {"aws:RequestTag/team": "a"}}
    )
    names = named(
        "*", Effect="Deny", Action="kms:UntagResource", Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}
    )
    found = diff(policy(delegating(), admin, pairs, names), policy(delegating(), admin, pairs))
    assert (found["answer"], next(each["actions"] for each in found["allowed"])) == (DIFFERENT, ["kms:UntagResource"])


def test_a_new_statement_lets_in_whom_it_names_with_a_witness() -> None:
    more = named(user_arn(), Action="kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "payroll"}})
    found = diff(policy(delegating()), policy(delegating(), more))
    (region,) = found["allowed"]
    assert (found["answer"], found["denied"], who(region)) == (DIFFERENT, [], {user_arn()})
    assert (region["actions"], region["before"], region["after"]) == (
        ["kms:Decrypt"],
        "left to identity policies",
        "allowed",
    )
    witness = region["witness"]
    assert witness["context"] == {"kms:encryptioncontext:app": ["payroll"]}
    assert (witness["refused"]["effect"], witness["allowed"]["effect"]) == ("deny", "allow")
    assert witness["allowed"]["by"]["index"] == 1


def test_the_reverse_comparison_shows_what_is_shut_out() -> None:
    found = diff(policy(delegating(), named(role_arn())), policy(delegating()))
    assert found["allowed"] == []
    assert {(each["before"], each["after"]) for each in found["denied"]} == {
        ("allowed within boundary and session policy", "left to identity policies")
    }


def test_a_deny_that_is_dropped_gives_a_grant_its_effect_back() -> None:
    deny = named(OTHER, Effect="Deny", Action="kms:Decrypt")
    (region,) = diff(policy(delegating(), deny), policy(delegating()))["allowed"]
    assert (region["before"], region["after"], region["witness"]["with"]) == (
        "denied",
        "not allowed",
        "a grant of the operation",
    )
    # No grant gives PutKeyPolicy, so "denied" and "not allowed" are the same.
    deny = named(OTHER, Effect="Deny", Action="kms:PutKeyPolicy")
    assert diff(policy(delegating(), deny), policy(delegating()))["answer"] == EQUIVALENT


def test_a_policy_that_names_a_user_made_again_means_somebody_else() -> None:
    text = policy(delegating(), named(user_arn(), Action="kms:Decrypt"))
    old = new = user_arn()
    found = diff(text, text, {old: "AIDAFIRST"}, {new: "AIDASECOND"})
    assert [each["id"] for region in found["allowed"] for each in region["principals"]] == ["AIDASECOND"]
    assert [each["id"] for region in found["denied"] for each in region["principals"]] == ["AIDAFIRST"]


def test_a_condition_key_that_an_action_does_not_have_lets_nothing_in() -> None:
    more = named(user_arn(), Action="kms:DescribeKey", Condition={"Null": {"kms:EncryptionContext:app": "false"}})
    assert diff(policy(delegating()), policy(delegating(), more))["answer"] == EQUIVALENT


def test_a_pair_and_its_name_go_together() -> None:
    pair = statement(Action="kms:Decrypt", Condition={"StringLike": {"kms:EncryptionContext:App": "*"}})
    name = statement(
        Action="kms:Decrypt", Condition={"ForAnyValue:StringEqualsIgnoreCase": {"kms:EncryptionContextKeys": "app"}}
    )
    assert diff(policy(pair), policy(name))["answer"] == EQUIVALENT


def test_a_policy_variable_is_unknown_and_its_statement_is_named() -> None:
    more = statement(Sid="own", Condition={"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}})
    found = diff(policy(delegating()), policy(delegating(), more))
    assert (found["answer"], found["allowed"]) == (UNKNOWN, [])
    assert {each["by"]["sid"] for region in found["unknown"] for each in region["statements"]} == {"own"}
    # The same condition on both sides is the same, whatever it says.
    assert diff(policy(delegating(), more), policy(more, delegating()))["answer"] == EQUIVALENT


def test_an_uncut_condition_hides_no_cut_one() -> None:
    more = statement(Condition={"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}})
    found = diff(policy(delegating()), policy(delegating(), more, named(OTHER, Action="kms:Decrypt")))
    assert found["answer"] == UNKNOWN
    assert f"arn:aws:iam::{OTHER}:root" in {name for region in found["allowed"] for name in who(region)}


def test_a_policy_that_names_every_stranger_leaves_another() -> None:
    taken = [f"{number:012}" for number in range(999_999_999_990, 10**12)]
    old = policy(delegating(), statement(Effect="Deny", Principal={"AWS": taken}), statement(Action="kms:Decrypt"))
    assert diff(policy(delegating()), old)["answer"] == DIFFERENT


@pytest.mark.parametrize("name", ["", "a/b", "a:b"])
def test_a_name_that_nobody_can_have_lets_nobody_in(name: str) -> None:
    more = statement(Condition={"StringEquals": {"aws:username": name}})
    assert diff(policy(delegating()), policy(delegating(), more))["answer"] == EQUIVALENT


def test_a_path_before_a_name_is_met_by_a_pattern() -> None:
    more = statement(Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/team/*"}})
    found = diff(policy(delegating()), policy(delegating(), more))
    assert {each["principal"].rpartition("/")[0] for region in found["allowed"] for each in region["principals"]} == {
        f"arn:aws:iam::{ACCOUNT}:user/team"
    }


def test_who_calls_compared_as_a_number_is_unknown() -> None:
    more = statement(Condition={"NumericLessThan": {"kms:CallerAccount": "500000000000"}})
    found = diff(policy(delegating()), policy(delegating(), more))
    assert (found["answer"], found["allowed"]) == (UNKNOWN, [])


def test_a_character_that_no_pattern_names_is_found_however_many_do() -> None:
    signs = "xyzabcdefghijklmnopqrstuvw0123456789-_" + "".join(map(chr, range(0x400, 0x480)))
    wanted = {"StringLike": {"kms:ViaService": [f"{sign}*" for sign in signs]}}
    narrow, wide = statement(Condition=wanted), statement(Condition={"StringLike": {"kms:ViaService": "?*"}})
    (region,) = diff(policy(narrow), policy(wide))["allowed"][:1]
    assert region["witness"]["context"]["kms:viaservice"][0][0] not in signs


def test_too_many_parts_are_unknown() -> None:
    old = [
        statement(Condition={"StringEquals": {f"aws:PrincipalTag/t{n}": "a", f"aws:RequestTag/t{n}": "b"}})
        for n in range(14)
    ]
    found = diff(policy(*old), policy(statement()))
    assert (found["answer"], found["allowed"]) == (UNKNOWN, [])
    assert "more than" in found["unknown"][0]["why"]


def test_public_is_whom_nothing_is_known_of() -> None:
    def public(**elements: Any) -> str:
        of = Policies(Side(policy(delegating(), statement(Action="kms:Decrypt", **elements))), ACCOUNT, KEY_ACTIONS)
        answer: str = not_public(of)["answer"]
        return answer

    assert public() == "failed"
    assert public(Condition={"StringEquals": {"kms:CallerAccount": OTHER}}) == "passed"
    assert public(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-abc"}}) == "passed"
    assert public(Condition={"StringLike": {"aws:PrincipalOrgID": "o-*"}}) == "failed"
    assert public(Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}) == "passed"
    assert public(Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}) == "failed"
    assert public(Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}}) == "failed"
    assert public(Condition={"StringEquals": {"kms:EncryptionContext:app": "x"}}) == "failed"
    assert public(Principal={"AWS": OTHER}) == "passed"


def test_a_check_names_actions_and_principals() -> None:
    of = Policies(Side(policy(delegating(), named(role_arn(), Action="kms:Decrypt"))), ACCOUNT, KEY_ACTIONS)
    assert not_grants(of, "kms:Decrypt", role_arn())["answer"] == "failed"
    assert not_grants(of, "kms:*", f"arn:aws:iam::{OTHER}:root")["answer"] == "passed"
    assert not_grants(of, "kms:Encrypt")["answer"] == "failed"  # the root, and those whom identity policies let in
    assert no_new_access_than(of, Side(DEFAULT))["answer"] == "failed"
    assert no_new_access_than(Policies(Side(DEFAULT), ACCOUNT, KEY_ACTIONS), of.policy)["answer"] == "passed"


def test_a_statement_of_another_key_counts_where_no_key_is_named() -> None:
    elsewhere = named(OTHER, Action="kms:Decrypt", Resource=key_arn(2))
    of = Policies(Side(policy(delegating(), elsewhere)), ACCOUNT, KEY_ACTIONS)
    assert not_grants(of, "kms:Decrypt", f"arn:aws:iam::{OTHER}:root")["answer"] == "failed"
    of = Policies(of.policy, ACCOUNT, KEY_ACTIONS, key_arn())
    assert not_grants(of, "kms:Decrypt", f"arn:aws:iam::{OTHER}:root")["answer"] == "passed"


def test_words_stand_for_every_way_to_match() -> None:
    found = samples([[glob([("a*", True)])], [glob([("*b", True)])], [literal("ab")]])
    met = {(word.startswith("a"), word.endswith("b"), word == "ab") for word in found}
    assert met == {
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (True, True, False),
        (True, True, True),
    }
    assert arn([("arn:aws:iam", True)]) is None
    with pytest.raises(TooMany):
        samples([[glob([("*a" + "?" * 20, True)])]])


def test_the_command_line_needs_no_server_and_exits_by_its_answer(tmp_path: Path) -> None:
    path, other = tmp_path / "policy.json", tmp_path / "open.json"
    path.write_text(DEFAULT)
    other.write_text(policy(delegating(), statement(Action="kms:Decrypt")))

    def check(file: Path, *arguments: str) -> int:
        command = [str(Path(sys.executable).parent / "keytrail"), "check-policy", str(file), *arguments]
        return subprocess.run(command, capture_output=True, check=False).returncode  # Keytrail's own program

    assert check(path, "--not-public") == 0
    assert check(other, "--not-public") == 1
    assert check(other, "--no-new-access-than", str(path), "--json") == 1
    assert check(path, "--no-new-access-than", str(other), "--not-grants", f"kms:*={OTHER}") == 0
    assert check(path) == 2
    assert check(path, "--not-grants", "s3:GetObject") == 2
    other.write_text(json.dumps({"Version": "2012-10-17"}))
    assert check(other, "--not-public") == 2

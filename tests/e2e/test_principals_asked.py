"""What a command says about a principal: every change that names it, the rights that it has through others, and the
roles that it could assume."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from services.wording.names import summary
from tests.e2e.test_authorisation import House, document, may, to
from tests.installation import Installation

ACCOUNT = "111122223333"


@dataclass
class Told:
    """Lena, formerly Lea. She is in two groups, a key policy names her, she has a grant, and she may assume a role."""

    house: House
    key: str
    lea: str
    lena: str
    shift: str
    role: str

    def answers(self, *arguments: str) -> list[dict[str, Any]]:
        return self.house.installation.answers(*arguments)


@pytest.fixture(scope="module")
def told(installation: Installation) -> Told:
    house = House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))
    lea, arn, _ = house.user("lea")
    lena, shift, role = f"{lea}-lena", f"{lea}-shift", f"{lea}-role"
    with pytest.raises(house.iam.exceptions.ClientError):
        house.iam.delete_user_policy(UserName=lea, PolicyName="there-is-none")
    for group in (shift, f"{shift}-2"):
        house.iam.create_group(GroupName=group)
        house.iam.put_group_policy(GroupName=group, PolicyName="use", PolicyDocument=document(may("kms:Decrypt")))
        house.iam.add_user_to_group(GroupName=group, UserName=lea)
    house.iam.update_user(UserName=lea, NewUserName=lena)
    arn = arn.replace(lea, lena)
    trust = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    trust["Condition"] = {"StringEquals": {"sts:ExternalId": "night"}}
    house.iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(trust))
    key = house.kms.create_key()["KeyMetadata"]["KeyId"]
    house.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}])  # names nobody
    house.put(key, to(arn, "kms:Encrypt"))
    house.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "c"}])
    grant = house.kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])["GrantId"]
    house.kms.revoke_grant(KeyId=key, GrantId=grant)
    house.iam.put_user_policy(UserName=lena, PolicyName="own", PolicyDocument=document(may("kms:Decrypt")))
    house.iam.delete_user_policy(UserName=lena, PolicyName="own")
    house.iam.remove_user_from_group(GroupName=shift, UserName=lena)
    installation.caught_up()
    return Told(house, key, lea, lena, shift, role)


def test_a_principals_history_has_every_change_that_names_it_under_each_of_its_names(told: Told) -> None:
    (before,) = [row for row in told.answers("history", told.lena) if row["operation"] == "CreateUser"]
    found = [(row["operation"], row["effect"]) for row in told.answers("history", told.lena)]
    assert found == [
        ("CreateUser", "allowed"),
        ("CreateAccessKey", "allowed"),
        ("DeleteUserPolicy", "refused"),
        ("AddUserToGroup", "allowed"),
        ("AddUserToGroup", "allowed"),
        ("UpdateUser", "allowed"),
        ("CreateRole", "allowed"),
        ("PutKeyPolicy", "allowed"),
        ("CreateGrant", "allowed"),
        ("RevokeGrant", "allowed"),
        ("PutUserPolicy", "allowed"),
        ("DeleteUserPolicy", "allowed"),
        ("RemoveUserFromGroup", "allowed"),
    ]
    assert told.answers("history", told.lea) == told.answers("history", told.lena)
    (moved,) = told.answers("history", told.lena, "--operation", "UpdateUser")
    assert summary(moved, ACCOUNT) == f"user/{told.lea} is now /{told.lena}"
    assert told.answers("history", told.lena, "--from", f"@{moved['position']}", "--limit", "100")[0] == moved
    assert before["position"] < moved["position"]


def test_a_groups_history_has_who_joined_and_who_left(told: Told) -> None:
    found = [row["operation"] for row in told.answers("history", f"group/{told.shift}")]
    assert found == ["CreateGroup", "PutGroupPolicy", "AddUserToGroup", "RemoveUserFromGroup"]


def test_a_row_of_a_principals_history_says_of_which_key_it_is(told: Told) -> None:
    shown = told.house.installation.keytrail("history", told.lena).stdout
    (line,) = [each for each in shown.splitlines() if "PutKeyPolicy" in each]
    assert told.key in line


def test_a_change_says_what_a_group_still_gives_after_a_policy_took_it(told: Told) -> None:
    shown = told.house.installation.keytrail("changes", told.lena, "--export", "-", "--format", "csv").stdout
    rows = [each for each in shown.splitlines() if "DeleteUserPolicy" in each or "RemoveUserFromGroup" in each]
    gone = f"user/{told.lena} no longer may by this policy Decrypt on every key"
    still = "still may Decrypt on every key by group"
    assert len(rows) == 2
    assert f"{gone} ({still}/{told.shift}; {still}/{told.shift}-2)" in rows[0]
    assert f"{gone} ({still}/{told.shift}-2)" in rows[1]


def test_the_roles_that_a_principal_could_assume_stand_beside_its_keys(told: Told) -> None:
    shown = told.house.installation.keytrail("can-what", told.lena).stdout
    head, role = shown.splitlines()[-2:]
    assert head.split() == ["role", "by", "only", "what", "it", "could"]
    assert role.startswith(f"role/{told.role}  trust policy of role/{told.role} statement 0  ")
    assert role.endswith(f"sts:ExternalId StringEquals night  keytrail can-what role/{told.role}")
    then = told.house.installation.keytrail("can-what", told.lena, "--at", "the last 0 s").stdout
    assert then.splitlines()[-1].endswith(f"keytrail can-what role/{told.role} --at 'the last 0 s'")
    # Keys of other tests in the same account may let everybody in: these are the role's own, and it has no others.
    alone = told.house.installation.keytrail("can-what", f"role/{told.role}").stdout
    assert told.key not in alone
    assert "keytrail can-what role/" not in alone


def test_for_a_principal_without_policies_each_command_says_where_to_look(installation: Installation) -> None:
    (made,) = installation.answers("account", "create", "262626262626")
    theirs = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    installation.client(theirs, service="iam").create_user(UserName="noa")
    installation.caught_up()
    theirs["AWS_ENDPOINT_URL"] = installation.url
    could = installation.keytrail_as(theirs, "can-what", "noa").stdout
    assert could == "(noa could do nothing with any key by itself)\n"
    unused = installation.keytrail_as(theirs, "unused", "noa").stdout.splitlines()[-1]
    assert unused == "(no policy of noa allows anything; keytrail can-what noa has what keys let it do)"


def test_a_users_name_is_enough_where_a_command_takes_keys_and_principals(told: Told) -> None:
    (named,) = told.answers("unused", told.lena)
    assert named["items"] == told.answers("unused", "--principal", f"user/{told.lena}")[0]["items"]
    (row,) = named["items"]
    assert row["by"]["policy"].endswith(f"group/{told.shift}-2#use")
    draft = told.house.installation.data.parent / "draft-of-lena.json"
    draft.write_text(document(may("kms:Sign")))
    found = told.answers("what-if", told.lena, "--policy", str(draft))
    assert found == told.answers("what-if", "--principal", told.lena, "--policy", str(draft))


def test_our_own_key_under_another_accounts_number_is_no_key(told: Told) -> None:
    wrong = f"arn:aws:kms:us-east-1:999988887777:key/{told.key}"
    done = told.house.installation.keytrail("decisions", "--key", wrong, "--json", check=False)
    assert done.returncode == 1
    message = f"{wrong} names one of your keys under another account. Ask for {told.key}."
    assert json.loads(done.stderr)["error"] == {"code": "NotFoundException", "message": message}

"""Questions about the past, asked of a real installation by the command line, and compared with a plain fold of its
log."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from domain.authorization.audience import Audience
from domain.state.fold import Fold
from projections.decisions.spans import Touched
from services.adapters.topics import log_topic
from services.questions.drafts import KeyPolicyDraft
from services.questions.snapshot import still
from services.questions.what_if import what_if
from tests.installation import Installation

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), "Resource": "*"} | more


def user(installation: Installation, name: str) -> tuple[str, Any]:
    """(ARN, KMS client) of a new user."""
    iam = installation.client(service="iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    given = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return arn, installation.client(given)


def position(installation: Installation) -> int:
    return int(installation.answers("status")[0]["position"])


def changed(installation: Installation, key: str) -> int:
    """The position of a key's last change. The log may be longer, since workers anchor their decisions on it."""
    installation.caught_up()
    return max(int(each["position"]) for each in installation.answers("history", key))


class Told:
    """One key's story: the facts, and the position of each."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        kms = self.kms = installation.client()
        self.alice, self.as_alice = user(installation, f"alice-{uuid4().hex[:8]}")
        self.key = kms.create_key(Description="told")["KeyMetadata"]["KeyId"]
        self.made = changed(installation, self.key)
        self.alias = f"alias/told-{self.key[:8]}"
        kms.create_alias(AliasName=self.alias, TargetKeyId=self.key)
        self.open = document(allow(ROOT, "kms:*"), allow(self.alice, "kms:Encrypt", "kms:Decrypt"))
        kms.put_key_policy(KeyId=self.key, Policy=self.open)
        self.opened = changed(installation, self.key)
        self.blobs = [self.as_alice.encrypt(KeyId=self.key, Plaintext=b"x")["CiphertextBlob"] for _ in range(7)]
        for blob in self.blobs[:3]:
            self.as_alice.decrypt(CiphertextBlob=blob)
        self.grant = kms.create_grant(KeyId=self.key, GranteePrincipal=self.alice, Operations=["GenerateDataKey"])["GrantId"]  # fmt: skip
        self.as_alice.generate_data_key(KeyId=self.key, KeySpec="AES_256")
        kms.put_key_policy(KeyId=self.key, Policy=document(allow(ROOT, "kms:*")))
        self.closed = changed(installation, self.key)
        with pytest.raises(ClientError):
            self.as_alice.decrypt(CiphertextBlob=self.blobs[0])
        kms.delete_alias(AliasName=self.alias)
        kms.tag_resource(KeyId=self.key, Tags=[{"TagKey": "team", "TagValue": "blue"}])
        kms.disable_key(KeyId=self.key)
        self.last = changed(installation, self.key)
        installation.caught_up()

    def show(self, at: int | str, of: str | None = None) -> Any:
        (found,) = self.installation.answers("show", of or self.key, "--at", at if isinstance(at, str) else f"@{at}")
        return found


@pytest.fixture(scope="module")
def told(installation: Installation) -> Told:
    return Told(installation)


def test_a_key_is_shown_as_it_was(told: Told) -> None:
    made, opened, last = (told.show(at) for at in (told.made, told.opened, told.last))
    assert (made["key"]["policy_version"], made["aliases"], made["grants"]) == (1, [], [])
    assert (opened["key"]["policy_version"], opened["aliases"]) == (2, [told.alias])
    assert opened["policy"] == json.loads(told.open)
    assert [each["arn"] for each in opened["identities"]] == [told.alice]
    assert (last["key"]["state"], last["key"]["tags"], last["aliases"]) == ("Disabled", {"team": "blue"}, [])
    assert [each["grant"] for each in last["grants"]] == [told.grant]


def test_a_time_that_is_a_records_own_has_the_record_in_it(told: Told) -> None:
    at = told.show(told.opened)["at"]
    assert told.show(at) == told.show(told.opened)


def test_an_alias_means_the_key_that_it_meant_then(told: Told) -> None:
    assert told.show(told.opened, told.alias)["key"]["key_id"] == told.key
    gone = told.installation.keytrail("show", told.alias, "--at", f"@{told.last}", check=False)
    assert (gone.returncode, "NotFoundException" in gone.stderr) == (1, True)


@pytest.mark.parametrize("at", ["@999999999", "day before yesterday", "1999-01-01T00:00:00Z"])
def test_a_time_that_the_log_does_not_have_is_reported(told: Told, at: str) -> None:
    done = told.installation.keytrail("show", told.key, "--at", at, check=False)
    assert (done.returncode, "ValidationException" in done.stderr) == (1, True)


def test_a_time_before_the_record_is_an_error_with_the_first_moment_on_record(told: Told) -> None:
    for command in (("show", told.key), ("who-can", "Decrypt", told.key), ("can-what", told.alice)):
        done = told.installation.keytrail(*command, "--at", "2020-01-01", check=False)
        found = re.search(
            r"the record begins at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ), .* Ask for (@\d+), its first", done.stderr
        )
        assert found, done.stderr
        again = told.installation.keytrail(*command, "--at", found[2], check=False)
        assert "the record begins" not in again.stderr


@pytest.mark.parametrize("at", ["@x", "soon", "20.11.2026"])
def test_an_invalid_time_is_refused_with_valid_examples(told: Told, at: str) -> None:
    done = told.installation.keytrail("show", told.key, "--at", at, check=False)
    assert (done.returncode, done.stderr.count("\n"), "yesterday" in done.stderr) == (2, 1, True)


def test_before_it_was_made_there_was_no_key(told: Told) -> None:
    done = told.installation.keytrail("show", told.key, "--at", "@2", check=False)
    assert "NotFoundException" in done.stderr


def test_a_principal_is_shown_as_it_was_and_made_again_is_another(told: Told) -> None:
    iam = told.installation.client(service="iam")
    name = f"bob-{uuid4().hex[:8]}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}))  # fmt: skip
    before = position(told.installation)
    iam.delete_user_policy(UserName=name, PolicyName="use")
    iam.delete_user(UserName=name)
    between = position(told.installation)
    again = iam.create_user(UserName=name)["User"]["UserId"]
    first = told.show(before, arn)["principal"]
    assert list(first["inline"]) == ["use"]
    assert "NotFoundException" in told.installation.keytrail("show", arn, "--at", f"@{between}", check=False).stderr
    now = told.installation.answers("show", arn)[0]["principal"]
    assert (now["id"], now["inline"]) == (again, {})
    assert first["id"] != again
    changes = [each["operation"] for each in told.installation.answers("history", arn)]
    assert changes == ["CreateUser", "PutUserPolicy", "DeleteUserPolicy", "DeleteUser", "CreateUser"]


def test_a_stranger_reads_nothing(told: Told) -> None:
    name = f"stranger-{uuid4().hex[:8]}"
    iam = told.installation.client(service="iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_ENDPOINT_URL": told.installation.url,
    }
    for question in (
        ("show", told.key),
        ("show", told.alice),
        ("history", told.alice),
        ("recheck",),
        ("what-if", told.key, "--grant", told.grant),
    ):
        done = told.installation.keytrail_as(mine, *question)
        code = 2 if question == ("recheck",) else 1  # 1 is an answer of recheck
        assert (done.returncode, "AccessDeniedException" in done.stderr) == (code, True), question


def test_what_a_draft_would_have_done(told: Told, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text(document(allow(ROOT, "kms:*"), allow(told.alice, "kms:Decrypt")))
    (found,) = told.installation.answers("what-if", told.key, "--policy", str(draft))
    flips = {(each["operation"], each["effect"]): each["calls"] for each in found["groups"]}
    # every Encrypt of hers would have been refused, and the Decrypt after the policy was closed would have been allowed
    assert flips == {("Encrypt", "refused"): 7, ("Decrypt", "allowed"): 1}
    assert (found["flipped"], found["unknown"]) == (8, 0)
    calls = told.installation.answers("what-if", told.key, "--policy", str(draft), "--calls")
    assert len({each["call_id"] for each in calls[:-1]}) == 8


def test_what_a_revoked_grant_would_have_done(told: Told) -> None:
    (found,) = told.installation.answers("what-if", told.key, "--grant", told.grant)
    assert [(each["operation"], each["effect"], each["calls"]) for each in found["groups"]] == [
        ("GenerateDataKey", "refused", 1)
    ]


def test_what_an_identity_policy_would_have_done(told: Told, tmp_path: Path) -> None:
    draft = tmp_path / "deny.json"
    draft.write_text(document({"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}))
    (found,) = told.installation.answers("what-if", "--principal", told.alice, "--policy", str(draft))
    assert [(each["operation"], each["effect"], each["calls"]) for each in found["groups"]] == [
        ("Decrypt", "refused", 3)
    ]
    assert [each["principal"] for each in found["groups"]] == [told.alice]


def test_the_policy_that_was_in_force_changes_nothing(told: Told, tmp_path: Path) -> None:
    same = tmp_path / "same.json"
    same.write_text(document(allow(ROOT, "kms:*")))
    (found,) = told.installation.answers("what-if", told.key, "--policy", str(same), "--since", f"@{told.closed}")
    assert (found["flipped"], found["decisions"] > 0) == (0, True)


async def on_the_log(installation: Installation) -> list[tuple[int, bytes]]:
    """(position, value) of every record."""
    events = log_topic(installation.settings)
    reader, end = await events.reader(0), await events.end()
    values: list[tuple[int, bytes]] = []
    while len(values) < end:
        values += [(stored.offset, stored.value) for stored in await reader.read(1000)]
    await reader.close()
    await events.close()
    return values


async def test_every_key_at_random_positions_agrees_with_a_fold(told: Told) -> None:
    chance = random.Random(7)
    fold, steps = Fold(), await on_the_log(told.installation)
    chosen = set(chance.sample(range(told.made, len(steps)), min(12, len(steps) - told.made)))
    for offset, value in steps:
        fold.take(offset, value)
        if offset not in chosen:
            continue
        for key in chance.sample(sorted(fold.world.keys), min(3, len(fold.world.keys))):
            held = fold.world.keys[key]
            if held.account != ACCOUNT:
                continue
            shown = told.show(offset, key)
            assert shown["key"]["state"] == held.state.value
            assert shown["key"]["tags"] == dict(held.tags)
            assert shown["key"]["policy_version"] == held.policy_version
            assert shown["policy"] == json.loads(held.policy_text)
            assert shown["aliases"] == fold.world.aliases_of(key)
            assert sorted(each["grant"] for each in shown["grants"]) == sorted(fold.world.grants.get(key, {}))


def by_principal(told: Told, at: int, action: str = "kms:Decrypt") -> dict[str, Any]:
    (found,) = told.installation.answers("who-can", action, told.key, "--at", f"@{at}")
    return {each["principal"]: each for each in found["items"]}


def test_who_could_decrypt_then(told: Told) -> None:
    made, opened, closed = (by_principal(told, at) for at in (told.made, told.opened, told.closed))
    assert (told.alice in made, told.alice in opened, told.alice in closed) == (False, True, False)
    (path,) = opened[told.alice]["paths"]
    assert (path["by"]["version"], path["by"]["index"], path["open"], opened[told.alice]["for_sure"]) == (
        2,
        1,
        [],
        True,
    )
    assert ROOT in closed
    by_grant = by_principal(told, told.last, "kms:GenerateDataKey")[told.alice]
    assert by_grant["paths"][0]["by"]["grant"] == told.grant


def test_who_could_under_conditions_and_from_elsewhere(told: Told) -> None:
    kms = told.installation.client()
    only = {"Condition": {"StringEquals": {"kms:EncryptionContext:app": "payroll"}}}
    elsewhere = "arn:aws:iam::999988887777:root"
    service = {"Effect": "Allow", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}, "Action": "kms:Decrypt", "Resource": "*"}  # fmt: skip
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}  # fmt: skip
    policy = document(allow(ROOT, "kms:*"), allow(told.alice, "kms:Decrypt", **only), allow(elsewhere, "kms:Decrypt"), service, deny)  # fmt: skip
    key = kms.create_key(Policy=policy, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    (found,) = told.installation.answers("who-can", "kms:Decrypt", key)
    rows = {each["principal"]: each for each in found["items"]}
    wanted = {"operator": "StringEquals", "key": "kms:EncryptionContext:app", "wanted": ["payroll"]}
    assert rows[told.alice]["paths"][0]["open"] == [wanted]
    assert rows[told.alice]["unless"][0]["open"][0]["key"] == "aws:SourceIp"
    assert rows[elsewhere]["kind"] == "account"
    assert rows["logs.us-east-1.amazonaws.com"]["kind"] == "service"
    kms.put_key_policy(KeyId=key, Policy=document(allow(ROOT, "kms:*")))


def test_what_somebody_can_do_with_which_keys(told: Told) -> None:
    at = f"@{told.opened}"
    found = {each["key_id"]: each for each in told.installation.answers("can-what", told.alice, "--at", at)}
    assert found[told.key]["operations"] == ["Decrypt", "Encrypt"]
    refused = told.installation.keytrail("can-what", "arn:aws:iam::111122223333:user/nobody", check=False)
    assert "NotFoundException" in refused.stderr


class AtEveryPosition(KeyPolicyDraft):
    """The same draft, if every change of the state could matter."""

    async def epochs(self, connection: Any, after: int, last: int) -> tuple[int, ...] | None:
        return None


class OfEverybody(KeyPolicyDraft):
    """The same draft, if every call of the key is decided again, and not only those that it can change."""

    async def touched(self, connection: Any, first: int, last: int) -> Touched | None:
        return None


async def test_decisions_grouped_and_left_out_come_out_as_each_by_itself(told: Told) -> None:
    settings = told.installation.settings
    fold = Fold()
    for offset, value in await on_the_log(told.installation):
        fold.take(offset, value)
    key, flipped = fold.world.keys[told.key], []
    encrypting = {"StringNotEquals": {"kms:EncryptionContext:app": "none"}}
    for draft in (
        document(allow(ROOT, "kms:*"), allow(told.alice, "kms:Decrypt")),
        document(allow(ROOT, "kms:*"), allow("*", "kms:*") | {"Effect": "Deny", "Condition": encrypting}),
        document(allow(ROOT, "kms:Put*"), allow("444455556666", "kms:*")),
        told.open,
    ):
        results = []
        for kind in (KeyPolicyDraft, AtEveryPosition, OfEverybody):
            async with still(settings) as found:
                lines = [
                    line
                    async for line in what_if(
                        found, "us-east-1", kind(key, draft), (None, None), None, Audience(ACCOUNT), calls=False
                    )
                ]
            results.append({name: lines[-1]["result"][name] for name in ("decisions", "flipped", "unknown")})
            groups = lines[-1]["result"]["groups"]
            results[-1]["groups"] = sorted(
                (each["principal"], each["operation"], each["effect"], each["decided_by"], each["calls"])
                for each in groups
            )
        assert results[0] == results[1] == results[2]
        flipped.append(results[0]["flipped"])
    assert flipped[0] == 8
    assert min(flipped[1:]) > 0


# -- what a change let in -------------------------------------------------------------------------------------------


def differences(told: Told, *arguments: str) -> dict[str, Any]:
    done = told.installation.keytrail("diff", told.key, *arguments, "--json", check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"equivalent": 0, "different": 1, "unknown": 3}[found["answer"]]
    return found


def test_a_diff_names_whom_a_change_let_in(told: Told) -> None:
    found = differences(told, "--from", "1", "--to", "2")
    (region,) = found["allowed"]
    assert (found["denied"], region["actions"]) == ([], ["kms:Decrypt", "kms:Encrypt"])
    assert [each["principal"] for each in region["principals"]] == [told.alice]
    assert region["witness"]["allowed"]["by"]["version"] == 2
    back = differences(told, "--from", f"@{told.opened}", "--to", f"@{told.closed}")
    assert (back["allowed"], len(back["denied"]), back["to"]["version"]) == ([], 1, 3)
    assert differences(told, "--from", "1")["answer"] == "equivalent"
    assert differences(told) == differences(told, "--from", "2", "--to", "3"), "what the last change did"
    assert differences(told, "--to", "2") == found
    first = told.installation.keytrail("diff", told.key, "--to", "1", check=False)
    assert (first.returncode, "has no version before 1" in first.stderr) == (2, True)


def test_a_draft_is_compared_before_it_is_put(told: Told, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text(document(allow(ROOT, "kms:*"), allow("444455556666", "kms:Decrypt")))
    found = differences(told, "--from", "3", "--to", str(draft))
    assert {each["account"] for region in found["allowed"] for each in region["principals"]} == {"444455556666"}
    assert differences(told, "--to", str(draft)) == found, "a draft is compared with what is in force"
    draft.write_text("{}")
    done = told.installation.keytrail("diff", told.key, "--from", "3", "--to", str(draft), check=False)
    assert (done.returncode, "to_policy" in done.stderr) == (2, True)  # 1 would be an answer
    done = told.installation.keytrail("diff", told.key, "--from", "9", check=False)
    assert (done.returncode, "no version 9" in done.stderr) == (2, True)


# -- who gained and who lost ----------------------------------------------------------------------------------------


def lines(told: Told, *arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *changes, last = told.installation.answers(*arguments)
    return changes, last["result"]


def test_gains_and_losses_name_the_change_and_its_author(told: Told) -> None:
    span = ("--between", f"@{told.made}", f"@{told.last}")
    changes, result = lines(told, "who-can", "kms:Decrypt", told.key, *span)
    gained, lost = changes
    assert (
        [each["principal"] for each in gained["gained"]] == [told.alice] == [each["principal"] for each in lost["lost"]]
    )
    assert (gained["change"]["position"], lost["change"]["position"]) == (told.opened, told.closed)
    assert {each["change"]["principal"] for each in changes} == {ROOT}
    assert (result["changes"], result["gained"], result["lost"]) == (2, [], [])
    changes, result = lines(
        told, "who-can", "kms:GenerateDataKey", told.key, "--between", f"@{told.made}", f"@{told.closed}"
    )
    assert [each["change"]["operation"] for each in changes] == ["CreateGrant"]
    assert result["gained"] == [told.alice]


def test_gains_and_losses_of_a_principal_are_listed_key_by_key(told: Told) -> None:
    changes, _ = lines(told, "can-what", told.alice, "--between", f"@{told.made}", f"@{told.last}")
    mine = [each for each in changes if each["key_id"] == told.key]
    assert [(each["gained"], each["lost"]) for each in mine] == [
        (["Decrypt", "Encrypt"], []),
        (["GenerateDataKey"], []),
        ([], ["Decrypt", "Encrypt"]),
    ]


def test_an_identity_policy_lets_in_and_a_deleted_user_is_out(installation: Installation) -> None:
    iam, kms = installation.client(service="iam"), installation.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name = f"bob-{uuid4().hex[:8]}"
    begin = position(installation)
    arn, _ = user(installation, name)
    allows = document({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
    group = f"readers-{name}"
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="read", PolicyDocument=allows)
    iam.add_user_to_group(GroupName=group, UserName=name)
    inside = position(installation)
    iam.delete_group_policy(GroupName=group, PolicyName="read")
    installation.caught_up()
    found = [
        json.loads(line)
        for line in installation.keytrail(
            "who-can", "kms:Decrypt", key, "--between", f"@{begin}", f"@{position(installation)}", "--json"
        ).stdout.splitlines()
    ]
    assert [each["change"]["operation"] for each in found[:-1]] == ["AddUserToGroup", "DeleteGroupPolicy"]
    assert [row["principal"] for row in found[0]["gained"]] == [arn] == [row["principal"] for row in found[1]["lost"]]
    now = installation.answers("who-can", "kms:Decrypt", key, "--at", f"@{inside}")[0]
    assert arn in {row["principal"] for row in now["items"]}
    done = installation.keytrail("who-can", "kms:Decrypt", key, "--between", f"@{inside}", f"@{begin}", check=False)
    assert (done.returncode, "is not before --to" in done.stderr) == (2, True)

"""`keytrail changes` answers the auditor's first question in one command: who changed access, and what did it let
in?"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_authorisation import House, asked, document, may, second_account, to
from tests.installation import Installation

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ONLY_PAY = {"StringEquals": {"kms:EncryptionContext:app": "pay"}}


@dataclass
class Told:
    """A story that is played once for all tests, and where it stands on the log."""

    house: House
    key: str
    bob: str
    carol: str
    begin: str
    end: str

    def changes(self, *more: str) -> list[dict[str, Any]]:
        span = ("--from", self.begin, "--to", self.end)
        return self.house.installation.answers("changes", *more, *span)

    def sentences(self, *more: str) -> list[tuple[str, str, str]]:
        """(the change, what it let in, what it took away) for each change, as the CSV has it."""
        path = self.house.installation.data.parent / "changes.csv"
        span = ("--from", self.begin, "--to", self.end)
        self.house.installation.keytrail("changes", *more, *span, "--force", "--export", str(path))
        with path.open(newline="") as text:
            return [(row["operation"], row["let in"], row["took away"]) for row in csv.DictReader(text)]


def position(installation: Installation) -> str:
    return f"@{json.loads(installation.keytrail('status', '--json').stdout)['position'] + 1}"


@pytest.fixture(scope="module")
def told(installation: Installation) -> Told:
    house = House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))
    other = second_account(house)
    begin = position(installation)
    (bob, bob_arn, _), (carol, carol_arn, _) = house.user("bob"), house.user("carol")
    key = house.kms.create_key()["KeyMetadata"]["KeyId"]
    house.kms.create_alias(AliasName=f"alias/{bob}", TargetKeyId=key)
    use = to(bob_arn, "kms:Decrypt") | {"Sid": "Bob", "Condition": ONLY_PAY}
    outside = to("444455556666", "kms:Decrypt")
    house.put(key, use, outside)
    house.put(key, use)
    grant = house.kms.create_grant(KeyId=key, GranteePrincipal=carol_arn, Operations=["Decrypt", "Encrypt"])["GrantId"]
    house.kms.revoke_grant(KeyId=key, GrantId=grant)
    house.iam.put_user_policy(UserName=bob, PolicyName="use", PolicyDocument=document(may("kms:Encrypt")))
    deny = {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}
    house.iam.put_user_policy(UserName=bob, PolicyName="use", PolicyDocument=document(may("kms:Encrypt"), deny))
    house.iam.create_group(GroupName=f"{bob}s")
    house.iam.put_group_policy(GroupName=f"{bob}s", PolicyName="all", PolicyDocument=document(may("kms:*")))
    house.iam.add_user_to_group(GroupName=f"{bob}s", UserName=carol)
    house.kms.put_key_policy(KeyId=key, Policy=document(to(ROOT), use))  # the same policy once more: nothing changes
    house.client(other).create_key()  # another account's change
    return Told(house, key, bob, carol, begin, position(installation))


def test_each_change_says_who_made_it_and_what_it_let_in_and_took_away(told: Told) -> None:
    found = told.sentences()
    bob, carol = f"user/{told.bob}", f"user/{told.carol}"
    everything = "everything with the key"
    assert [each for each in found if each[0] not in ("CreateUser", "CreateAccessKey", "CreateGroup")] == [
        ("CreateKey", f"account {ACCOUNT} now may {everything} (users and roles as their own IAM policies let them)", ""),
        ("CreateAlias", "", ""),
        ("PutKeyPolicy", f"{bob} now may Decrypt if EncryptionContext:app is pay (depended on their IAM policies before); "
         "account 444455556666 now may Decrypt (users and roles as their own IAM policies let them)", ""),
        ("PutKeyPolicy", "", "account 444455556666 no longer may Decrypt (nor may its users and roles, whatever their IAM "
         "policies say, unless by a grant)"),
        ("CreateGrant", f"{carol} now may Decrypt, Encrypt", ""),
        ("RevokeGrant", "", f"{carol} no longer may by this grant Decrypt, Encrypt"),
        ("PutUserPolicy", f"{bob} now may Encrypt on every key (depends on the key's policy)", ""),
        ("PutUserPolicy", "", f"{bob} no longer may Decrypt on every key (refused outright)"),
        ("PutGroupPolicy", f"group/{told.bob}s now may everything with the key on every key (depends on the key's policy)", ""),
        ("AddUserToGroup", f"{carol} now may everything with the key on every key (depends on the key's policy)", ""),
        ("PutKeyPolicy", "", ""),
    ]  # fmt: skip


def test_a_change_without_effect_says_so_and_a_credential_is_distinguished(told: Told) -> None:
    path = told.house.installation.data.parent / "besides.csv"
    span = ("--from", told.begin, "--to", told.end, "--force", "--export", str(path))
    done = told.house.installation.keytrail("changes", *span)
    with path.open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert (done.stdout, done.stderr) == ("", f"wrote {len(rows)} rows to {path}\n")
    besides = {row["operation"]: row["besides"] for row in rows}
    assert besides["PutKeyPolicy"] == "let nobody in and took nothing away"
    assert besides["CreateAccessKey"].startswith(f"user/{told.carol} may now sign with access key AKIA")
    assert besides["CreateUser"] == "created, with no policy of its own"
    assert besides["CreateAlias"] == "may let in or keep out: depends on policies with conditions on aliases"
    assert {row["by"] for row in rows} == {ROOT}
    assert all(row["call"] and row["from"] and row["time"].endswith("Z") for row in rows)


def test_changes_of_a_key_or_principal_are_those_that_concern_it(told: Told) -> None:
    of_key = [each["change"]["operation"] for each in told.changes(f"alias/{told.bob}")]
    assert of_key == ["CreateKey", "CreateAlias", "PutKeyPolicy", "PutKeyPolicy", "CreateGrant", "RevokeGrant",
                      "PutUserPolicy", "PutUserPolicy", "PutGroupPolicy", "AddUserToGroup", "PutKeyPolicy"]  # fmt: skip
    of_carol = [each["change"]["operation"] for each in told.changes(f"user/{told.carol}")]
    assert of_carol == ["CreateUser", "CreateAccessKey", "CreateKey", "CreateGrant", "RevokeGrant", "AddUserToGroup"]
    (made,) = [each for each in told.changes(told.key) if each["change"]["operation"] == "CreateGrant"]
    assert made["keys"] == [{"key_id": told.key, "key_aliases": [f"alias/{told.bob}"]}]


def test_the_newest_come_first_and_a_span_in_which_nothing_changed_is_named(told: Told) -> None:
    installation = told.house.installation
    (newest,) = installation.answers("changes", told.key, "--limit", "1", "--to", told.end)
    assert newest["change"]["operation"] == "PutKeyPolicy"
    table = installation.keytrail("changes", told.key, "--to", told.end).stdout
    assert "let nobody in and took nothing away" in table.splitlines()[1]
    none = installation.keytrail("changes", told.key, "--from", "2020-01-01", "--to", "2020-01-02")
    assert "The record begins at " in none.stderr
    assert none.stdout == f"(no changes of {told.key} between 2020-01-01 00:00:00Z and 2020-01-03 00:00:00Z)\n"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_one_html_file_without_scripts_in_which_nobody_writes_but_us(told: Told, tmp_path: Path) -> None:
    """A caller's text stays text: a tag, a bidirectional character and a line end in it are shown as they were
    written."""
    installation = told.house.installation
    name = "<script>alert(1)</script>"
    tagged = document(may("kms:Decrypt", Condition={"StringEquals": {"aws:PrincipalTag/x": f"{name}‮=1"}}))
    told.house.iam.put_user_policy(UserName=told.bob, PolicyName="html", PolicyDocument=tagged)
    path = tmp_path / "changes.html"
    installation.keytrail("changes", f"user/{told.bob}", "--from", told.begin, "--export", str(path))
    text = path.read_text()
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "p",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "br",
        ),
    }
    assert "‮" not in text
    assert any(f"{name}\\u202e=1" in each for each in page.words)
    assert (
        "meta",
        {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"},
    ) in page.tags
    again = installation.keytrail("changes", "--export", str(path), check=False)
    assert (again.returncode, "--force" in again.stderr) == (2, True)


def test_another_accounts_changes_are_its_own(told: Told) -> None:
    other = second_account(told.house)
    installation = told.house.installation
    theirs = asked(told.house, other, f"/v1/changes?from={told.begin}&to={told.end}")
    lines = [json.loads(line) for line in theirs[1].splitlines()]
    assert [line["change"]["operation"] for line in lines if "change" in line] == ["CreateKey"]
    assert told.key not in theirs[1]
    assert asked(told.house, other, f"/v1/changes?key=arn:aws:kms:us-east-1:{ACCOUNT}:key/{told.key}")[0] == 403
    assert asked(told.house, other, f"/v1/changes?principal=arn:aws:iam::{ACCOUNT}:user/{told.bob}")[0] == 403
    ours = installation.keytrail("changes", "user/nobody-of-this-name", check=False)
    assert (ours.returncode, "Nobody here is called" in ours.stderr) == (1, True)


def test_it_asks_for_permission_to_read_history(told: Told) -> None:
    _, _, who = told.house.user("dave")
    assert asked(told.house, who, "/v1/changes")[0] == 403


def test_a_wider_boundary_names_those_whom_it_limits(installation: Installation) -> None:
    """It said that nobody has the policy attached, and was missing from the changes that concern a key."""
    house = House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))
    name = house.user("bounded")[0]
    narrow, wide = document(may("kms:Decrypt")), document(may("kms:Decrypt"), may("kms:Encrypt"))
    arn = house.iam.create_policy(PolicyName=f"{name}-limit", PolicyDocument=narrow)["Policy"]["Arn"]
    begin = position(installation)
    house.iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=arn)
    house.iam.create_policy_version(PolicyArn=arn, PolicyDocument=wide, SetAsDefault=True)
    house.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    end = position(installation)
    installation.caught_up()
    told = Told(house, "", name, "", begin, end)
    key = house.kms.create_key()["KeyMetadata"]["KeyId"]
    assert told.sentences() == [
        ("PutUserPermissionsBoundary", "", ""),
        (
            "CreatePolicyVersion",
            f"user/{name} is no longer kept by their boundary from Encrypt on every key (their policies decide)",
            "",
        ),
        (
            "SetDefaultPolicyVersion",
            "",
            f"user/{name} is now kept by their boundary from Encrypt on every key (whatever their policies say)",
        ),
    ]
    installation.caught_up()
    assert [each["change"]["operation"] for each in told.changes(key)] == [each for each, _, _ in told.sentences()]

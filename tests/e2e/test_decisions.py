"""Decisions by every field, counted and exported; the last use of a key, and what nobody used."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from services.cli.client import Client
from tests.e2e.test_history import ROOT, allow, document, user
from tests.installation import Installation


class Used:
    """A key that two users may use and one of them uses. A third user is refused."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        kms = installation.client()
        self.alice, as_alice = user(installation, f"al-{uuid4().hex[:8]}")
        self.bob, _ = user(installation, f"bo-{uuid4().hex[:8]}")
        self.eve, as_eve = user(installation, f"ev-{uuid4().hex[:8]}")
        self.key = kms.create_key()["KeyMetadata"]["KeyId"]
        both = allow(self.alice, "kms:Encrypt", "kms:Decrypt", Sid="Both")
        both["Principal"] = {"AWS": [self.alice, self.bob]}
        kms.put_key_policy(KeyId=self.key, Policy=document(allow(ROOT, "kms:*"), both))
        self.grant = kms.create_grant(KeyId=self.key, GranteePrincipal=self.bob, Operations=["Decrypt", "Encrypt"])
        for number in range(4):
            as_alice.encrypt(KeyId=self.key, Plaintext=b"x", EncryptionContext={"app": f"a{number % 2}"})
        for _ in range(2):
            with pytest.raises(ClientError):
                as_eve.encrypt(KeyId=self.key, Plaintext=b"x")
        installation.caught_up()

    def answers(self, *arguments: str) -> list[dict[str, Any]]:
        return self.installation.answers(*arguments)


@pytest.fixture(scope="module")
def used(installation: Installation) -> Used:
    return Used(installation)


def test_calls_are_found_by_every_field(used: Used) -> None:
    everything = used.answers("decisions", "--key", used.key)
    (one,) = [each for each in everything if each["operation"] == "PutKeyPolicy"]
    encrypted = next(each for each in everything if each["operation"] == "Encrypt")
    for item in (one, encrypted):
        for name in ("call_id", "account", "principal", "access_key", "operation", "kind", "decided_by", "policy_version",
                     "sid", "statement", "source", "agent", "seen", "summary", "position", "event_type"):  # fmt: skip
            if item[name] in (None, ""):
                continue
            found = list(Client(used.installation.data).items("/v1/decisions", key=used.key, **{name: item[name]}))
            assert item["call_id"] in {each["call_id"] for each in found}, name
            assert {each[name] for each in found} == {item[name]}
    named = used.answers("decisions", "--key", used.key, "--where", f"call_id={one['call_id']}")
    assert named == [one]
    pairs = used.answers("decisions", "--key", used.key, "--where", "encryption_context=app=a1")
    assert [each["encryption_context"] for each in pairs] == [{"app": "a1"}] * 2
    refused = used.answers("decisions", "--key", used.key, "--where", "error=access-*", "--where", "principal=*/ev-*")
    assert [each["operation"] for each in refused] == ["Encrypt", "Encrypt"]
    assert used.answers("decisions", "--key", used.key, "--where", "agent=100%_x*") == []
    done = used.installation.keytrail("decisions", "--where", "colour=red", check=False)
    assert (done.returncode, "FIELD=VALUE" in done.stderr) == (2, True)


def test_calls_are_counted_by_principal_and_operation(used: Used) -> None:
    found = used.answers("decisions", "--by", "principal,operation", "--key", used.key, "--operation", "Encrypt")
    assert [(each["principal"], each["operation"], each["calls"], each["refused"]) for each in found] == [
        (used.alice, "Encrypt", 4, 0),
        (used.eve, "Encrypt", 2, 2),
    ]
    by_hour = used.answers("decisions", "--by", "hour,key,effect", "--key", used.key)
    assert sum(each["calls"] for each in by_hour) == len(used.answers("decisions", "--key", used.key))
    done = used.installation.keytrail("decisions", "--by", "colour", check=False)
    assert (done.returncode, "by must be one or more of" in done.stderr) == (1, True)


def test_the_last_use_of_a_key_is_shown(used: Used) -> None:
    (found,) = used.answers("last-use", used.key)
    assert (found["last"]["operation"], found["last"]["principal"]) == ("Encrypt", used.alice)
    assert [(each["operation"], each["calls"]) for each in found["by_operation"]] == [("Encrypt", 4)]
    other = used.installation.client().create_key()["KeyMetadata"]["KeyId"]
    used.installation.caught_up()
    assert used.answers("last-use", other)[0]["last"] is None


def test_unused_actions_are_listed_statement_by_statement(used: Used) -> None:
    (found,) = used.answers("unused", used.key)
    root, both, grant = found["items"]
    assert (both["by"]["sid"], both["used"]["kms:Encrypt"]["calls"], both["unused"]) == ("Both", 4, ["kms:Decrypt"])
    assert both["principals_unused"] == [used.bob]
    assert "kms:PutKeyPolicy" in root["used"]
    assert (grant["by"]["grant"], grant["never_used"]) == (used.grant["GrantId"], True)
    done = used.installation.keytrail("unused", used.key, "--principal", used.bob, check=False)
    assert (done.returncode, "not both" in done.stderr) == (2, True)


def test_unused_covers_the_whole_account_and_never_a_time_before_the_record(used: Used) -> None:
    rows = used.answers("unused")
    of_key = [row for row in rows if row.get("key_id") == used.key]
    (asked,) = used.answers("unused", used.key)
    assert [row["by"] for row in of_key] == [row["by"] for row in asked["items"]]
    assert {row["since"] for row in rows} == {asked["began"]} == {asked["since"]}
    told = used.installation.keytrail("unused", used.key).stdout
    assert "the record begins then, and is shorter than 90 days" in told


def test_a_statement_keeps_its_use_when_the_policy_is_put_again(used: Used) -> None:
    kms = used.installation.client()
    text = kms.get_key_policy(KeyId=used.key, PolicyName="default")["Policy"]
    statements = json.loads(text)["Statement"]
    kms.put_key_policy(KeyId=used.key, Policy=document(*reversed(statements)))
    used.installation.caught_up()
    (found,) = used.answers("unused", used.key)
    assert next(each for each in found["items"] if each["by"].get("sid") == "Both")["used"]["kms:Encrypt"]["calls"] == 4
    kms.put_key_policy(KeyId=used.key, Policy=text)
    used.installation.caught_up()


def test_an_identity_policys_unused_actions_are_listed(installation: Installation) -> None:
    name = f"cy-{uuid4().hex[:8]}"
    arn, as_cy = user(installation, name)
    beside = ["sts:AssumeRole", "keytrail:*", "kms:ListKeys"]
    allows = document(
        {"Sid": "Own", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Sign", *beside], "Resource": "*"},
        {"Sid": "Audit", "Effect": "Allow", "Action": "keytrail:*", "Resource": "*"},
    )
    installation.client(service="iam").put_user_policy(UserName=name, PolicyName="own", PolicyDocument=allows)
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    as_cy.encrypt(KeyId=key, Plaintext=b"x")
    installation.caught_up()
    (found,) = installation.answers("unused", "--principal", arn)
    row, audit = found["items"]
    assert (row["by"]["sid"], list(row["used"]), row["unused"]) == ("Own", ["kms:Encrypt"], ["kms:Sign"])
    assert row["not_counted"] == sorted(beside)
    assert (audit["used"], audit["unused"], audit["never_used"], audit["not_counted"]) == (
        {},
        [],
        False,
        ["keytrail:*"],
    )
    told = installation.keytrail("unused", "--principal", arn).stdout
    assert "not counted: whether that was used is not looked at here" in told


def exported(used: Used, path: Path, form: str) -> Path:
    used.installation.keytrail("decisions", "--key", used.key, "--export", str(path), "--format", form)
    return path


def test_calls_are_exported_as_csv_and_parquet(used: Used, tmp_path: Path) -> None:
    items = used.answers("decisions", "--key", used.key)
    rows = list(csv.DictReader(io.StringIO(exported(used, tmp_path / "d.csv", "csv").read_text())))
    table = pq.read_table(exported(used, tmp_path / "d.parquet", "parquet")).to_pylist()
    for written in (rows, table):
        assert [each["call_id"] for each in written] == [each["call_id"] for each in items]
        assert [each["operation"] for each in written] == [each["operation"] for each in items]
    assert [each["at"].isoformat()[:26] for each in table] == [each["at"][:26] for each in items]
    assert json.loads(table[-1]["reasons"]) == items[-1]["reasons"]
    done = used.installation.keytrail("decisions", "--export", "-", "--format", "parquet", check=False)
    assert done.returncode == 2


def test_calls_are_exported_as_ocsf(used: Used, tmp_path: Path) -> None:
    events = [json.loads(line) for line in exported(used, tmp_path / "d.ocsf", "ocsf").read_text().splitlines()]
    items = used.answers("decisions", "--key", used.key)
    assert [each["metadata"]["uid"] for each in events] == [each["call_id"] for each in items]
    for event in events:
        # The class's required attributes (schema.ocsf.io/1.3.0/classes/api_activity, with the cloud profile).
        required = {"activity_id", "actor", "api", "category_uid", "class_uid", "cloud", "metadata", "severity_id",
                    "src_endpoint", "time", "type_uid"}  # fmt: skip
        assert required <= event.keys()
        assert (event["class_uid"], event["category_uid"]) == (6003, 6)
        assert event["type_uid"] == 600300 + event["activity_id"]
        assert {"product", "version"} <= event["metadata"].keys()
    refused = [each for each in events if each["status_id"] == 2]
    assert len(refused) == 2
    assert refused[0]["api"]["response"]["error"] == "access-refused"


def test_calls_are_exported_as_cloudtrail(used: Used, tmp_path: Path) -> None:
    lines = exported(used, tmp_path / "d.ct", "cloudtrail").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    by_name = {each["eventName"]: each for each in records}
    assert by_name["CreateKey"]["responseElements"]["keyMetadata"]["keyId"] == used.key
    assert by_name["PutKeyPolicy"]["requestParameters"]["keyId"] == used.key
    assert by_name["CreateGrant"]["responseElements"]["grantId"] == used.grant["GrantId"]
    encrypted = [each for each in records if each["eventName"] == "Encrypt"]
    assert encrypted[0]["userIdentity"]["arn"] == used.alice
    assert encrypted[0]["requestParameters"]["encryptionContext"] == {"app": "a0"}
    assert encrypted[-1]["errorCode"] == "AccessDenied"
    assert {each["ARN"].rpartition("/")[2] for each in encrypted[0]["resources"]} == {used.key}

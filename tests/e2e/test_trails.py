"""AWS CloudTrail as a trail: real records, odd and broken ones, and Keytrail's own export, which imports to the same
answers."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from services.cli.client import Client
from services.trails.reader_process import BATCH
from tests.documented import RECORDS, records
from tests.e2e.test_history import ROOT, allow, document, position, user
from tests.installation import KEYTRAIL, Installation

COUNTED = ("new", "told_twice", "of_other_services", "broken", "passed_over")
"""Each record is one of these."""
A = "111122223333"
REGION = "us-west-2"


def key_arn(number: int, account: str = A) -> str:
    return f"arn:aws:kms:{REGION}:{account}:key/1234abcd-12ab-34cd-56ef-{number:012d}"


def who(name: str = "alice", account: str = A) -> dict[str, Any]:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper():X<17}",
        "arn": arn,
        "accountId": account,
        "userName": name,
    }


def record(
    operation: str, at: str, number: int = 1, identity: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "eventVersion": "1.08",
        "userIdentity": who() if identity is None else identity,
        "eventTime": at,
        "eventSource": "kms.amazonaws.com",
        "eventName": operation,
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli",
        "requestParameters": {"keyId": key_arn(number)},
        "responseElements": None,
        "requestID": str(uuid4()),
        "eventID": str(uuid4()),
        "resources": [{"accountId": A, "type": "AWS::KMS::Key", "ARN": key_arn(number)}],
        "eventType": "AwsApiCall",
        "recipientAccountId": A,
    } | more


def created(number: int, at: str, **request: Any) -> dict[str, Any]:
    metadata = {"aWSAccountId": A, "keyId": key_arn(number).rpartition("/")[2], "arn": key_arn(number)}
    return record(
        "CreateKey", at, number, requestParameters=request or None, responseElements={"keyMetadata": metadata}
    )


def put(number: int, at: str, *statements: dict[str, Any], identity: dict[str, Any] | None = None) -> dict[str, Any]:
    parameters = {"keyId": key_arn(number), "policyName": "default", "policy": document(*statements)}
    return record("PutKeyPolicy", at, number, identity, requestParameters=parameters)


def imported(installation: Installation, trail: str, *paths: Path) -> dict[str, Any]:
    done = installation.keytrail("import", "cloudtrail", *map(str, paths), "--trail", trail, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


@pytest.fixture
def trail() -> str:
    return f"t{uuid4().hex[:10]}"


@dataclass(frozen=True)
class Collected:
    """A folder of records, and what an import says of it."""

    folder: Path
    records: int
    of_other_services: int
    broken: int
    open: int
    """At least so many calls are open: nothing shows the policies that decided them."""
    alerts: dict[str, int]


def ours(folder: Path) -> Collected:
    """Every documented shape of a record once, calls through a service, and a file that holds no record."""
    made = list(records())
    (folder / "records.jsonl").write_text("".join(json.dumps(each) + "\n" for each in made))
    (folder / "LICENSE").write_text("not a record\n")
    alerts = {
        "grant-outside": 1,
        "rotation-disabled": 1,
        # The calls through a service used the key on the day before.
        "disabled-in-use": 1,
        "deletion-in-use": 1,
        "deletion-scheduled": 1,
        "deletion-shortest": 1,
        "deletion-cancelled": 1,
        # It expired, and then the key was deleted.
        "material-deleted": 2,
    }
    return Collected(folder, len(made) + 1, 2, 1, 240, alerts)


def theirs(folder: Path) -> Collected:
    """240 real records, 69 samples of AWS's guide, two of them of other services, and a licence."""
    del folder
    alerts = {"deletion-scheduled": 2, "deletion-cancelled": 1, "grant-outside": 2, "first-use": 3}
    return Collected(RECORDS, 310, 2, 1, 251, alerts)


@pytest.mark.parametrize(
    "collect", [ours, *([pytest.param(theirs, marks=pytest.mark.soak)] if RECORDS.exists() else [])]
)
def test_records_in_documented_shapes_are_read(
    installation: Installation, trail: str, tmp_path: Path, collect: Callable[[Path], Collected]
) -> None:
    collected = collect(tmp_path)
    found = imported(installation, trail, collected.folder)
    counts = (collected.records, collected.of_other_services, collected.broken)
    assert (found["records"], found["of_other_services"], found["broken"]) == counts
    assert (found["unexplained"], found["open"] >= collected.open) == (0, True)
    assert any("from before the trail began" in each["missing"] for each in found["missing"])
    assert {(each["sid"], each["statement"]) for each in found["by"] if each["outcome"] == "open"} == {(None, None)}
    again = imported(installation, trail, collected.folder)
    assert (again["new"], again["broken"]) == (0, collected.broken)
    for each in (found, again):
        assert each["records"] == sum(each[name] for name in COUNTED)
    for name in ("calls", "changes", "open", "explained", "by", "first", "last"):
        assert again[name] == found[name]
    raised = Counter(each["rule"] for each in installation.answers("alerts", "scan", "--trail", trail))
    assert raised == collected.alerts
    counted = installation.answers("decisions", "--by", "operation", "--trail", trail)
    assert sum(each["calls"] for each in counted) == found["calls"]

    def over_time(limit: int) -> tuple[list[str], bool]:
        told = Client(installation.data).get("/v1/decisions/counts", by="effect,hour", limit=limit, trail=trail)
        return [each["hour"] for each in told["items"]], told["more"]

    hours, more = over_time(1000)
    assert (hours, more) == (sorted(hours, reverse=True), False)
    assert over_time(2) == (hours[:2], True), "the oldest are left out, and not the quietest"


def test_what_a_trail_knows_answers_and_what_it_does_not_is_unknown(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    alice, bob = who()["arn"], who("bob")["arn"]
    records = [
        created(1, "2024-01-01T00:00:00Z"),
        record("Encrypt", "2024-01-01T00:10:00Z"),
        put(1, "2024-01-01T01:00:00Z", allow(f"arn:aws:iam::{A}:root", "kms:*"), allow(alice, "kms:Decrypt")),
        record("Decrypt", "2024-01-01T02:00:00Z"),
        record("Decrypt", "2024-01-01T02:00:01Z", 1, who("bob"), errorCode="AccessDenied", errorMessage="no"),
        record("Decrypt", "2024-01-01T02:00:02Z", 2, who("bob")),
        put(1, "2024-01-01T03:00:00Z", allow(f"arn:aws:iam::{A}:root", "kms:*"), allow(bob, "kms:Decrypt")),
    ]
    found = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    assert (found["calls"], found["changes"], found["unexplained"]) == (7, 3, 0)
    by = {(each["outcome"], each["kind"], each["statement"]): each["calls"] for each in found["by"]}
    # The default policy delegates, and the call was allowed. So an unseen identity policy must have allowed it.
    assert by["explained", "key-policy", 0] >= 1
    assert by["explained", "key-policy", 1] == 1  # alice, by her own statement
    key, ask = key_arn(1), ("--trail", trail)
    # The rules find what was changed there, and nothing in what had to be assumed.
    alerts = [(each["rule"], each["about"], each["raised"]) for each in installation.answers("alerts", "scan", *ask)]
    assert ("key-policy-decrypt", [bob], None) in alerts
    assert {rule for rule, _, _ in alerts} <= {"key-policy-decrypt", "key-policy-returned", "first-use"}
    (shown,) = installation.answers("show", key, "--at", "2024-01-01T02:30:00Z", *ask)
    assert (shown["key"]["policy_version"], shown["policy"]["Statement"][1]["Principal"]) == (2, {"AWS": alice})
    history = installation.answers("history", key, *ask)
    assert [each["operation"] for each in history] == ["CreateKey", "PutKeyPolicy", "PutKeyPolicy"]
    assert [each["event_type"].rpartition(".v")[0] for each in history] == ["key.created", *["key.policy-replaced"] * 2]
    # Alice could by the key policy, unless an unseen identity policy denied it.
    could = installation.answers("who-can", "kms:Decrypt", key, "--at", "2024-01-01T02:30:00Z", *ask)[0]["items"]
    row = next(each for each in could if each["principal"] == alice)
    assert (row["for_sure"], row["unless"][0]["open"][0]["key"]) == (False, "keytrail:Unseen")
    (compared,) = [
        json.loads(installation.keytrail("diff", key, "--from", "2", "--to", "3", *ask, "--json", check=False).stdout)
    ]
    assert [each["principal"] for region in compared["allowed"] for each in region["principals"]] == [bob]
    *changes, _ = installation.answers("who-can", "kms:Decrypt", key, "--between", "2024-01-01T00:30:00Z", "2024-01-02T00:00:00Z", *ask)  # fmt: skip
    assert [each["change"]["operation"] for each in changes] == ["PutKeyPolicy", "PutKeyPolicy"]
    assert {each["change"]["summary"] for each in changes} == {
        "policy replaced by version 2",
        "policy replaced by version 3",
    }
    *changes, _ = installation.answers(
        "can-what", bob, "--between", "2024-01-01T02:30:00Z", "2024-01-02T00:00:00Z", *ask
    )
    assert [(each["change"]["operation"], each["changed"]) for each in changes] == [("PutKeyPolicy", ["Decrypt"])]
    # Key 2's policy is older than the trail: nobody can say what a diff or draft would mean, nor who put it and when.
    unseen = installation.keytrail("diff", key_arn(2), "--from", "1", "--to", str(written(tmp_path / "p.json", json.loads(document(allow(alice, "kms:Decrypt"))))), *ask, "--json", check=False)  # fmt: skip
    told = json.loads(unseen.stdout)
    assert (unseen.returncode, told["answer"], told["from"]["unknown"]) == (3, "unknown", "key policy")
    assert [told["from"][name] for name in ("version", "at", "principal", "call_id")] == [None] * 4
    (shown,) = installation.answers("show", key_arn(2), *ask)
    assert (shown["policy"], shown["unknown"]) == (None, "key policy, grants, aliases, tags and specification")
    made_up = ("created_at", "spec", "usage", "origin", "state", "policy_version", "materials")
    assert ([shown["key"][name] for name in made_up], shown["key"]["tags"]) == ([None] * 7, {})
    assert "UnseenAllow" not in installation.keytrail("show", key_arn(2), *ask).stdout
    (found,) = installation.answers("unused", key_arn(2), *ask)
    assert found["items"] == []
    assert "policy" in found["unknown"]
    closed = written(tmp_path / "closed.json", json.loads(document(allow(f"arn:aws:iam::{A}:root", "kms:*"))))
    (drafted,) = installation.answers("what-if", key, "--policy", str(closed), *ask)
    # Without her statement, an identity policy would have to let Alice in, and none of hers was ever seen.
    assert (drafted["flipped"], drafted["unknown"]) == (0, 1)
    assert any("identity policies" in words for group in drafted["groups"] for words in group["missing"])
    none = written(tmp_path / "none.json", json.loads(document(allow(bob, "kms:Encrypt"))))
    (drafted,) = installation.answers("what-if", key, "--policy", str(none), *ask)
    assert {(each["operation"], each["effect"]) for each in drafted["groups"]} >= {("Decrypt", "refused")}
    (found,) = installation.answers("unused", key, *ask)
    assert [each["used"] for each in found["items"]][1] == {}  # bob's: nobody got in by it


@pytest.mark.soak
def test_order_and_repetition_change_nothing(installation: Installation, tmp_path: Path) -> None:
    alice = who()["arn"]
    statements = [allow(f"arn:aws:iam::{A}:root", "kms:*"), allow(alice, "kms:Decrypt")]
    records = [
        created(1, "2024-01-01T00:00:00Z"),
        *(record("Decrypt", f"2024-01-01T00:{minute:02d}:30Z") for minute in range(20)),
        *(put(1, f"2024-01-01T00:{minute:02d}:00Z", *statements[: 1 + minute % 2]) for minute in range(20)),
        record(
            "CreateGrant",
            "2024-01-01T00:05:10Z",
            requestParameters={"keyId": key_arn(1), "granteePrincipal": alice, "operations": ["Decrypt"]},
            responseElements={"grantId": "g1"},
        ),
        record("RetireGrant", "2024-01-01T00:09:10Z", requestParameters=None, additionalEventData={"grantId": "g1"}),
    ]
    ordered, shuffled = f"t{uuid4().hex[:10]}", f"t{uuid4().hex[:10]}"
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    written(tmp_path / "in" / "all.jsonl", *sorted(records, key=lambda each: each["eventTime"]))
    one = imported(installation, ordered, tmp_path / "in")
    mixed = list(records)
    random.Random(7).shuffle(mixed)
    (tmp_path / "out" / "1.json").write_text(json.dumps({"Records": mixed[:15]}))
    with gzip.open(tmp_path / "out" / "2.json.gz", "wt") as file:
        json.dump({"Records": mixed[10:30]}, file, indent=1)
    imported(installation, shuffled, tmp_path / "out")
    written(tmp_path / "out" / "3.jsonl", *mixed[25:])
    other = imported(installation, shuffled, tmp_path / "out")
    for name in ("calls", "changes", "explained", "unexplained", "open", "by", "missing"):
        assert other[name] == one[name], name
    client = Client(installation.data)
    asked: list[tuple[str, dict[str, str]]] = [
        (f"/v1/as-of/keys/{key_arn(1)}", {"at": "2024-01-01T00:07:20Z"}),
        (f"/v1/keys/{key_arn(1)}/history", {}),
        (f"/v1/who-can/{key_arn(1)}", {"action": "kms:Decrypt", "at": "2024-01-01T00:08:59Z"}),
        ("/v1/decisions", {"key": key_arn(1)}),
    ]
    for path, parameters in asked:
        assert client.get(path, **parameters, trail=ordered) == client.get(path, **parameters, trail=shuffled)


@pytest.mark.soak
def test_odd_forms_are_read_and_broken_records_kept_aside(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    foreign = {"type": "AWSAccount", "principalId": "AIDASOMEBODY", "accountId": "444455556666"}
    shared = str(uuid4())
    role = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEEXAMPLE123:i-1",
        "arn": f"arn:aws:sts::{A}:assumed-role/app/i-1",
        "accountId": A,
        "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEEXAMPLE123", "arn": f"arn:aws:iam::{A}:role/x/app"}},
    }  # fmt: skip
    records: list[Any] = [
        record(
            "CreateKey",
            "Jan 1, 2024 1:00:00 AM",
            5,
            requestParameters=None,
            responseElements={
                "keyMetadata": {"AWSAccountId": A, "keyId": key_arn(5).rpartition("/")[2], "arn": key_arn(5)}
            },
        ),
        record("Decrypt", "2024-01-01T02:00:00Z", 5, role, requestParameters={"encryptionContext": {"app": "x"}}),
        record("Decrypt", "2024-01-01T02:01:00Z", 5, foreign, sharedEventID=shared),
        record("Decrypt", "2024-01-01T02:01:00Z", 5, who("carol", "444455556666"), sharedEventID=shared),
        record(
            "RotateKey",
            "2024-01-01T03:00:00Z",
            5,
            {"accountId": A, "invokedBy": "AWS Internal"},
            requestParameters=None,
            eventType="AwsServiceEvent",
        ),
        record(
            "GenerateDataKey",
            "2024-01-01T04:00:00Z",
            5,
            {"type": "AWSService", "invokedBy": "s3.amazonaws.com"},
            sourceIPAddress="s3.amazonaws.com",
        ),
        record(
            "PutUserPolicy",
            "2024-01-01T05:00:00Z",
            eventSource="iam.amazonaws.com",
            resources=[],
            requestParameters={
                "userName": "dora",
                "policyName": "p",
                "policyDocument": document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}),
            },
        ),
        record(
            "ScheduleKeyDeletion",
            "2024-01-01T06:00:00Z",
            5,
            requestParameters={"keyId": key_arn(5), "pendingWindowInDays": 7},
            responseElements={"deletionDate": "Jan 8, 2024 6:00:00 AM"},
        ),
        record(
            "DeleteKey",
            "2024-01-08T06:00:00Z",
            5,
            {"accountId": A, "invokedBy": "AWS Internal"},
            requestParameters=None,
            eventType="AwsServiceEvent",
        ),
        record("Decrypt", "2024-01-01T06:30:00Z", eventID="x" * 5000),
        {"eventName": "Decrypt"},
        {"hello": "world"},
        [1, 2],
        record("Decrypt", "yesterday"),
        put(6, "2024-01-01T07:00:00Z") | {"requestParameters": {"keyId": key_arn(6), "policy": "{ not json"}},
        record(
            "Encrypt",
            "2024-01-01T08:00:00Z",
            7,
            requestParameters={"keyId": key_arn(7), "encryptionContext": {"a\u0000b": "c"}},
        ),
    ]
    path = written(tmp_path / "odd.jsonl", *records)
    path.write_text(path.read_text() + '{"eventVersion": "1.08", "cut')
    (tmp_path / "not.gz").write_bytes(b"\x1f\x8bnothing")
    digest = written(tmp_path / "digest.json", {"digestStartTime": "2024-01-01T00:00:00Z", "logFiles": []})
    network = written(tmp_path / "vpce.json", {"Records": [record("Decrypt", "2024-01-01T02:00:00Z", 5, eventCategory="NetworkActivity")]})  # fmt: skip
    found = imported(installation, trail, path, tmp_path / "not.gz", digest, network)
    assert (found["broken"], found["told_twice"], found["passed_over"]) == (7, 1, 2)
    again = imported(installation, trail, path, digest, network)
    for each in (found, again):
        assert each["records"] == sum(each[name] for name in COUNTED)
    assert (again["broken"], again["new"]) == (6, 0)
    done = installation.keytrail("import", "cloudtrail", str(tmp_path / "not.gz"), "--trail", trail, check=False)
    assert (done.returncode, "None of it could be read" in done.stderr) == (1, True)
    assert len(found["changed_nothing"]) == 1
    calls = installation.answers("decisions", "--key", key_arn(5), "--trail", trail)
    assert [each["operation"] for each in calls] == [
        "CreateKey", "Decrypt", "Decrypt", "RotateKey", "GenerateDataKey", "ScheduleKeyDeletion", "DeleteKey",
    ]  # fmt: skip
    assert calls[2]["principal"] == "arn:aws:iam::444455556666:user/carol"
    assert calls[4]["principal"] == "s3.amazonaws.com"
    (shown,) = installation.answers("show", key_arn(5), "--at", "2024-01-02T00:00:00Z", "--trail", trail)
    assert (shown["key"]["state"], shown["key"]["deletion_at"][:10]) == ("PendingDeletion", "2024-01-08")
    (dora,) = installation.answers("show", f"arn:aws:iam::{A}:user/dora", "--trail", trail)
    assert (list(dora["principal"]["inline"]), dora["principal"]["created_at"]) == (["p"], None)
    assert "identity policies" in dora["principal"]["unknown"]
    history = installation.answers("history", f"arn:aws:iam::{A}:user/dora", "--trail", trail)
    assert [each["operation"] for each in history] == ["PutUserPolicy"]
    done = installation.keytrail("show", key_arn(5), "--trail", trail, check=False)
    assert (done.returncode, "There was no key" in done.stderr) == (1, True)
    # Carol's account called for another key. The unseen policy of key 7 does not bring her into it.
    could = installation.answers("who-can", "kms:Encrypt", key_arn(7), "--trail", trail)[0]["items"]
    assert "444455556666" not in json.dumps(could)
    assert {"everyone", "user"} <= {each["kind"] for each in could}


def test_a_trail_is_the_first_accounts_alone_and_has_a_name(installation: Installation, tmp_path: Path) -> None:
    done = installation.keytrail("decisions", "--trail", "nothing_here", check=False)
    assert (done.returncode, "There is no trail" in done.stderr) == (1, True)
    done = installation.keytrail("decisions", "--trail", "x; drop schema p_decisions", check=False)
    assert (done.returncode, "not the name of a trail" in done.stderr) == (1, True)
    done = installation.keytrail("import", "cloudtrail", str(tmp_path / "nowhere"), check=False)
    assert done.returncode == 2
    name = f"st-{uuid4().hex[:8]}"
    arn, _ = user(installation, name)
    access = installation.client(service="iam").create_access_key(UserName=name)["AccessKey"]
    stranger = {
        "AWS_ACCESS_KEY_ID": access["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": access["SecretAccessKey"],
        "AWS_ENDPOINT_URL": installation.url,
    }
    written(tmp_path / "a.jsonl", created(1, "2024-01-01T00:00:00Z"))
    imported(installation, "t_read", tmp_path)
    done = installation.keytrail_as(stranger, "decisions", "--trail", "t_read")
    assert (done.returncode, "AccessDeniedException" in done.stderr, arn in done.stderr) == (1, True, True)
    account = str(random.randrange(10**11, 10**12))  # another run of this test may have left one
    made = json.loads(installation.keytrail("account", "create", account, "--json").stdout)
    other = {
        "AWS_ACCESS_KEY_ID": made["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
        "AWS_ENDPOINT_URL": installation.url,
    }
    done = installation.keytrail_as(other, "decisions", "--trail", "t_read")
    assert (done.returncode, "first account" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", [("cloudtrail",), ("policies", "--taken", "2024-02-01T00:00:00Z")])
def test_a_folder_without_files_is_no_import(
    installation: Installation, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = installation.keytrail("import", *command, "--trail", "empty", str(tmp_path), check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "There are no files in" in done.stderr


def test_an_import_that_is_killed_goes_on_and_loses_nothing(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    records = [created(1, "2024-01-01T00:00:00Z")]
    records += [
        record("Decrypt", f"2024-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z") for n in range(1, 12_000)
    ]
    written(tmp_path / "a.jsonl", *records)
    command = [str(KEYTRAIL), "import", "cloudtrail", str(tmp_path), "--trail", trail, "--data", str(installation.data)]
    for patience in (1.4,):
        process = subprocess.Popen(command, env=installation.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        process.kill()
        process.wait()
    found = imported(installation, trail, tmp_path)
    assert (found["records"], found["calls"], found["unexplained"]) == (12_000, 12_000, 0)
    again = imported(installation, trail, tmp_path)
    assert (again["new"], again["told_twice"], again["calls"]) == (0, 12_000, 12_000)


# -- the closed circle: our own log, exported as CloudTrail and imported again ---------------------------------------


class Circle:
    """A generated history of keys, policies, grants, aliases and identities on the installation, and its trail."""

    def __init__(self, installation: Installation, folder: Path, calls: int) -> None:
        self.installation = installation
        chance = random.Random(11)
        kms, iam = installation.client(), installation.client(service="iam")
        self.begin = position(installation)
        names = [f"c{number}-{uuid4().hex[:6]}" for number in range(4)]
        self.users = [user(installation, name) for name in names]
        self.keys = [kms.create_key(Description=f"k{number}")["KeyMetadata"]["KeyId"] for number in range(5)]
        self.moments: list[int] = []
        grants: list[tuple[str, str]] = []
        for number in range(calls):
            key = chance.choice(self.keys)
            arn, client = chance.choice(self.users)
            which = chance.random()
            try:
                if which < 0.72:
                    context = {"app": chance.choice(["a", "b"])} if chance.random() < 0.5 else {}
                    client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)
                elif which < 0.80:
                    client.describe_key(KeyId=key)
                elif which < 0.88:
                    named = allow(arn, *chance.sample(["kms:Encrypt", "kms:Decrypt", "kms:Describe*"], 2))
                    if chance.random() < 0.5:
                        named["Condition"] = {"StringEquals": {"kms:EncryptionContext:app": "a"}}
                    if chance.random() < 0.2:
                        named["Effect"] = "Deny"
                    kms.put_key_policy(KeyId=key, Policy=document(allow(ROOT, "kms:*"), named))
                elif which < 0.92:
                    made = kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt", "DescribeKey"])
                    grants.append((key, made["GrantId"]))
                elif which < 0.94 and grants:
                    of, grant = grants.pop(chance.randrange(len(grants)))
                    kms.revoke_grant(KeyId=of, GrantId=grant)
                elif which < 0.98:
                    effect = "Allow" if chance.random() < 0.7 else "Deny"
                    text = document({"Effect": effect, "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"})
                    iam.put_user_policy(UserName=arn.rpartition("/")[2], PolicyName="p", PolicyDocument=text)
                else:
                    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "n", "TagValue": str(number)}])
            except ClientError as fault:
                assert fault.response["Error"]["Code"] == "AccessDeniedException"  # noqa: PT017  # refusals are part of it
            if number % 50 == 0:
                self.moments.append(position(installation))
        installation.caught_up()
        self.end = position(installation)
        self.trail = f"circle{uuid4().hex[:8]}"
        path = folder / "own.jsonl"
        installation.keytrail(
            "decisions", "--from", f"@{self.begin + 1}", "--export", str(path), "--format", "cloudtrail"
        )
        self.report = imported(installation, self.trail, path)


@pytest.fixture(scope="module")
def circle(installation: Installation, tmp_path_factory: pytest.TempPathFactory, soak: bool) -> Circle:
    return Circle(installation, tmp_path_factory.mktemp("circle"), 10_500 if soak else 200)


def asked_of(circle: Circle) -> list[str]:
    """All keys if the history is long; some if every test waits for this one."""
    return circle.keys if circle.report["calls"] > 1000 else circle.keys[:2]


def both(circle: Circle, *question: str) -> tuple[list[Any], list[Any]]:
    ask = circle.installation.answers
    return ask(*question), ask(*question, "--trail", circle.trail)


def both_at(circle: Circle, path: str, **parameters: str) -> tuple[Any, Any]:
    """Asked through the audit API: there are many questions, and the command line takes half a second to start."""
    client = Client(circle.installation.data)
    return client.get(path, **parameters), client.get(path, **parameters, trail=circle.trail)


def test_every_call_of_our_own_is_explained(circle: Circle) -> None:
    assert (circle.report["broken"], circle.report["unexplained"], circle.report["open"]) == (0, 0, 0)
    assert circle.report["explained"] > 100


def on_the_log_before(circle: Circle) -> dict[str, int]:
    """The end of the log when each call came, by the call's id."""
    since: dict[str, Any] = {"from": f"@{circle.begin + 1}"}
    mine = list(Client(circle.installation.data).items("/v1/decisions", **since))
    reached, found = circle.begin, {}
    for each in sorted(mine, key=lambda each: each["at"]):
        found[each["call_id"]] = reached
        reached = max(reached, each["position"] or 0)
    return found


def test_each_call_is_decided_by_the_same_statement(circle: Circle) -> None:
    reached, late, calls = on_the_log_before(circle), 0, 0
    for key in asked_of(circle):
        own, trail = all_of(circle, "/v1/decisions", key=key)
        assert [each["call_id"] for each in own] == [each["call_id"] for each in trail]
        assert [each["effect"] for each in own] == [each["effect"] for each in trail]
        for one, other in zip(own, trail, strict=True):
            calls += 1
            if one["seen"] < reached[one["call_id"]]:
                # Let in by the state a moment before, at a worker that had not read the change. A trail has times
                # alone.
                late += 1
                continue
            if one["operation"] in ("Encrypt", "DescribeKey") and one["kind"] in ("key-policy", "identity-policy"):
                decided = [(each["kind"], each["sid"], each["statement"]) for each in (one, other)]
                assert decided[0] == decided[1], (reached[one["call_id"]], one, other)
                if one["kind"] == "key-policy":
                    assert one["policy_version"] == other["policy_version"]
            elif one["operation"] == "Encrypt" and one["kind"] == "grant":
                assert one["decided_by"] == other["decided_by"]
    assert late * 20 < calls


def test_the_history_is_the_same(circle: Circle) -> None:
    for key in asked_of(circle):
        own, trail = all_of(circle, f"/v1/keys/{key}/history")
        for name in ("operation", "principal", "effect", "at", "summary"):
            assert [each[name] for each in own if each["effect"] == "allowed"] == [
                each[name] for each in trail if each["effect"] == "allowed"
            ]
        for at in ["2030-01-01T00:00:00Z", *times(circle, key)]:
            one, other = both_at(circle, f"/v1/as-of/keys/{key}", at=at)
            for shown in (one, other):
                shown["key"].pop("materials")
                shown["key"].pop("current_material")
                for grant in shown["grants"]:
                    del grant["created_at"]
                for each in shown["identities"]:
                    each.pop("access_keys", None)
                    each.pop("created_at")
                shown["grants"].sort(key=lambda each: each["grant"])
            assert (one["key"], one["policy"], one["grants"]) == (other["key"], other["policy"], other["grants"])
            assert one["identities"] == other["identities"]


def all_of(circle: Circle, path: str, **parameters: Any) -> tuple[list[Any], list[Any]]:
    """All items of a list, page by page."""
    client = Client(circle.installation.data)
    return list(client.items(path, **parameters)), list(client.items(path, **parameters, trail=circle.trail))


def times(circle: Circle, key: str) -> list[str]:
    """Times of some changes of a key."""
    own = list(Client(circle.installation.data).items(f"/v1/keys/{key}/history"))
    return [each["at"] for each in own[:: max(1, len(own) // 4)]]


def test_who_could_and_a_diff_and_a_draft_are_the_same(circle: Circle, tmp_path: Path) -> None:
    people = {arn for arn, _ in circle.users}
    for key in asked_of(circle)[:3]:
        for at in times(circle, key):
            one, other = both_at(circle, f"/v1/who-can/{key}", action="kms:Encrypt", at=at)
            shown = [
                {
                    (row["principal"], row["for_sure"], len(row["paths"]))
                    for row in each["items"]
                    if row["principal"] in people
                }
                for each in (one, other)
            ]
            assert shown[0] == shown[1]
        versions = circle.installation.answers("show", key)[0]["key"]["policy_version"]
        if versions > 1:
            compared = [
                json.loads(circle.installation.keytrail("diff", key, "--from", "1", "--to", str(versions), "--json", *more, check=False).stdout)
                for more in ((), ("--trail", circle.trail))
            ]  # fmt: skip
            for name in ("answer", "allowed", "denied"):
                assert _bare(compared[0][name]) == _bare(compared[1][name])
    draft = written(tmp_path / "draft.json", json.loads(document(allow(ROOT, "kms:*"))))
    for key in asked_of(circle)[1:3]:
        (one,), (other,) = both(circle, "what-if", key, "--policy", str(draft))
        flips = [
            {(each["principal"], each["operation"], each["effect"]): each["calls"] for each in found["groups"] if each["operation"] in ("Encrypt", "DescribeKey")}
            for found in (one, other)
        ]  # fmt: skip
        assert flips[0] == flips[1]


def _bare(found: Any) -> Any:
    """Without witnesses, whose keys have made-up values."""
    if isinstance(found, list):
        return [{name: value for name, value in each.items() if name != "witness"} for each in found]
    return found


def test_changes_and_calls_of_one_second(installation: Installation, trail: str, tmp_path: Path) -> None:
    """A call that only one order explains is explained, whatever the ids say. A call that several explain is open."""
    second, arn = "2024-01-01T10:00:00Z", f"arn:aws:iam::{A}:role/app"
    trust = document({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"})
    use = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    session = {
        "type": "AssumedRole", "principalId": "AROAEXAMPLEEXAMPLE123:s", "arn": f"arn:aws:sts::{A}:assumed-role/app/s", "accountId": A,
        "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEEXAMPLE123", "arn": arn}},
    }  # fmt: skip
    role = {"role": {"roleId": "AROAEXAMPLEEXAMPLE123", "arn": arn}}
    alice, bob = who()["arn"], who("bob")["arn"]

    def iam(operation: str, name: str, at: str = second, response: Any = None, **parameters: str) -> dict[str, Any]:
        parameters["roleName"] = "app"
        return record(operation, at, eventSource="iam.amazonaws.com", resources=[], requestParameters=parameters, responseElements=response, eventID=name)  # fmt: skip

    later = "2024-01-01T12:00:00Z"
    records = [
        created(1, "2024-01-01T09:00:00Z"),
        created(2, "2024-01-01T09:00:00Z"),
        put(1, "2024-01-01T09:30:00Z", allow(alice, "kms:Decrypt"), allow(bob, "kms:Encrypt")),
        # The ids suggest the other order.
        iam("PutRolePolicy", "a", policyName="p", policyDocument=use),
        iam("CreateRole", "b", response=role, assumeRolePolicyDocument=trust),
        record("Decrypt", "2024-01-01T10:00:05Z", 2, session, eventID="after"),
        put(1, later, allow(bob, "kms:Decrypt")) | {"eventID": "m"},
        record("Decrypt", later, 1, who("bob"), eventID="only-after"),
        record("Encrypt", later, 1, who("bob"), eventID="only-before"),
        record("Encrypt", "2024-01-01T12:00:01Z", 1, who("bob"), eventID="refused", errorCode="AccessDenied"),
        put(1, "2024-01-01T13:00:00Z", allow(bob, "kms:*")),
        record("Decrypt", "2024-01-01T13:00:00Z", 1, who("bob"), eventID="either"),
        iam("DeleteRole", "c", "2024-01-01T14:00:00Z"),
        iam("DeleteRolePolicy", "d", "2024-01-01T14:00:00Z", policyName="p"),
        put(1, "2024-01-01T15:00:00Z", allow(bob, "kms:*")) | {"eventID": "first"},
        put(1, "2024-01-01T15:00:00Z", allow(alice, "kms:*")) | {"eventID": "second"},
    ]  # fmt: skip
    found = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    calls = {each["call_id"]: each for each in installation.answers("decisions", "--trail", trail)}
    explained = {name: calls[name]["outcome"] for name in ("after", "only-after", "only-before", "refused", "either")}
    assert explained == {
        "after": "explained", "only-after": "explained", "only-before": "explained", "refused": "explained", "either": "open",
    }  # fmt: skip
    assert (calls["only-before"]["policy_version"], calls["only-after"]["policy_version"]) == ("2", "3")
    assert "whether it came before or after a change of the same second" in calls["either"]["missing"]
    (several,) = found["several_orders"]
    assert sorted(several["changes"]) == ["PutKeyPolicy first", "PutKeyPolicy second"]
    assert (found["no_order"], found["changed_nothing"]) == ([], [])
    done = installation.keytrail("show", arn, "--trail", trail, check=False)
    assert (done.returncode, "There was no user, group or role" in done.stderr) == (1, True)
    (shown,) = installation.answers("show", arn, "--at", "2024-01-01T11:00:00Z", "--trail", trail)
    assert list(shown["principal"]["inline"]) == ["p"]


@pytest.mark.soak
@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")], ids=["let-in-first", "denied-first"])
def test_a_call_between_two_changes_of_one_second_is_never_unexplained(
    installation: Installation, trail: str, tmp_path: Path, ids: tuple[str, str]
) -> None:
    """The changes are independent, so the call may have come between them, in whichever order the ids put them."""
    second, bob = "2024-01-01T10:00:00Z", who("bob")
    deny = document({"Effect": "Deny", "Action": "kms:*", "Resource": "*"})
    denied = {"userName": "bob", "policyName": "p", "policyDocument": deny}
    records = [
        created(1, "2024-01-01T09:00:00Z"),
        put(1, "2024-01-01T09:30:00Z", allow(who()["arn"], "kms:*")),
        record("Encrypt", "2024-01-01T09:40:00Z", 1, bob, eventID="early", errorCode="AccessDenied"),
        put(1, second, allow(who()["arn"], "kms:*"), allow(bob["arn"], "kms:Encrypt")) | {"eventID": ids[0]},
        record("PutUserPolicy", second, eventSource="iam.amazonaws.com", resources=[], requestParameters=denied, eventID=ids[1]),
        record("Encrypt", second, 1, bob, eventID="between"),
        record("Encrypt", second, 1, who("carol"), eventID="stranger"),
        record("Encrypt", "2024-01-01T10:00:01Z", 1, bob, eventID="late", errorCode="AccessDenied"),
    ]  # fmt: skip
    imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    calls = {each["call_id"]: each for each in installation.answers("decisions", "--trail", trail)}
    outcomes = {name: calls[name]["outcome"] for name in ("early", "between", "late")}
    assert outcomes | {"between": ""} == {"early": "explained", "between": "", "late": "explained"}
    assert outcomes["between"] == ("explained" if ids == ("a", "b") else "open")
    if outcomes["between"] == "open":
        assert calls["between"]["missing"] == ["in which order the changes of the same second came"]
    # Only one of the two changes concerns another caller: no order of them explains that.
    assert "in which order the changes of the same second came" not in (calls["stranger"]["missing"] or [])


@pytest.mark.soak
def test_trails_are_listed_and_removed_and_a_key_that_was_encrypted_to_was_used(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    two = [{"ARN": key_arn(number), "type": "AWS::KMS::Key"} for number in (1, 2)]
    told = {"sourceKeyId": key_arn(1), "destinationKeyId": key_arn(2)}
    records = [
        created(1, "2024-01-01T00:00:00Z") | {"resources": []},
        created(2, "2024-01-01T00:00:00Z"),
        record("ReEncrypt", "2024-01-01T01:00:00Z", requestParameters=told, resources=two),
    ]
    path = written(tmp_path / "a.jsonl", *records)
    imported(installation, trail, path)
    ask = ("--trail", trail)
    (used,) = installation.answers("last-use", key_arn(2), *ask)
    assert used["last"]["operation"] == "ReEncrypt"
    out = tmp_path / "out.jsonl"
    installation.keytrail("decisions", *ask, "--export", str(out), "--format", "cloudtrail")
    assert [json.loads(line)["eventName"] for line in out.read_text().splitlines()] == [
        each["eventName"] for each in records
    ]
    row = next(each for each in installation.answers("trails") if each["trail"] == trail)
    assert (row["calls"], row["changes"], row["first"][:10]) == (3, 2, "2024-01-01")
    done = installation.keytrail("trails", "remove", trail, "--yes", "--json")
    assert json.loads(done.stdout) == {"removed": trail}
    assert trail not in [each["trail"] for each in installation.answers("trails")]
    done = installation.keytrail("trails", "remove", trail, "--yes", check=False)
    assert (done.returncode, "There is no trail" in done.stderr) == (1, True)
    assert imported(installation, trail, path)["new"] == 3


@pytest.mark.soak
def test_facts_given_beside_a_trail_answer_for_its_beginning(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    alice, bob = who()["arn"], who("bob")["arn"]
    records = [
        record("Decrypt", "2024-01-01T01:00:00Z"),
        record("Decrypt", "2024-01-01T02:00:00Z", 1, who("bob"), errorCode="AccessDenied", errorMessage="no"),
        record("Decrypt", "2024-01-01T03:00:00Z", 2),
        put(2, "2024-01-01T04:00:00Z", allow(alice, "kms:*")),
    ]
    before = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    assert (before["open"], before["explained"]) == (4, 0)
    people = [
        {"Arn": arn, "UserId": f"AIDA{name.upper():X<17}", "UserName": name, "UserPolicyList": []}
        for name, arn in (("alice", alice), ("bob", bob))
    ]
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "policy.json").write_text(json.dumps({"Policy": document(allow(alice, "kms:*"))}))
    (folder / "grants.json").write_text(json.dumps({"Grants": []}))
    (folder / "people.json").write_text(json.dumps({"UserDetailList": people}))
    (folder / "broken.json").write_text("{")
    ask = ("--trail", trail)

    def told(key: str) -> dict[str, Any]:
        done = installation.keytrail("import", "policies", str(folder), *ask, "--taken", "2024-02-01T00:00:00Z", "--key", key, "--json")  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["records"] == sum(found[name] for name in COUNTED)
        return found

    found = told(key_arn(1))
    assert (found["new"], found["broken"], found["known"], found["known_too_late"]) == (4, 1, 4, [])
    assert (found["calls"], found["explained"], found["unexplained"], found["open"]) == (4, 2, 0, 2)
    assert (told(key_arn(1))["new"], told(key_arn(1))["told_twice"]) == (0, 4)
    (shown,) = installation.answers("show", key_arn(1), *ask)
    assert (shown["policy"]["Statement"][0]["Principal"], shown["key"]["created_at"]) == ({"AWS": alice}, None)
    # Key 2's policy was put after the trail began, so its state in February says nothing about the time before.
    found = told(key_arn(2))
    assert [each["kind"] for each in found["known_too_late"]] == ["key-policy"]
    assert found["explained"] == 2


@pytest.mark.soak
def test_a_key_of_two_regions_is_asked_by_its_arn(installation: Installation, trail: str, tmp_path: Path) -> None:
    name = "mrk-1234abcd12ab34cd56ef1234567890ab"
    arns = {region: f"arn:aws:kms:{region}:{A}:key/{name}" for region in ("us-west-2", "eu-west-1")}
    records = [
        record(
            "PutKeyPolicy", "2024-01-01T00:00:00Z", awsRegion=region, resources=[{"ARN": arn}],
            requestParameters={"keyId": arn, "policy": document(allow(who(who_)["arn"], "kms:*"))},
        )
        for (region, arn), who_ in zip(arns.items(), ("alice", "bob"), strict=True)
    ]  # fmt: skip
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    attached = record("AttachUserPolicy", "2024-01-01T01:00:00Z", eventSource="iam.amazonaws.com", resources=[], requestParameters={"userName": "alice", "policyArn": everything})  # fmt: skip
    imported(installation, trail, written(tmp_path / "a.jsonl", *records, attached))
    # Its content was never seen, so nothing is raised for it.
    assert everything not in json.dumps(installation.answers("alerts", "scan", "--trail", trail))
    (shown,) = installation.answers("show", who()["arn"], "--trail", trail)
    assert shown["principal"]["attached"] == {everything: None}
    for arn, who_ in zip(arns.values(), ("alice", "bob"), strict=True):
        (shown,) = installation.answers("show", arn, "--trail", trail)
        assert (shown["key"]["arn"], shown["policy"]["Statement"][0]["Principal"]) == (arn, {"AWS": who(who_)["arn"]})
        assert len(installation.answers("decisions", "--key", arn, "--trail", trail)) == 1
        assert len(installation.answers("history", arn, "--trail", trail)) == 1
    done = installation.keytrail("show", name, "--trail", trail, check=False)
    assert (done.returncode, all(arn in done.stderr.replace("\n", "") for arn in arns.values())) == (1, True)


def test_an_alias_of_two_regions_is_asked_by_its_arn(installation: Installation, trail: str, tmp_path: Path) -> None:
    """`alias/payroll` was the key of one Region, without a word."""
    regions = ("us-west-2", "eu-west-1")
    keys = [
        f"arn:aws:kms:{region}:{A}:key/1234abcd-12ab-34cd-56ef-00000000000{number}"
        for number, region in enumerate(regions)
    ]
    records = [
        record(
            "CreateAlias", f"2024-01-01T00:00:0{number}Z", awsRegion=region, resources=[{"ARN": keys[number]}],
            requestParameters={"aliasName": "alias/payroll", "targetKeyId": keys[number]},
        )
        for number, region in enumerate(regions)
    ]  # fmt: skip
    imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    arns = [f"arn:aws:kms:{region}:{A}:alias/payroll" for region in regions]
    for command in (("show",), ("history",), ("who-can", "Decrypt")):
        done = installation.keytrail(*command, "alias/payroll", "--trail", trail, check=False)
        assert (done.returncode, all(arn in done.stderr.replace("\n", "") for arn in arns)) == (1, True), command
    for alias, key in zip(arns, keys, strict=True):
        (shown,) = installation.answers("show", alias, "--trail", trail)
        assert shown["key"]["arn"] == key


@pytest.mark.soak
def test_a_trails_key_is_named_as_our_own_are(installation: Installation, trail: str, tmp_path: Path) -> None:
    """By its alias without the prefix, or by the beginning of its id, as tables show it. An unknown name is an
    error."""
    alias = record("CreateAlias", "2026-03-01T09:00:00Z", 7, requestParameters={"aliasName": "alias/archive", "targetKeyId": key_arn(7)})  # fmt: skip
    imported(installation, trail, written(tmp_path / "t.json", created(7, "2026-03-01T08:00:00Z"), alias, record("Decrypt", "2026-03-01T10:00:00Z", 7)))  # fmt: skip
    id = key_arn(7).rpartition("/")[2]
    for command in (("history",), ("show",), ("last-use",), ("unused",), ("changes",), ("who-can", "Decrypt")):
        by_arn, *others = (
            installation.answers(*command, name, "--trail", trail)
            for name in (key_arn(7), "archive", f"{id[:35]}…", id)
        )
        assert others == [by_arn] * 3, command
        nowhere = installation.keytrail(*command, "archives", "--trail", trail, check=False)
        assert (nowhere.returncode, "alias/archive" in nowhere.stderr) == (1, True), nowhere.stderr


@pytest.mark.soak
def test_a_call_of_the_second_in_which_its_caller_was_deleted_is_explained(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    root = {"type": "Root", "arn": f"arn:aws:iam::{A}:root", "accountId": A, "principalId": A}
    role = f"arn:aws:iam::{A}:role/r"
    issuer = {"type": "Role", "principalId": "AROAXXXXXXXXXXXXXXXXX", "arn": role, "userName": "r"}
    session = {"type": "AssumedRole", "principalId": "AROAXXXXXXXXXXXXXXXXX:s", "arn": f"arn:aws:sts::{A}:assumed-role/r/s", "accountId": A, "sessionContext": {"sessionIssuer": issuer}}  # fmt: skip

    def iam(operation: str, at: str, **parameters: Any) -> dict[str, Any]:
        made = {"role": {"roleId": "AROAXXXXXXXXXXXXXXXXX", "arn": role}} if operation == "CreateRole" else None
        return record(operation, at, 1, root, eventSource="iam.amazonaws.com", resources=[], requestParameters=parameters, responseElements=made)  # fmt: skip

    trust = document({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"})
    use = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    nine, ten = "2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z"
    records = [
        created(1, nine) | {"userIdentity": root},
        iam("CreateRole", nine, roleName="r", assumeRolePolicyDocument=trust),
        iam("PutRolePolicy", nine, roleName="r", policyName="p", policyDocument=use),
        record("Decrypt", ten, 1, session),
        iam("DeleteRolePolicy", ten, roleName="r", policyName="p"),
        iam("DeleteRole", ten, roleName="r"),
    ]
    found = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    assert [found[each] for each in ("changes", "explained", "open", "unexplained")] == [5, 1, 0, 0]
    # Nor is it there again for a change that it was refused.
    refused = put(1, ten, allow(role, "kms:*"), identity=session) | {"errorCode": "AccessDenied"}
    assert imported(installation, trail, written(tmp_path / "b.jsonl", refused))["changes"] == 5
    assert role not in [each["arn"] for each in installation.answers("principals", "role", "--trail", trail)]


@pytest.mark.soak
@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
def test_the_record_of_a_call_that_says_who_called_may_come_last(
    installation: Installation, trail: str, tmp_path: Path, *, apart: bool
) -> None:
    """A call between two accounts has a record in each. The key's owner may be told first: the key and the caller are known
    all the same, which these records alone name."""
    other = "444455556666"
    key: dict[str, Any] = {"resources": [{"ARN": key_arn(7, other)}], "requestParameters": {"keyId": key_arn(7, other)}}
    owners = {"type": "AWSAccount", "principalId": who()["principalId"], "accountId": A}
    records = [
        record("Decrypt", "2024-01-01T01:00:00Z", 7, each, sharedEventID="shared", **key) for each in (owners, who())
    ]
    root = {"type": "Root", "arn": f"arn:aws:iam::{A}:root", "accountId": A, "principalId": A}
    between = [record("ListKeys", "2024-01-01T00:00:00Z", 1, root, resources=[])] * (BATCH if apart else 0)
    later = record("Decrypt", "2024-01-01T02:00:00Z", 7, **key)
    path = written(tmp_path / "a.jsonl", records[0], *between, records[1], later)
    assert imported(installation, trail, path)["calls"] == 2 + apart
    ask = ("--trail", trail)
    assert [each["arn"] for each in installation.answers("keys", *ask)] == [key_arn(7, other)]
    assert who()["arn"] in {each["arn"] for each in installation.answers("principals", "user", *ask)}
    calls = [each for each in installation.answers("decisions", *ask) if each["operation"] == "Decrypt"]
    assert ["the key" in each["missing"] for each in calls] == [False, False]


@pytest.mark.soak
def test_a_trail_takes_nothing_from_one_with_a_longer_name(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    """An import makes its tables beside the former ones, under a name that was another trail's too."""
    path = written(tmp_path / "a.jsonl", created(1, "2024-01-01T00:00:00Z"))
    longer = f"{trail}_beside"
    for name in (longer, trail, longer):
        assert imported(installation, name, path)["calls"] == 1
    installation.keytrail("trails", "remove", trail, "--yes")
    (row,) = [each for each in installation.answers("trails") if each["trail"].startswith(trail)]
    assert (row["trail"], row["calls"]) == (longer, 1)

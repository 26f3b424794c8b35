"""A call's record with its proof, made by a running installation and checked by a program that knows nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.audit_api.openapi import document as described
from services.audit_api.resources.routes import ROUTES
from services.evidence import verify
from tests.conforming import conforms, undescribed
from tests.e2e.conftest import OTHER, leaves_elsewhere
from tests.e2e.test_authorisation import Credentials, House, asked, document, may
from tests.installation import Installation, eventually

PROVEN = described(ROUTES)["paths"]["/v1/proofs/{call}"]["get"]["responses"]["200"]["content"]["application/json"][
    "schema"
]


@pytest.fixture(scope="module")
def house(proving: Installation) -> House:
    return House(proving, *(proving.client(service=service) for service in ("iam", "sts", "kms")))


def request_of(answer: dict[str, Any]) -> str:
    return str(answer["ResponseMetadata"]["RequestId"])


def proven(house: House, who: Credentials, call: str, log_key: str) -> dict[str, Any]:
    """The record as this account is shown it, after its proof was checked."""
    status, text = asked(house, who, f"/v1/proofs/{call}")
    assert status == 200, text
    assert conforms(json.loads(text), PROVEN) == list(undescribed(json.loads(text), PROVEN)) == []
    found, _, _ = verify.ProofVerifier(log_key, [], 0).check(verify.canonical(json.loads(text)))
    record: dict[str, Any] = found["record"]
    return record


def test_a_file_is_checked_by_a_program_of_its_own(house: House, log_key: str, tmp_path: Path) -> None:
    """Given an encryption and the change that made its key, when their proofs are written at once, then another Python checks
    them with a copy of verify.py in an empty folder, and names the one that is changed afterwards."""
    made = house.kms.create_key()
    used = house.kms.encrypt(KeyId=made["KeyMetadata"]["KeyId"], Plaintext=b"x")
    for name, call in (("made.json", request_of(made)), ("used.json", request_of(used))):
        house.installation.keytrail("prove", call, "-o", str(tmp_path / name))
    program = tmp_path / "verify.py"
    program.write_bytes(Path(verify.__file__).read_bytes())

    def checked() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(program), "--log-key", log_key, "made.json", "used.json"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = checked()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    kinds = {name: json.loads((tmp_path / name).read_text())["record"]["kind"] for name in ("made.json", "used.json")}
    assert kinds == {"made.json": "events", "used.json": "decisions"}
    value = json.loads(json.loads((tmp_path / "used.json").read_text())["record"]["value"])
    assert (value["call"]["id"], value["decision"]["effect"]) == (request_of(used), "allowed")
    without = partial(house.installation.keytrail_as, {}, "verify-evidence", str(tmp_path))
    own = without("--log-key", log_key, "--json")
    assert [each["holds"] for each in map(json.loads, own.stdout.splitlines())] == [True, True]
    unnamed = without()
    assert (unnamed.returncode, "2 records proven, 0 not" in unnamed.stdout) == (3, True)
    assert "--log-key" in unnamed.stderr
    changed = (tmp_path / "used.json").read_text().replace('\\"allowed\\"', '\\"refused\\"')
    (tmp_path / "used.json").write_text(changed)
    done = checked()
    assert done.returncode == 1
    assert "used.json: DOES NOT HOLD" in done.stdout
    assert "made.json: holds" in done.stdout
    refused = without("--log-key", log_key)
    assert refused.returncode == 1
    assert "used.json: does not hold: the record is not in the tree" in " ".join(refused.stdout.split())
    assert "1 record proven, 1 not" in refused.stdout


def test_each_of_two_accounts_proves_its_own_part(house: House, other: Credentials, log_key: str) -> None:
    """Given a call of another account that the key's policy allows, when each asks for its proof, then both hold, and neither
    has what the other's policies, tags and sessions say."""
    key = house.key(may("kms:Encrypt", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Sid="theirs"))
    answer = house.installation.client(other).encrypt(KeyId=key, Plaintext=b"x")
    theirs = proven(house, other, request_of(answer), log_key)["parts"]
    ours = proven(house, house.installation.credentials(), request_of(answer), log_key)["parts"]
    assert ({*theirs["caller"]}, {*theirs["resource"]}, {*theirs["rest"]}) == (
        {"salt", "text"},
        {"hash"},
        {"salt", "text"},
    )
    assert ({*ours["caller"]}, {*ours["resource"]}, {*ours["rest"]}) == ({"hash"}, {"salt", "text"}, {"salt", "text"})
    assert "theirs" in ours["resource"]["text"]
    assert "theirs" not in json.dumps(theirs)


def test_a_refused_caller_does_not_learn_whether_it_named_anything(
    house: House, other: Credentials, log_key: str
) -> None:
    key = house.key()
    with pytest.raises(ClientError) as fault:
        house.installation.client(other).encrypt(KeyId=key, Plaintext=b"x")
    record = proven(house, other, request_of(fault.value.response), log_key)
    assert {name for name, part in record["parts"].items() if "text" in part} == {"caller"}
    assert "AccessDenied" in record["parts"]["caller"]["text"] or "error" in record["parts"]["caller"]["text"]


def test_a_refused_caller_does_not_learn_what_an_alias_stands_for(
    house: House, other: Credentials, log_key: str
) -> None:
    key = house.key()
    house.kms.create_alias(AliasName="alias/of-the-house", TargetKeyId=key)
    named = house.kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"].rpartition(":")[0] + ":alias/of-the-house"
    with pytest.raises(ClientError) as fault:
        house.installation.client(other).encrypt(KeyId=named, Plaintext=b"x")
    record = json.dumps(proven(house, other, request_of(fault.value.response), log_key))
    assert ("of-the-house" in record, key in record) == (True, False)


def test_it_asks_for_two_permissions_and_is_of_the_own_account(house: House, other: Credentials) -> None:
    call = request_of(house.kms.create_key())
    assert asked(house, other, f"/v1/proofs/{call}")[0] == 404
    name, _, who = house.user("dora")
    given: list[str] = []
    for more, status in (("keytrail:ReadStatus", 403), ("keytrail:Prove", 403), ("keytrail:ReadDecisions", 200)):
        given.append(more)
        house.iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=document(*map(may, given)))
        assert asked(house, who, f"/v1/proofs/{call}")[0] == status


def test_a_change_is_proven_by_its_position(house: House, log_key: str) -> None:
    key = house.kms.create_key()["KeyMetadata"]["KeyId"]
    root = house.installation.credentials()
    (made,) = eventually(lambda: json.loads(asked(house, root, f"/v1/keys/{key}/history")[1])["items"])
    record = proven(house, house.installation.credentials(), f"@{made['position']}", log_key)
    assert (record["kind"], json.loads(record["value"])["call"]["id"]) == ("events", made["call_id"])


def is_provable(house: House, who: dict[str, str], call: str) -> None:
    """Wait until its leaf is published."""
    eventually(lambda: asked(house, who, f"/v1/proofs/{call}")[0] == 200)


async def test_rows_that_name_another_leaf_prove_nothing(house: House) -> None:
    """Somebody who can write to Postgres alone changes which leaf a record is said to be."""
    call = request_of(house.kms.create_key())
    later = request_of(house.kms.list_keys())
    root = house.installation.credentials()
    for each in (call, later):  # so that there is a leaf behind the first one
        is_provable(house, root, each)
    async with leaves_elsewhere(house.installation):
        status, text = asked(house, root, f"/v1/proofs/{call}")
    assert (status, "is not this record" in text) == (409, True), text
    assert asked(house, root, f"/v1/proofs/{call}")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("prove",), 2, "CALL-ID"),
        (("prove", "../status"), 2, "'../status' is not the id of a call"),
        (("prove", ""), 2, "'' is not the id of a call"),
        (("prove", "@999999"), 1, "no change at @999999"),
        (("prove", "@x"), 1, "a position is @ and a number"),
        (("prove", "keytrail-0"), 1, "No call of this account"),
    ],
)
def test_a_word_that_names_no_call_is_reported(house: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = house.installation.keytrail(*arguments, check=False)
    assert done.returncode == code
    assert says.lower() in " ".join(done.stderr.split()).lower()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "Missing argument"),
        (("nowhere.json", "--log-key", "x"), 2, "'x' is no verifier key of a log"),
        (("nowhere.json",), 2, "There is no file or folder nowhere.json"),
        ((".", "--log-key", "log.key"), 2, "give what the file holds"),
        ((".", "--log-key", "keys.example/log+12345678+AAAA BBBB"), 2, "in one piece"),
        ((".", "--witness-key", "x"), 2, "'x' is no verifier key of a witness"),
    ],
)
def test_a_check_that_cannot_be_made_says_why(house: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = house.installation.keytrail_as({}, "verify-evidence", *arguments)
    assert done.returncode == code
    assert says in " ".join((done.stdout + done.stderr).split())

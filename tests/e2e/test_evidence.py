"""A package of evidence: made by a running installation, checked by a Python that has nothing of Keytrail but verify.py."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.evidence import verify
from tests.e2e.conftest import OTHER, leaves_elsewhere
from tests.e2e.test_authorisation import Credentials, House, asked, document, may
from tests.installation import Installation

ASKED = ("keytrail:Prove", "keytrail:ReadDecisions", "keytrail:ReadHistory", "keytrail:ReadAlerts")


@pytest.fixture(scope="module")
def house(proving: Installation) -> House:
    return House(proving, *(proving.client(service=service) for service in ("iam", "sts", "kms")))


@pytest.fixture(scope="module")
def story(house: House) -> dict[str, str]:
    """A key that is used, refused to somebody, let to everybody, and encrypted to from another key."""
    name, user, who = house.user("bob")
    key = house.kms.create_key(Description="payroll")["KeyMetadata"]["KeyId"]
    house.kms.create_alias(AliasName="alias/payroll", TargetKeyId=key)
    sealed = house.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    bob = house.installation.client(who)
    with pytest.raises(ClientError):
        bob.decrypt(CiphertextBlob=sealed)
    policy = json.loads(house.kms.get_key_policy(KeyId=key)["Policy"])
    policy["Statement"].append(may("kms:Decrypt", Principal={"AWS": user}, Sid="bob"))
    house.kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    bob.decrypt(CiphertextBlob=sealed)
    elsewhere = house.kms.create_key()["KeyMetadata"]["KeyId"]
    moved = house.kms.encrypt(KeyId=elsewhere, Plaintext=b"x")["CiphertextBlob"]
    house.kms.re_encrypt(CiphertextBlob=moved, DestinationKeyId=key)
    return {"key": key, "user": user, "name": name}


def made(house: House, path: Path, *words: str) -> Path:
    house.installation.keytrail("evidence", *words, "-o", str(path))
    return path


def checked(path: Path, log_key: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What verify.py of the package itself says, in a folder with nothing else."""
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as package:
        package.extractall(folder)
    command = [sys.executable, "-I", "verify.py", *(("--log-key", log_key) if log_key else ()), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def records(path: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(path) as package:
        names = sorted(name for name in package.namelist() if name.startswith("records/"))
        return [json.loads(json.loads(package.read(name))["record"].get("value", "{}")) for name in names]


def test_a_package_has_every_record_about_a_key(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    """Given a key's story, when its evidence is made at once, then another Python proves changes, uses, refusals, the call that
    encrypts to it and its alerts, and the report says in words what was let in."""
    path = made(house, tmp_path / "payroll.zip", "alias/payroll")
    done = checked(path, log_key)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    operations = [each["call"]["operation"] for each in records(path) if each.get("call")]
    assert set(operations) >= {"CreateKey", "CreateAlias", "Encrypt", "Decrypt", "PutKeyPolicy", "ReEncrypt"}
    assert operations.count("Decrypt") == 2
    with zipfile.ZipFile(path) as package:
        report, statement = package.read("report.html").decode(), package.read("STATEMENT.txt").decode()
        assert package.read("verify.py") == Path(verify.__file__).read_bytes()
    assert "<script" not in report
    for words in ("Evidence about alias/payroll", f"{story['name']} now may Decrypt", "not authorized to perform"):
        assert words in report, words
    assert "That there are no other records about" in statement
    assert checked(path, "").returncode == verify.ONLY_ITS_OWN_KEY


def test_the_check_of_a_zip_names_what_was_changed_in_it(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    path = made(house, tmp_path / "p.zip", story["key"])
    alone = house.installation.keytrail_as
    held = alone({}, "verify-evidence", str(path), "--log-key", log_key)
    assert (held.returncode, " 0 not" in held.stdout) == (0, True), held.stdout + held.stderr
    with zipfile.ZipFile(path) as package:
        contents = {name: package.read(name) for name in package.namelist()}
    name = next(each for each in contents if each.startswith("records/"))
    contents[name] = contents[name].replace(b"allowed", b"refused", 1)
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w") as package:
        for each, content in contents.items():
            package.writestr(each, content)
    path.write_bytes(rewritten.getvalue())
    found = alone({}, "verify-evidence", str(path), "--log-key", log_key, "--json")
    assert found.returncode == 1
    wrong = [each["file"] for each in map(json.loads, found.stdout.splitlines()) if not each["holds"]]
    assert wrong == [f"{path}: {name}"]
    path.write_bytes(rewritten.getvalue()[:-30])
    assert alone({}, "verify-evidence", str(path), "--log-key", log_key).returncode == 1


def test_a_whole_span_has_every_leaf_and_is_for_the_first_account_alone(
    house: House, story: dict[str, str], other: Credentials, log_key: str, tmp_path: Path
) -> None:
    path = made(house, tmp_path / "w.zip", story["key"], "--whole-span")
    done = checked(path, log_key)
    assert done.returncode == 0, done.stdout
    assert "leaves: holds, all " in done.stdout
    status, text = asked(house, other, f"/v1/evidence?key={story['key']}&whole_span=true")
    assert (status, "first account" in text) == (403, True)
    status, text = asked(house, other, f"/v1/evidence?key={story['key']}")
    assert status == 404


def test_evidence_of_a_principal_has_what_it_did_and_what_was_done_to_it(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    path = made(house, tmp_path / "bob.zip", story["user"])
    assert checked(path, log_key).returncode == 0
    operations = {each["call"]["operation"] for each in records(path) if each.get("call")}
    assert operations >= {"CreateUser", "CreateAccessKey", "Decrypt", "PutKeyPolicy"}


def test_evidence_of_a_renamed_user_has_what_it_did_under_its_former_name(house: House, tmp_path: Path) -> None:
    name, arn, who = house.user("carl")
    key = house.key(may("kms:Encrypt", Principal={"AWS": arn}))
    house.installation.client(who).encrypt(KeyId=key, Plaintext=b"x")
    house.iam.update_user(UserName=name, NewUserName=f"{name}-renamed")
    path = made(house, tmp_path / "carl.zip", f"user/{name}-renamed")
    operations = [each["call"]["operation"] for each in records(path) if each.get("call")]
    assert [operations.count(each) for each in ("Encrypt", "UpdateUser")] == [1, 1]


def test_each_of_two_accounts_gets_its_own_part(house: House, other: Credentials, log_key: str, tmp_path: Path) -> None:
    """Given a call of another account on our key, then our package has our part of it alone."""
    key = house.key(may("kms:Encrypt", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Sid="theirs"))
    house.installation.client(other).encrypt(KeyId=key, Plaintext=b"x")
    path = made(house, tmp_path / "k.zip", key)
    assert checked(path, log_key).returncode == 0
    with zipfile.ZipFile(path) as package:
        texts = [package.read(name).decode() for name in package.namelist() if name.startswith("records/")]
        report = package.read("report.html").decode()
    (parts,) = [json.loads(each)["record"]["parts"] for each in texts if "parts" in json.loads(each)["record"]]
    assert {name for name, part in parts.items() if "text" in part} == {"resource", "rest"}
    assert f"account {OTHER}" in report
    assert other["AWS_ACCESS_KEY_ID"] not in report + "".join(texts)


def test_a_caller_gets_its_own_part_of_calls_on_the_key_of_another_account(
    house: House, other: Credentials, log_key: str, tmp_path: Path
) -> None:
    key = house.key(may("kms:Encrypt", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Sid="theirs"))
    arn = house.kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    house.installation.client(other).encrypt(KeyId=arn, Plaintext=b"x")
    path = tmp_path / "theirs.zip"
    url = {"AWS_ENDPOINT_URL": house.installation.url}
    done = house.installation.keytrail_as(other | url, "evidence", arn, "-o", str(path))
    assert done.returncode == 0, done.stderr
    assert checked(path, log_key).returncode == 0
    with zipfile.ZipFile(path) as package:
        (name,) = [each for each in package.namelist() if each.startswith("records/")]
        parts = json.loads(package.read(name))["record"]["parts"]
        report = package.read("report.html").decode()
    assert {name for name, part in parts.items() if "text" in part} == {"caller", "rest"}
    assert "could not be worked out" in report
    assert "theirs" not in report


def test_it_asks_for_four_permissions_and_for_one_subject(house: House, story: dict[str, str]) -> None:
    name, _, who = house.user("dora")
    path = f"/v1/evidence?key={story['key']}"
    given: list[str] = []
    for more in ASKED:
        assert asked(house, who, path)[0] == 403
        given.append(more)
        house.iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=document(*map(may, given)))
    root = house.installation.credentials()
    for query in ("", f"?key={story['key']}&principal=bob"):
        status, text = asked(house, root, f"/v1/evidence{query}")
        assert (status, "give one of them" in text) == (400, True)
    for more, says in (
        ("&from=2030-01-01T00:00:00Z", "earlier than now"),
        ("&from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "earlier than to"),
    ):
        status, text = asked(house, root, path + more)
        assert (status, says in text) == (400, True)
    status, text = asked(house, root, "/v1/evidence?principal=arn:aws:iam::222233334444:user/*%0Aforged:%20holds")
    assert (status, "control characters" in text) == (400, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("evidence", "alias/payroll"), 2, "-o"),
        (("evidence", "alias/nothing", "-o", "x.zip"), 1, "alias/nothing"),
        (("evidence", "alias/payroll", "-o", "-"), 2, "written to a file"),
        (("evidence", "alias/payroll", "-o", "x.zip", "--from", "sometime"), 2, "sometime"),
    ],
)
def test_a_package_that_cannot_be_made_says_why(
    house: House, story: dict[str, str], words: tuple[str, ...], code: int, says: str
) -> None:
    done = house.installation.keytrail(*words, check=False)
    assert (done.returncode, says in " ".join(done.stderr.split())) == (code, True), done.stderr


async def test_a_record_that_never_became_a_leaf_is_named_and_the_rest_is_proven(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    """As after a retention that removed records before the notary took them: their rows in Postgres are still there."""
    async with house.installation.connected() as pool:
        row = await pool.fetchrow(
            "DELETE FROM transparency.runs WHERE kind = 'events' AND first = (SELECT max(first) FROM transparency.runs "
            "WHERE kind = 'events' AND first <= (SELECT min(record) FROM p_decisions.decisions "
            "WHERE key_id = $1 AND origin = -1)) RETURNING *",
            story["key"],
        )
        assert row is not None
        done = house.installation.keytrail("evidence", story["key"], "-o", str(tmp_path / "after.zip"))
        await pool.execute("INSERT INTO transparency.runs VALUES ($1, $2, $3, $4, $5, $6)", *row)
    assert "has no leaf: it is void, or was removed before the notary could take it" in " ".join(done.stderr.split())
    assert checked(tmp_path / "after.zip", log_key).returncode == 0


async def test_rows_of_checkpoints_that_somebody_else_wrote_are_passed_over(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    """Given rows in front of ours that hold no checkpoint, and one of another size, then a package begins with ours."""
    since = datetime.now(UTC)
    async with house.installation.connected() as pool:
        first = await pool.fetchrow("SELECT size, note FROM transparency.heads ORDER BY size LIMIT 1")
        assert first is not None
        ours, last = first
        await pool.execute("INSERT INTO transparency.heads VALUES (-1, $1, 'nothing'), (-2, $1, $2)", since, last)
        await pool.execute("UPDATE transparency.heads SET at = $1 WHERE size > $2", since + timedelta(hours=1), ours)
        house.kms.encrypt(KeyId=story["key"], Plaintext=b"x")
        path = made(house, tmp_path / "e.zip", story["key"], "--from", since.isoformat())
        await pool.execute("DELETE FROM transparency.heads WHERE size < 0 OR at > $1", since)
    assert checked(path, log_key).returncode == 0
    with zipfile.ZipFile(path) as package:
        assert json.loads(package.read("evidence.json"))["before"].split("\n")[1] == str(ours)


async def test_a_record_without_its_leaf_is_named(
    house: House, story: dict[str, str], log_key: str, tmp_path: Path
) -> None:
    """Somebody who can write to Postgres alone says that records are other leaves: what is left of the package still holds, and
    it names what it cannot prove."""
    path = made(house, tmp_path / "before.zip", story["key"])
    async with leaves_elsewhere(house.installation):
        done = house.installation.keytrail("evidence", story["key"], "-o", str(tmp_path / "after.zip"))
    assert "could not be proven" in done.stderr
    assert checked(tmp_path / "after.zip", log_key).returncode == 0
    assert len(records(tmp_path / "after.zip")) < len(records(path))

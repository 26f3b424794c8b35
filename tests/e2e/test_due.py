"""Work that falls due on a real installation: deletion, expiry and rotation, each on its day."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.adapters.bundled.postgres import binaries
from services.cli.client import Client
from tests.e2e.test_kinds import bring, code, wrapped
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually
from tests.pausing import pause
from tests.sessions import stumbled, typed

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "key-life.md"
LATER = "Ninety-one days later"


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("ahead") / ".keytrail", test_clock=True) as running:
        yield running


def dump(installation: Installation) -> str:
    """A fresh dump of the whole database, as a backup would have it."""
    command = [str(binaries() / "pg_dump"), "--dbname", installation.settings.postgres]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.soak
def test_deletion_expiry_and_rotation_come_in_their_time(ahead: Installation, tmp_path: Path) -> None:
    kms = ahead.client()
    doomed = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/doomed", TargetKeyId=doomed["KeyId"])
    kms.rotate_key_on_demand(KeyId=doomed["KeyId"])
    waiting, saved, turning = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3))
    kms.enable_key_rotation(KeyId=turning, RotationPeriodInDays=90)
    old = kms.encrypt(KeyId=turning, Plaintext=b"old")["CiphertextBlob"]
    lost = kms.encrypt(KeyId=doomed["KeyId"], Plaintext=b"lost")["CiphertextBlob"]
    ending = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    secret = os.urandom(32)
    ends = datetime.now(UTC) + timedelta(days=5)
    bring(kms, tmp_path, ending, secret, "RSAES_OAEP_SHA_256", ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=ends)
    asked = {"KeyId": ending, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    given = kms.get_parameters_for_import(**asked)
    materials = [each["KeyMaterialId"] for each in kms.list_key_rotations(KeyId=doomed["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]]  # fmt: skip
    for key in (doomed["KeyId"], saved):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.schedule_key_deletion(KeyId=waiting, PendingWindowInDays=9)
    kms.cancel_key_deletion(KeyId=saved)
    forked().shims(ahead.data.parent / ".venv" / "bin")
    now, _, later = HOWTO.read_text().partition(LATER)
    assert stumbled(list(typed(now)), ahead.data.parent) == []
    before = dump(ahead)
    assert len(materials) == 2
    assert all(material in before for material in materials)

    ahead.at(days=8)
    kms = ahead.client()
    eventually(lambda: kms.describe_key(KeyId=ending)["KeyMetadata"]["KeyState"] == "PendingImport")
    blob = wrapped(tmp_path, given["PublicKey"], "RSAES_OAEP_SHA_256", secret)
    again = {"KeyId": ending, "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": blob}
    with pytest.raises(ClientError) as late:
        kms.import_key_material(**again, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert code(late) == "ExpiredImportTokenException"
    bring(kms, tmp_path, ending, secret, "RSAES_OAEP_SHA_256")
    assert kms.describe_key(KeyId=ending)["KeyMetadata"]["KeyState"] == "Enabled"

    eventually(lambda: _refusal(kms, KeyId=doomed["KeyId"]) == "NotFoundException")
    assert _refusal(kms, KeyId="alias/doomed") == "NotFoundException"
    with pytest.raises(ClientError) as gone:
        kms.decrypt(CiphertextBlob=lost)
    assert code(gone) == "AccessDeniedException"
    assert kms.describe_key(KeyId=saved)["KeyMetadata"]["KeyState"] == "Disabled"
    assert kms.describe_key(KeyId=waiting)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    vault = eventually(lambda: _without(dump(ahead), "vault.materials", materials))
    assert turning in vault, "the dump has the vault, and what is left in it"
    ahead.caught_up()
    history = ahead.answers("history", doomed["KeyId"])
    assert [each["operation"] for each in history][-2:] == ["ScheduleKeyDeletion", "DeleteKey"]
    assert history[-1]["principal"] == "keytrail"
    assert next(each for each in ahead.answers("keys") if each["key_id"] == doomed["KeyId"])["state"] == "Deleted"

    ahead.at(days=91)
    kms = ahead.client()
    rotations = eventually(lambda: kms.list_key_rotations(KeyId=turning)["Rotations"])
    assert [each["RotationType"] for each in rotations] == ["AUTOMATIC"]
    status = kms.get_key_rotation_status(KeyId=turning)
    assert timedelta(days=178) < status["NextRotationDate"] - datetime.now(UTC) < timedelta(days=181)
    first = kms.decrypt(CiphertextBlob=old)
    new = kms.encrypt(KeyId=turning, Plaintext=b"new")["CiphertextBlob"]
    second = kms.decrypt(CiphertextBlob=new)
    assert (first["Plaintext"], second["Plaintext"]) == (b"old", b"new")
    assert second["KeyMaterialId"] == rotations[0]["KeyMaterialId"] != first["KeyMaterialId"]
    ahead.caught_up()
    decided = ahead.answers("decisions", "--key", turning, "--operation", "Decrypt")
    assert [each["materials"] for each in decided] == [[first["KeyMaterialId"]], [second["KeyMaterialId"]]]
    assert stumbled(list(typed(later)), ahead.data.parent, goes_on=True) == []


@pytest.mark.soak
def test_imported_material_ends_on_time_also_while_no_writer_leads(tmp_path: Path) -> None:
    """Gained: for as long as the writers were down, or clocks differed, material was used that its owner had given an end."""
    with Installation(tmp_path / "data") as running:
        kms = running.client()
        key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/ending", TargetKeyId=key)
        ends = datetime.now(UTC) + timedelta(seconds=15)
        bring(
            kms,
            tmp_path,
            key,
            os.urandom(32),
            "RSAES_OAEP_SHA_256",
            ExpirationModel="KEY_MATERIAL_EXPIRES",
            ValidTo=ends,
        )
        sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        writer = running.process("writer-1")
        pause(writer)
        assert eventually(lambda: _state(kms, key) == "PendingImport")
        for use, asked in (
            (kms.encrypt, {"KeyId": key, "Plaintext": b"x"}),
            (kms.decrypt, {"CiphertextBlob": sealed}),
            (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        ):
            with pytest.raises(ClientError) as fault:
                use(**asked)
            assert code(fault) == "KMSInvalidStateException"
        described = kms.describe_key(KeyId=key)["KeyMetadata"]
        assert (described["Enabled"], "ValidTo" in described) == (False, False)
        (shown,) = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        assert (shown["ImportState"], "ValidTo" in shown) == ("PENDING_IMPORT", False)
        recorded, ended = f"@{running.answers('show', key)[0]['position']}", (ends + timedelta(seconds=1)).isoformat()
        moments = ((), ("--at", ended), ("--at", (ends - timedelta(seconds=1)).isoformat()), ("--at", recorded))
        then = [running.answers("show", key, *at)[0]["key"]["state"] for at in moments]
        assert then == ["PendingImport", "PendingImport", "Enabled", "Enabled"]
        # `keytrail keys` and the console's list said Enabled until the end was on record.
        for filters in ((), ("--state", "PendingImport"), ("--state", "PendingImport", "--alias", "ending")):
            assert [each["state"] for each in running.answers("keys", *filters)] == ["PendingImport"], filters
        assert running.answers("keys", "--state", "Enabled") == []
        assert Client(running.data).get(f"/v1/keys/{key}")["state"] == "PendingImport"
        writer.resume()


def _state(kms: Any, key: str) -> str:
    return str(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])


def _refusal(kms: Any, **asked: str) -> str:
    try:
        kms.describe_key(**asked)
    except ClientError as fault:
        return str(fault.response["Error"]["Code"])
    return ""


def _without(text: str, table: str, names: list[str]) -> str:
    """The rows of a table in a dump, once none of these names is in them; "" until then."""
    _, _, rest = text.partition(f"COPY {table} ")
    rows = rest.partition("\n\\.\n")[0]
    return "" if any(name in rows for name in names) else rows


def test_a_test_clock_is_for_a_folder_of_its_own(tmp_path: Path) -> None:
    def up(data: Path, *options: str, **extra: str) -> str:
        command = [str(KEYTRAIL), "up", "--data", str(data), "--port", "1", *options]
        done = forked().run(command, clean_environment() | extra, timeout=60)
        assert done.returncode != 0
        return " ".join(done.stderr.split())

    made = tmp_path / "real"
    (made / "run").mkdir(parents=True)
    (made / "run" / "clock").write_text("real")
    assert "--test-clock is for a folder of its own" in up(made, "--test-clock")
    (made / "run" / "clock").write_text("test")
    assert "was made with --test-clock" in up(made)
    old = tmp_path / "old"
    old.mkdir()
    (old / "credentials.json").write_text("{}")
    assert "--test-clock is for a folder of its own" in up(old, "--test-clock")
    assert "KEYTRAIL_CLOCK_OFFSET works only with" in up(tmp_path / "new", KEYTRAIL_CLOCK_OFFSET="5")
    assert "bundled servers alone" in up(tmp_path / "new", "--test-clock", KEYTRAIL_KAFKA="x:1")

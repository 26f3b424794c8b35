"""Backup and restore, a new master key, and a wrong master key: nothing is lost and nothing is opened."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from projections.registry import PROJECTIONS
from services.adapters.master_key import FileMasterKey, MasterKeyRefused
from services.adapters.postgres import connect
from services.backup.checking import check
from services.runtime.bootstrap import open_vault
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, eventually

SPECS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ("RSA_2048", "ENCRYPT_DECRYPT"),
    ("ECC_NIST_P256", "SIGN_VERIFY"),
    ("HMAC_256", "GENERATE_VERIFY_MAC"),
    ("ML_DSA_65", "SIGN_VERIFY"),
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("kept") / "data") as running:
        yield running


class Calling:
    """One client's calls, one after another, for as long as the block lasts. `failures` has those that failed."""

    def __init__(self, kms: Any) -> None:
        self._kms = kms
        self._stop = threading.Event()
        self.done = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                key = self._kms.create_key()["KeyMetadata"]["KeyId"]
                sealed = self._kms.encrypt(KeyId=key, Plaintext=b"meanwhile")["CiphertextBlob"]
                assert self._kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"meanwhile"
                self.done += 1
            except Exception as fault:  # noqa: BLE001  # the test looks at what came
                self.failures.append(repr(fault))

    def __enter__(self) -> Calling:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()


def uses(kms: Any) -> dict[str, Any]:
    """A key of each kind, and how to see later that it is the same key."""
    found: dict[str, Any] = {}
    for spec, usage in SPECS:
        key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        if usage == "ENCRYPT_DECRYPT":
            algorithm = "SYMMETRIC_DEFAULT" if spec == "SYMMETRIC_DEFAULT" else "RSAES_OAEP_SHA_256"
            found[key] = (
                algorithm,
                kms.encrypt(KeyId=key, Plaintext=b"kept", EncryptionAlgorithm=algorithm)["CiphertextBlob"],
            )
        elif usage == "SIGN_VERIFY":
            found[key] = ("sign", kms.get_public_key(KeyId=key)["PublicKey"], spec)
        else:
            found[key] = ("mac", kms.generate_mac(KeyId=key, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"])
    return found


def require_uses(kms: Any, found: dict[str, Any]) -> None:
    for key, (how, *what) in found.items():
        if how == "sign":
            algorithm = "ECDSA_SHA_256" if what[1].startswith("ECC") else "ML_DSA_SHAKE_256"
            asked = {"KeyId": key, "Message": b"m", "SigningAlgorithm": algorithm}
            kms.verify(**asked, Signature=kms.sign(**asked)["Signature"])
            assert kms.get_public_key(KeyId=key)["PublicKey"] == what[0]
        elif how == "mac":
            kms.verify_mac(KeyId=key, Message=b"m", MacAlgorithm="HMAC_SHA_256", Mac=what[0])
        else:
            opened = kms.decrypt(KeyId=key, CiphertextBlob=what[0], EncryptionAlgorithm=how)
            assert opened["Plaintext"] == b"kept"


async def rows(installation: Installation, upto: int | None = None) -> dict[str, list[str]]:
    """Every row of every projection; of decisions, those of `events` up to a position."""
    pool = await connect(installation.settings)
    found = {}
    for name, projection in PROJECTIONS.items():
        # An alert has no position: all of them are raised again by then.
        where = "" if upto is None or name == "alerts" else f" WHERE position <= {upto}"
        question = f"SELECT t::text AS row FROM (SELECT * FROM {projection.schema}.{name}{where}) t"
        found[name] = sorted(row["row"] for row in await pool.fetch(question))
    await pool.close()
    return found


def exported(installation: Installation, path: Path) -> list[str]:
    installation.keytrail("export-log", str(path))
    return path.read_text().splitlines()


def test_a_backup_taken_while_calls_go_on_comes_back_whole(kept: Installation, tmp_path: Path) -> None:
    kms = kept.client()
    found = uses(kms)
    kms.create_alias(AliasName="alias/kept", TargetKeyId=next(iter(found)))
    token = kms.create_grant(KeyId=next(iter(found)), GranteePrincipal="arn:aws:iam::111122223333:root", Operations=["Decrypt"])["GrantToken"]  # fmt: skip
    file = tmp_path / "kept.backup"
    with Calling(kept.client()) as calling:
        eventually(lambda: calling.done > 5)
        counts = json.loads(kept.keytrail("backup", str(file), "--json").stdout)
    assert calling.failures == []
    assert file.stat().st_mode & 0o077 == 0
    assert counts["events"] > 10 < counts["decisions"]
    assert "exists already" in kept.keytrail("backup", str(file), check=False).stderr
    kept.caught_up()
    before, values = asyncio.run(rows(kept, counts["events"] - 1)), exported(kept, tmp_path / "before")
    secret = asyncio.run(_some_secret(kept, next(iter(found))))
    assert secret not in file.read_bytes()

    restored = Installation(tmp_path / "restored", own="a restore starts them")
    (tmp_path / "restored").mkdir()
    told = restored.keytrail("restore", str(file), check=False)
    assert "no master key" in told.stderr
    shutil.copy(kept.data / "master.key", tmp_path / "restored" / "master.key")
    assert json.loads(restored.keytrail("restore", str(file), "--json").stdout) == counts
    assert "is not empty" in restored.keytrail("restore", str(file), check=False).stderr
    with restored:
        assert restored.credentials()["AWS_ACCESS_KEY_ID"] == kept.credentials()["AWS_ACCESS_KEY_ID"]
        restored.caught_up()
        assert asyncio.run(rows(restored, counts["events"] - 1)) == before
        assert exported(restored, tmp_path / "after")[: counts["events"]] == values[: counts["events"]]
        again = restored.client()
        require_uses(again, found)
        for key in again.get_paginator("list_keys").paginate().build_full_result()["Keys"]:
            if again.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeySpec"] == "SYMMETRIC_DEFAULT":
                sealed = again.encrypt(KeyId=key["KeyId"], Plaintext=b"y")["CiphertextBlob"]
                assert again.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"y"
        again.retire_grant(GrantToken=token)  # tokens from before the backup are still good
        again.create_key()  # and the writer goes on
        assert restored.keytrail("verify").returncode == 0
        released = [json.loads(restored.keytrail("release-due", "--yes", "--json").stdout) for _ in range(2)]
        assert released == [{"released": []}, {"released": None}], "the restore held what is due"


async def _some_secret(installation: Installation, key: str) -> bytes:
    pool = await connect(installation.settings)
    material = await pool.fetchval("SELECT material FROM vault.materials WHERE key = $1", key)
    secret = await open_vault(installation.settings, pool).material(key, material)
    await pool.close()
    return secret


def test_a_backup_that_is_damaged_or_not_whole_is_refused(kept: Installation, tmp_path: Path) -> None:
    file = tmp_path / "whole"
    kept.keytrail("backup", str(file))
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for name, content, says in (
        ("cut", whole[:-10], "damaged or missing"),
        ("shorter", whole[: len(whole) // 2], ""),
        ("flipped", bytes(flipped), "damaged"),
        ("longer", whole + b"x", "goes on after its end"),
        ("other", b"something else", "no backup of Keytrail's"),
        ("empty", b"", "no backup of Keytrail's"),
    ):
        (tmp_path / name).write_bytes(content)
        folder = tmp_path / f"data-{name}"
        folder.mkdir()
        shutil.copy(kept.data / "master.key", folder / "master.key")
        done = Installation(folder, own="none may start").keytrail("restore", str(tmp_path / name), check=False)
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert [each.name for each in folder.iterdir()] == ["master.key"], "nothing was begun"


def test_the_master_key_is_rotated_while_calls_go_on_and_the_rotation_is_killed_and_no_other_is_taken(
    kept: Installation, tmp_path: Path
) -> None:
    kms = kept.client()
    found = uses(kms)
    before = (kept.data / "master.key").read_text()
    token = kms.create_grant(KeyId=next(iter(found)), GranteePrincipal="arn:aws:iam::111122223333:root", Operations=["Decrypt"])["GrantToken"]  # fmt: skip
    asyncio.run(_many_rows(kept, 3000))
    with Calling(kept.client()) as calling:
        rotating = subprocess.Popen(
            [str(KEYTRAIL), "master-key", "rotate", "--data", str(kept.data)],
            env=kept.environment(),
            stderr=subprocess.DEVNULL,
        )
        names = eventually(lambda: _begun(kept))
        rotating.kill()
        rotating.wait()
        left = asyncio.run(_under(kept))
        assert set(left) == set(names), "it was killed in the middle"
        eventually(lambda: calling.done > 3)
        done = json.loads(kept.keytrail("master-key", "rotate", "--json").stdout)
        done_by_then = calling.done
        eventually(lambda: calling.done > done_by_then + 3)
    assert calling.failures == []
    assert asyncio.run(_under(kept)) == {done["master_key"]: sum(left.values()) + _more(kept, left)}
    after = (kept.data / "master.key").read_text()
    assert after != before
    assert len(after.split()) == 1
    assert before.strip() in Path(done["retired"]).read_text()
    kept.stop()
    _require_refusals(kept, tmp_path / "master.key")
    kept.start()
    require_uses(kept.client(), found)
    kept.client().retire_grant(GrantToken=token)  # tokens outlive the master key


def _more(installation: Installation, left: dict[str, int]) -> int:
    return sum(asyncio.run(_under(installation)).values()) - sum(left.values())


async def _many_rows(installation: Installation, count: int) -> None:
    """Unreferenced material, which is younger than an hour, so that the sweep leaves it."""
    pool = await connect(installation.settings)
    vault = open_vault(installation.settings, pool)
    await asyncio.gather(*(vault.put_material("many", os.urandom(16).hex(), os.urandom(32)) for _ in range(count)))
    await pool.close()


async def _under(installation: Installation) -> dict[str, int]:
    pool = await connect(installation.settings)
    question = """
    SELECT under, count(*) FROM (SELECT under FROM vault.materials UNION ALL SELECT under FROM vault.secrets) rows
    GROUP BY under
    """
    found = {row["under"]: row["count"] for row in await pool.fetch(question)}
    await pool.close()
    return found


def _begun(installation: Installation) -> list[str]:
    names = FileMasterKey(installation.data / "master.key").names()
    return names if len(names) == 2 and len(asyncio.run(_under(installation))) == 2 else []


def _require_refusals(kept: Installation, put_away: Path) -> None:
    """A wrong or missing master key is a clear refusal to start."""
    path = kept.data / "master.key"
    path.rename(put_away)

    def says() -> str:
        began = time.monotonic()
        done = forked().run(kept.command(), kept.environment(), timeout=120)
        assert done.returncode == 1
        assert time.monotonic() - began < 60
        assert "Traceback" not in done.stderr
        return " ".join(done.stderr.split())

    try:
        assert "There is no master key" in says()
        path.write_text("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n")
        path.chmod(0o600)
        assert "not the key that sealed it" in says()
    finally:
        path.unlink(missing_ok=True)
        put_away.rename(path)


async def _destroyed(installation: Installation) -> bytes:
    """The sealed bytes of a destroyed material, which stay in the table's file after its row was removed."""
    pool = await connect(installation.settings)
    vault = open_vault(installation.settings, pool)
    await vault.put_material("gone", "ab" * 32, b"the secret that was deleted")
    sealed = await pool.fetchval("SELECT sealed FROM vault.materials WHERE material = $1", "ab" * 32)
    assert await vault.destroy(["ab" * 32]) == 1
    await pool.close()
    return bytes(sealed)


def _opens(installation: Installation, sealed: bytes) -> bool:
    master = FileMasterKey(installation.data / "master.key")
    bound = f"material\0gone\0{'ab' * 32}".encode()
    for name in master.names():
        with suppress(MasterKeyRefused):
            return master.open(name, sealed, bound) == b"the secret that was deleted"
    return False


def test_destroyed_material_opens_with_no_remaining_key(kept: Installation, tmp_path: Path) -> None:
    """One command completes the destruction: there is another master key, and the old one is gone."""
    sealed = asyncio.run(_destroyed(kept))
    assert _opens(kept, sealed), "the row is gone, and its bytes in the heap file open with the master key still"
    found, old = uses(kept.client()), FileMasterKey(kept.data / "master.key").newest()
    earlier, new = tmp_path / "earlier.backup", tmp_path / "new.backup"
    kept.keytrail("backup", str(earlier))
    for wrong in ([], ["--backup", str(earlier)], ["--backup", str(new), "--no-backup"]):
        refused = kept.keytrail("master-key", "rotate", "--destroy-old", "--yes", *wrong, check=False)
        assert refused.returncode == 2, "a backup under the new key comes first, or is said to be unwanted"
    assert FileMasterKey(kept.data / "master.key").names() == [old]
    command = ["master-key", "rotate", "--destroy-old", "--backup", str(new), "--yes", "--json"]
    done = json.loads(kept.keytrail(*command).stdout)
    assert old in done["destroyed"]
    assert not Path(done["retired"]).exists()
    master = FileMasterKey(kept.data / "master.key")
    assert master.names() == [done["master_key"]] != [old]
    assert not _opens(kept, sealed)
    assert check(new, master)["kind"] == "end"
    with pytest.raises(MasterKeyRefused):
        check(earlier, master)
    kept.stop()
    kept.start()
    require_uses(kept.client(), found)

"""A backup that the version before took is restored by this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.upgrade.before import VersionBefore
from tests.upgrade.mixed import MixedInstallation


@pytest.mark.soak
def test_a_backup_of_the_version_before_is_restored(tmp_path: Path, before: VersionBefore) -> None:
    data = tmp_path / "restored"
    data.mkdir()
    with MixedInstallation(tmp_path / "mixed", before, ["api-1", "writer-1"]) as installation:
        again = Installation(
            data,
            KEYTRAIL_ROOT_ACCESS_KEY_ID=installation.root[0],
            KEYTRAIL_ROOT_SECRET_ACCESS_KEY=installation.root[1],
        )
        root = {"AWS_ACCESS_KEY_ID": installation.root[0], "AWS_SECRET_ACCESS_KEY": installation.root[1]}
        again.url, url = installation.urls[0], again.url
        kms, iam = again.client(root), again.client(root, service="iam")
        again.url = url
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
        iam.create_user(UserName="kept")
        made = iam.create_access_key(UserName="kept")["AccessKey"]
        done = installation.keytrail("backup", str(tmp_path / "kept.backup"), of=before)
        assert done.returncode == 0, done.stderr
        shutil.copy(tmp_path / "mixed" / "master.key", data / "master.key")
    done = again.keytrail("restore", str(tmp_path / "kept.backup"))
    assert "lacks" not in done.stderr
    with again:
        assert again.client(root).decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
        user = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        assert again.client(user, service="sts").get_caller_identity()["Arn"].endswith(":user/kept")
        again.caught_up()
        assert again.verified()["whole"]

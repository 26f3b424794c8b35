"""The secrets that settings name, and those that the vault has already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from services.runtime.bootstrap import open_vault, prepare
from services.settings import BadSetting, Settings
from tests.installation import Installation

SERVICE = """
["backup{number}.amazonaws.com"]
account = "{number}"
alias = "backup{number}"
access_key_id = "AKIABACKUP{number}"
secret_access_key = "{secret}"
"""


def of_a_process(installation: Installation) -> Settings:
    root = installation.credentials()
    return replace(
        installation.settings,
        root_access_key_id=root["AWS_ACCESS_KEY_ID"],
        root_secret_access_key=root["AWS_SECRET_ACCESS_KEY"],
    )


def with_service(settings: Settings, folder: Path, number: str, secret: str) -> Settings:
    file = folder / "services.toml"
    file.touch(0o600)
    file.write_text(SERVICE.format(number=number, secret=secret))
    return replace(settings, services_file=str(file))


async def test_a_start_brings_no_former_secret_of_a_service_back(installation: Installation, tmp_path: Path) -> None:
    """A leaked one was replaced on one machine; the next restart of another made it valid again, for everybody."""
    number = f"{uuid4().int % 10**12:012}"
    access_key = f"AKIABACKUP{number}"
    settings = of_a_process(installation)
    async with installation.connected() as pool:
        vault = open_vault(settings, pool)
        await prepare(with_service(settings, tmp_path, number, "the-first-of-its-secrets"), pool)
        for _ in range(2):
            await prepare(with_service(settings, tmp_path, number, "the-first-of-its-secrets"), pool)
        with pytest.raises(
            BadSetting, match=rf"\[backup\d+.amazonaws.com\] has another secret of {access_key}"
        ) as said:
            await prepare(with_service(settings, tmp_path, number, "another-of-its-secrets"), pool)
        assert "another-of-its-secrets" not in str(said.value)
        assert await vault.secret(access_key) == "the-first-of-its-secrets"


async def test_nor_one_of_the_root_user_or_of_anybody_else(installation: Installation) -> None:
    """The access key of a user of IAM, too, was given the secret of the setting."""
    iam = installation.client(service="iam")
    name = f"u{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    settings = of_a_process(installation)
    kept = {
        settings.root_access_key_id: settings.root_secret_access_key,
        made["AccessKeyId"]: made["SecretAccessKey"],
    }
    async with installation.connected() as pool:
        vault = open_vault(settings, pool)
        for access_key, secret in kept.items():
            wrong = replace(settings, root_access_key_id=access_key, root_secret_access_key="of-an-old-file")
            with pytest.raises(BadSetting, match=f"KEYTRAIL_ROOT_SECRET_ACCESS_KEY has another secret of {access_key}"):
                await prepare(wrong, pool)
            assert await vault.secret(access_key) == secret

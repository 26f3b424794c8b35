"""The transparency log's key is a key of KMS: here of another installation, which has the same API."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.transparency.checkpoints import Checkpoint, checkpoint_by_one_of
from domain.transparency.merkle import EMPTY_ROOT
from services.adapters.keyring import open_keyring
from services.adapters.kms_signer import KmsKey
from services.notary.recorded_rotations import RecordedRotations
from services.notary.tree_keys import TreeKeys
from services.runtime.bootstrap import open_vault
from tests.e2e.test_notary import calls, fetched, head, is_there, notarised_all
from tests.e2e.test_tree_keys import rotated, served_keys, signs
from tests.installation import Installation, eventually
from tests.pausing import paused

ED25519 = {"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation that has the key."""
    with Installation(tmp_path_factory.mktemp("elsewhere") / ".keytrail") as running:
        yield running


def made(running: Installation, **more: str) -> str:
    """The ARN of a new key."""
    return str(running.client().create_key(**(ED25519 | more))["KeyMetadata"]["Arn"])


def named(elsewhere: Installation, arn: str) -> dict[str, str]:
    return {
        "KEYTRAIL_TREE_KEY": arn,
        "KEYTRAIL_TREE_KEY_ENDPOINT": elsewhere.url,
        "KEYTRAIL_TREE_KEY_ACCESS_KEY_ID": elsewhere.credentials()["AWS_ACCESS_KEY_ID"],
        "KEYTRAIL_TREE_KEY_SECRET_ACCESS_KEY": elsewhere.credentials()["AWS_SECRET_ACCESS_KEY"],
    }


@pytest.fixture(scope="module")
def signed(elsewhere: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("signed") / ".keytrail"
    with Installation(folder, KEYTRAIL_NOTARIES="1", variables=named(elsewhere, made(elsewhere))) as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


def key_of(running: Installation) -> dict[str, Any]:
    """The newest."""
    found: dict[str, Any] = running.answers("log", "key")[0]
    return found


@pytest.mark.soak
def test_a_key_elsewhere_signs(signed: Installation, elsewhere: Installation) -> None:
    calls(signed, 30)
    notarised_all(signed)
    (key,) = served_keys(signed)
    assert signs(signed, key)
    arn = key_of(signed)["arn"]
    found = load_der_public_key(elsewhere.client().get_public_key(KeyId=arn)["PublicKey"])
    assert key.public == found.public_bytes_raw()  # type: ignore[union-attr]  # an Ed25519 key
    assert elsewhere.answers("decisions", "--key", arn, "--operation", "Sign")
    assert signed.verified()["tree"]["differences"] == []


@pytest.mark.soak
def test_while_the_key_is_away_calls_go_on_and_afterwards_the_log(
    signed: Installation, elsewhere: Installation
) -> None:
    """The other installation hangs, and later refuses."""
    api, log = elsewhere.process("api-1"), signed.data / "logs" / "notary-1.log"
    size = notarised_all(signed)[0].size
    with paused(api):
        began = time.monotonic()
        calls(signed, 20)
        assert time.monotonic() - began < 5.0
        eventually(lambda: "cannot be used" in log.read_text())
        assert head(signed).size == size
    eventually(lambda: head(signed).size > size)
    arn, kms = key_of(signed)["arn"], elsewhere.client()
    kms.disable_key(KeyId=arn)
    calls(signed, 3)
    eventually(lambda: "DisabledException" in log.read_text())
    size = head(signed).size
    kms.enable_key(KeyId=arn)
    eventually(lambda: head(signed).size > size)
    notarised_all(signed)


async def test_a_key_whose_installation_moved_is_asked_at_its_new_address(
    signed: Installation, elsewhere: Installation
) -> None:
    """The vault has the address that it had first."""
    moved = f"http://localhost:{elsewhere.port}"
    async with signed.connected() as pool:
        vault = open_vault(signed.settings, pool)
        rotations = RecordedRotations(signed.settings, pool, await open_keyring(vault))
        for address in (elsewhere.url, moved):
            keys = TreeKeys(replace(signed.settings, tree_key_endpoint=address), vault, rotations)
            await keys.read()
            held = keys.all[-1].held
            assert isinstance(held, KmsKey)
            assert held.endpoint == address
            note = await keys.signed(Checkpoint(keys.origin, 0, EMPTY_ROOT))
            assert checkpoint_by_one_of(note, keys.signing)[0].size == 0


@pytest.mark.soak
def test_keys_there_and_here_follow_each_other(signed: Installation, elsewhere: Installation) -> None:
    """Given a log that a key elsewhere signs, when it is rotated to one of the vault, then both sign; when the former one is
    disabled, then the log goes on without its signature, and has it again once it is enabled."""
    (old,) = served_keys(signed)
    before, signed.extra = signed.extra, signed.extra | {"KEYTRAIL_TREE_KEY": ""}
    try:
        assert rotated(signed)["new"]["arn"] is None
    finally:
        signed.extra = before
    eventually(lambda: len(served_keys(signed)) == 2)
    new, _ = served_keys(signed)
    eventually(lambda: signs(signed, new, old))
    arn, kms = signed.answers("log", "key")[1]["arn"], elsewhere.client()
    kms.disable_key(KeyId=arn)
    calls(signed, 3)
    eventually(lambda: signs(signed, new))
    notarised_all(signed)
    kms.enable_key(KeyId=arn)
    eventually(lambda: signs(signed, new, old), within=60.0)
    signed.extra = before | {"KEYTRAIL_TREE_KEY": made(elsewhere)}
    try:
        assert rotated(signed)["new"]["arn"] == signed.extra["KEYTRAIL_TREE_KEY"]
        eventually(lambda: len(served_keys(signed)) == 3)
        eventually(lambda: signs(signed, *served_keys(signed)))
        assert "signs already" in refused(signed)
    finally:
        signed.extra = before
    notarised_all(signed)


def refused(running: Installation) -> str:
    done: subprocess.CompletedProcess[str] = running.keytrail("log", "rotate-key", check=False)
    assert done.returncode in (1, 2), done.stdout  # 2: a setting that cannot be used
    return " ".join(done.stderr.split())


def test_keys_that_cannot_sign_are_refused(signed: Installation, elsewhere: Installation) -> None:
    """A key of the installation itself, one of another kind, one that is not there, and what is no key's ARN."""
    keys, before = fetched(signed, "key"), signed.extra
    for arn, why in (
        (made(signed), "is a key of this installation"),
        (made(elsewhere, KeySpec="ECC_NIST_P256"), "is a key of ECC_NIST_P256"),
        (made(elsewhere)[:-1] + "x", "NotFoundException"),
        (f"arn:aws:kms:us-east-1:{elsewhere.settings.account_id}:alias/mine", "takes the ARN of a key"),
    ):
        signed.extra = before | {"KEYTRAIL_TREE_KEY": arn}
        try:
            assert why in refused(signed)
        finally:
            signed.extra = before
    assert fetched(signed, "key") == keys

"""From account to key and alias, policies, encryption, signatures and refusals. History and decisions then agree."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.installation import Installation, eventually

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def policy(*sids: str, action: str = "kms:*") -> str:
    statements = [
        {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": action, "Resource": "*"} for sid in sids
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def code(fault: pytest.ExceptionInfo[ClientError]) -> str:
    return str(fault.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def kms(installation: Installation) -> Any:
    return installation.client()


def test_the_story_of_a_key_told_by_the_aws_command_line(installation: Installation, tmp_path: Path) -> None:
    def aws(*arguments: str) -> Any:
        text = installation.aws("kms", *arguments).stdout
        return json.loads(text) if text.strip() else None

    key = aws("create-key", "--description", "story", "--tags", "TagKey=team,TagValue=blue")["KeyMetadata"]["KeyId"]
    aws("create-alias", "--alias-name", "alias/story", "--target-key-id", key)
    for sids in (("one",), ("one", "two"), ("three",)):
        aws("put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", policy(*sids))
    locked = installation.aws(
        *("kms", "put-key-policy", "--key-id", key, "--policy-name", "default"),
        *("--policy", policy("lockout", action="kms:Encrypt")),
        check=False,
    )
    assert "MalformedPolicyDocumentException" in locked.stderr
    secret = tmp_path / "secret"
    secret.write_bytes(b"attack at dawn")
    sealed = aws("encrypt", "--key-id", "alias/story", "--plaintext", f"fileb://{secret}", "--encryption-context", "app=payroll")  # fmt: skip
    blob = tmp_path / "blob"
    import base64

    blob.write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws("decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "app=payroll")
    assert base64.b64decode(opened["Plaintext"]) == b"attack at dawn"
    refused = installation.aws("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", check=False)
    assert "InvalidCiphertextException" in refused.stderr
    aws("disable-key", "--key-id", key)
    disabled = installation.aws("kms", "encrypt", "--key-id", key, "--plaintext", f"fileb://{secret}", check=False)
    assert "DisabledException" in disabled.stderr

    # what Postgres says about it
    history = eventually(lambda: _all_of(installation.answers("history", key), 7))
    told = [(item["operation"], item["effect"], item["event_type"]) for item in history]
    assert told == [
        ("CreateKey", "allowed", "key.created.v3"),
        ("CreateAlias", "allowed", "alias.created.v1"),
        ("PutKeyPolicy", "allowed", "key.policy-replaced.v2"),
        ("PutKeyPolicy", "allowed", "key.policy-replaced.v2"),
        ("PutKeyPolicy", "allowed", "key.policy-replaced.v2"),
        ("PutKeyPolicy", "refused", None),
        ("DisableKey", "allowed", "key.disabled.v1"),
    ]
    assert {item["principal"] for item in history} == {ROOT}
    assert [item["position"] for item in history] == sorted(item["position"] for item in history)
    assert "aws-cli" in history[0]["agent"]
    assert history[-2]["error"] == "malformed-policy"

    installation.caught_up()  # decisions come on a topic of their own
    decisions = [item for item in installation.answers("decisions", "--key", key) if item["position"] is None]
    assert [(item["operation"], item["effect"]) for item in decisions] == [
        ("Encrypt", "allowed"),
        ("Decrypt", "allowed"),
        ("Decrypt", "refused"),
        ("Encrypt", "refused"),
    ]
    encrypted = decisions[0]
    assert (encrypted["policy_version"], encrypted["sid"], encrypted["statement"]) == ("4", "three", 0)
    assert encrypted["encryption_context"] == {"app": "payroll"}
    assert encrypted["source"] == "127.0.0.1"
    assert encrypted["seen"] > history[0]["position"]
    assert decisions[2]["error"] == "invalid-ciphertext"
    assert decisions[3]["error"] == "key-disabled"

    # every version stays, with author, time and position
    first = installation.answers("policy", key, "--version", "1")[0]
    assert json.loads(first["document"])["Id"] == "key-default-1"
    assert installation.answers("policy", key)[0]["version"] == 4
    at = installation.answers("policy", key, "--at", f"@{history[3]['position']}")[0]
    assert (at["version"], at["principal"]) == (3, ROOT)
    assert installation.answers("policy", key, "--at", history[2]["at"])[0]["version"] == 2
    listed = {item["key_id"]: item for item in installation.answers("keys")}
    assert (listed[key]["state"], listed[key]["policy_version"], listed[key]["tags"]) == (
        "Disabled",
        4,
        {"team": "blue"},
    )


def _all_of(items: list[Any], count: int) -> list[Any]:
    return items if len(items) >= count else []


def test_a_signature_is_verified_by_openssl_with_the_public_key(kms: Any, tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes(b"signed by Keytrail")
    options = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1")
    for spec, algorithm, digest, extra in (
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", "-sha256", ()),
        ("RSA_2048", "RSASSA_PSS_SHA_512", "-sha512", options),
        ("ECC_NIST_P384", "ECDSA_SHA_384", "-sha384", ()),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", "-sha256", ()),
    ):
        key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        signed = kms.sign(KeyId=key, Message=message.read_bytes(), SigningAlgorithm=algorithm)["Signature"]
        (tmp_path / "signature").write_bytes(signed)
        (tmp_path / "public.der").write_bytes(kms.get_public_key(KeyId=key)["PublicKey"])
        command = ["openssl", "dgst", digest, "-verify", "public.der", "-keyform", "DER", *extra]
        done = subprocess.run([*command, "-signature", "signature", "message"], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.stdout.strip() == "Verified OK", (spec, done.stderr)
        with pytest.raises(ClientError) as wrong:
            kms.verify(KeyId=key, Message=b"other", SigningAlgorithm=algorithm, Signature=signed)
        assert code(wrong) == "KMSInvalidSignatureException"


def test_asymmetric_encryption_by_openssl_is_decrypted_here(kms: Any, tmp_path: Path) -> None:
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    (tmp_path / "public.der").write_bytes(kms.get_public_key(KeyId=key)["PublicKey"])
    (tmp_path / "text").write_bytes(b"from outside")
    options = ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")
    command = ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "public.der", "-keyform", "DER", *options]
    sealed = subprocess.run([*command, "-in", "text"], cwd=tmp_path, capture_output=True, check=True).stdout
    opened = kms.decrypt(KeyId=key, CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert opened["Plaintext"] == b"from outside"
    with pytest.raises(ClientError) as unnamed:
        kms.decrypt(CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert code(unnamed) == "ValidationException"


def test_re_encryption_asks_both_keys_and_a_wrong_key_id_is_reported(kms: Any) -> None:
    """#ciphertext-names-its-key: a symmetric ciphertext names its key, whatever the request says."""
    one, two = (kms.create_key()["KeyMetadata"] for _ in range(2))
    sealed = kms.encrypt(KeyId=one["KeyId"], Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with pytest.raises(ClientError) as incorrect:
        kms.decrypt(KeyId=two["KeyId"], CiphertextBlob=sealed, EncryptionContext={"a": "b"})
    assert code(incorrect) == "IncorrectKeyException"
    moved = kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=two["Arn"], SourceEncryptionContext={"a": "b"})
    assert (moved["SourceKeyId"], moved["KeyId"]) == (one["Arn"], two["Arn"])
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == b"x"
    kms.disable_key(KeyId=one["KeyId"])
    with pytest.raises(ClientError) as disabled:
        kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=two["Arn"], SourceEncryptionContext={"a": "b"})
    assert code(disabled) == "DisabledException"


def test_data_keys_and_random_bytes(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"a": "b"})
    assert len(made["Plaintext"]) == 32
    assert (
        kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"]
        == made["Plaintext"]
    )
    hidden = kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=7)
    assert "Plaintext" not in hidden
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 7
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
    for wrong in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 5}):
        with pytest.raises(ClientError) as fault:
            kms.generate_data_key(KeyId=key, **wrong)
        assert code(fault) == "ValidationException"
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError) as usage:
        kms.generate_data_key(KeyId=signing, KeySpec="AES_256")
    assert code(usage) == "InvalidKeyUsageException"


def test_dry_run_does_nothing_and_says_so(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError) as dry:
        kms.encrypt(KeyId=key, Plaintext=b"x", DryRun=True)
    assert code(dry) == "DryRunOperationException"
    for wanted, parameters in {
        "DryRunOperationException": {"KeyId": key, "DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]},
        "InvalidCiphertextException": {"CiphertextBlob": b"x" * 100, "DryRun": True},
        "ValidationException": {"KeyId": key, "DryRun": True},
    }.items():
        with pytest.raises(ClientError) as fault:
            kms.decrypt(**parameters)
        assert code(fault) == wanted


def test_lists_go_page_by_page(kms: Any) -> None:
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    names = [f"alias/page-{number}" for number in range(5)]
    for name in names:
        kms.create_alias(AliasName=name, TargetKeyId=min(made))
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    listed = [item["KeyId"] for page in pages for item in page["Keys"]]
    assert made <= set(listed)
    assert len(listed) == len(set(listed))
    of_key = kms.get_paginator("list_aliases").paginate(KeyId=min(made), PaginationConfig={"PageSize": 2})
    assert [item["AliasName"] for page in of_key for item in page["Aliases"]] == names


def test_two_accounts_see_their_own_and_share_by_key_policy(installation: Installation, kms: Any) -> None:
    made = installation.answers("account", "create", "444455556666")[0]
    credentials = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    other = installation.client(credentials)
    shared = kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError) as before:
        other.encrypt(KeyId=shared, Plaintext=b"x")
    assert code(before) == "AccessDeniedException"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "owner", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
            {
                "Sid": "shared",
                "Effect": "Allow",
                "Principal": {"AWS": "444455556666"},
                "Action": "kms:*",
                "Resource": "*",
            },
        ],
    }
    kms.put_key_policy(KeyId=shared, PolicyName="default", Policy=json.dumps(document))
    sealed = other.encrypt(KeyId=shared, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    with pytest.raises(ClientError) as across:
        other.get_key_policy(KeyId=shared, PolicyName="default")
    assert code(across) == "AccessDeniedException"
    assert other.list_keys()["Keys"] == []
    with pytest.raises(ClientError) as own:
        other.describe_key(KeyId=shared.rpartition("/")[2])
    assert code(own) == "NotFoundException"
    again = installation.keytrail("account", "create", "444455556666", check=False)
    assert "exists already" in again.stderr
    named = eventually(
        lambda: [
            item
            for item in installation.answers("decisions", "--key", shared, "--operation", "Encrypt")
            if item["effect"] == "allowed"
        ]
    )
    assert (named[0]["principal"], named[0]["sid"]) == ("444455556666", "shared")


def test_the_aws_encryption_sdk_encrypts_and_decrypts_a_file(
    installation: Installation, kms: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aws_encryption_sdk
    from aws_encryption_sdk.identifiers import CommitmentPolicy
    from botocore.session import Session

    arn = kms.create_key()["KeyMetadata"]["Arn"]
    for name, value in installation.credentials().items():
        monkeypatch.setenv(name, value)
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=Session())
    plain = tmp_path / "plain"
    plain.write_bytes(b"a file of some length\n" * 10_000)
    sealed, _ = client.encrypt(source=plain.read_bytes(), key_provider=provider, encryption_context={"app": "files"})
    opened, header = client.decrypt(source=sealed, key_provider=provider)
    assert opened == plain.read_bytes()
    assert header.encryption_context["app"] == "files"


def test_a_retry_after_a_lost_answer_is_one_call(installation: Installation) -> None:
    """boto3 repeats CreateKey after a 5xx with the same amz-sdk-invocation-id and body."""
    from tests.wire_client import post, sign

    credentials = installation.credentials()
    headers = {"amz-sdk-invocation-id": "6f1a-once"}
    body = b'{"Description":"once"}'
    answers = [
        post(installation.url, sign(installation.url, credentials, body, operation="CreateKey", headers=headers), body)
        for _ in range(3)
    ]
    assert {status for status, _ in answers} == {200}
    assert len({json.dumps(document, sort_keys=True) for _, document in answers}) == 1


def test_the_log_is_whole_after_all_this(installation: Installation, tmp_path: Path) -> None:
    installation.caught_up()
    report = installation.verified()
    assert report["whole"], report
    exported = tmp_path / "log.jsonl"
    installation.keytrail("export-log", str(exported))
    from_file = installation.keytrail("verify", "--file", str(exported), "--expect", f"{report['position']}:{report['head']}")  # fmt: skip
    assert "whole" in from_file.stdout
    lines = exported.read_text().splitlines()
    exported.write_text("\n".join(lines[:3] + lines[4:]))
    broken = installation.keytrail("verify", "--file", str(exported), check=False)
    assert broken.returncode == 1
    assert "broken at position 4" in broken.stdout

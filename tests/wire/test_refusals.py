"""Codes and messages of refusals are AWS's to the letter, since Terraform, SDKs and people match on them."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.crypto.symmetric import VERSION
from tests.e2e.test_kinds import bring, imported
from tests.installation import Installation
from tests.wire_client import call

ALIAS = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)
INCORRECT = "The key ID in the request does not identify a CMK that can perform this operation."
ABSENT = "00000000-0000-4000-8000-000000000000"
MULTI_REGION = "mrk-0123456789abcdef0123456789abcdef"
OAEP = "RSAES_OAEP_SHA_1"
WRAPPING = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}


def blob(content: bytes) -> str:
    return b64encode(content).decode()


@pytest.fixture(scope="module")
def names(installation: Installation) -> dict[str, Any]:
    """One key of each kind, and a ciphertext under each that encrypts."""
    kms = installation.client(read_timeout=60)
    made: dict[str, Any] = {}
    for name, spec, usage in (
        ("aes", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("other", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("rsa", "RSA_2048", "ENCRYPT_DECRYPT"),
        ("signing", "RSA_2048", "SIGN_VERIFY"),
        ("ecc", "ECC_NIST_P256", "SIGN_VERIFY"),
        ("agreeing", "ECC_NIST_P256", "KEY_AGREEMENT"),
        ("edwards", "ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
        ("lattice", "ML_DSA_44", "SIGN_VERIFY"),
        ("hmac", "HMAC_224", "GENERATE_VERIFY_MAC"),
    ):
        made[name] = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    made["asleep"] = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=made["asleep"])
    made["sealed"] = blob(kms.encrypt(KeyId=made["aes"], Plaintext=b"x")["CiphertextBlob"])
    # One in 256 begins like Keytrail's own of a symmetric key. It then names no key that exists, which is another
    # refusal.
    tries = (
        kms.encrypt(KeyId=made["rsa"], Plaintext=b"x", EncryptionAlgorithm=OAEP)["CiphertextBlob"] for _ in range(50)
    )
    made["rsa-sealed"] = blob(next(each for each in tries if not each.startswith(VERSION)))
    made["account"] = made["aes"].split(":")[4]
    return made


def filled(value: Any, names: dict[str, Any]) -> Any:
    """`{name}` in a text stands for the name of a resource."""
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    return [filled(each, names) for each in value] if isinstance(value, list) else value


KEY = "arn:aws:kms:us-east-1:{account}:key/"
TEXT = {"Plaintext": "eA=="}
MESSAGE = {"Message": "eA=="}
SIGNATURE = {"Signature": "eA=="}

Row = tuple[str, dict[str, Any], str, str]
NOT_FOUND: list[Row] = [
    ("DescribeKey", {"KeyId": "foo"}, "NotFoundException", "Invalid keyId 'foo'"),
    ("DescribeKey", {"KeyId": KEY + "foo"}, "NotFoundException", "Invalid keyId foo"),
    ("DescribeKey", {"KeyId": ABSENT}, "NotFoundException", f"Key '{KEY}{ABSENT}' does not exist"),
    ("DescribeKey", {"KeyId": KEY + ABSENT}, "NotFoundException", f"Key '{KEY}{ABSENT}' does not exist"),
    ("DescribeKey", {"KeyId": MULTI_REGION}, "NotFoundException", f"Key '{KEY}{MULTI_REGION}' does not exist"),
    ("DescribeKey", {"KeyId": KEY + MULTI_REGION}, "NotFoundException", f"Key '{KEY}{MULTI_REGION}' does not exist"),
    ("EnableKey", {"KeyId": MULTI_REGION}, "NotFoundException", f"Key '{KEY}{MULTI_REGION}' does not exist"),
    ("EnableKey", {"KeyId": "foo"}, "NotFoundException", "Invalid keyId 'foo'"),
    ("ListGrants", {"KeyId": "foo"}, "NotFoundException", "Invalid keyId 'foo'"),
    ("ListAliases", {"KeyId": "foo"}, "NotFoundException", "Invalid keyId 'foo'"),
    ("CreateAlias", {"AliasName": "alias/x", "TargetKeyId": "foo"}, "NotFoundException", "Invalid keyId 'foo'"),
    ("Encrypt", {"KeyId": "foo", **TEXT}, "NotFoundException", "Invalid keyId 'foo'"),
    ("Decrypt", {"KeyId": "foo", "CiphertextBlob": "{sealed}"}, "NotFoundException", "Invalid keyId 'foo'"),
    (
        "ReEncrypt",
        {"DestinationKeyId": "foo", "CiphertextBlob": "{sealed}"},
        "NotFoundException",
        "Invalid keyId 'foo'",
    ),
]
ALIASES: list[Row] = [
    ("CreateAlias", {"AliasName": "abc", "TargetKeyId": "{aes}"}, "ValidationException", ALIAS),
    ("CreateAlias", {"AliasName": "Alias/abc", "TargetKeyId": "{aes}"}, "ValidationException", ALIAS),
    ("UpdateAlias", {"AliasName": "abc", "TargetKeyId": "{aes}"}, "ValidationException", ALIAS),
    ("DeleteAlias", {"AliasName": "abc"}, "ValidationException", ALIAS),
]


def incompatible(algorithm: str, spec: str) -> tuple[str, str]:
    return "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec}."


def usage(key: str, usage: str, operation: str) -> tuple[str, str]:
    return "InvalidKeyUsageException", f"{{{key}}} key usage is {usage} which is not valid for {operation}."


CONTEXT = {"EncryptionContext": {"a": "b"}}
NO_CONTEXT = "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
TOO_LONG = "Algorithm {} and key spec RSA_2048 cannot encrypt data larger than {} bytes."
NO_DATA_KEY = ("InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK")
DATA_KEY = {"KeyId": "{rsa}", "KeySpec": "AES_256"}
PAIR = {"KeyId": "{rsa}", "KeyPairSpec": "ECC_NIST_P256"}
ALGORITHMS: list[Row] = [
    ("Encrypt", {"KeyId": "{rsa}", **TEXT}, *incompatible("SYMMETRIC_DEFAULT", "RSA_2048")),
    ("Encrypt", {"KeyId": "{aes}", **TEXT, "EncryptionAlgorithm": OAEP}, *incompatible(OAEP, "SYMMETRIC_DEFAULT")),
    ("Encrypt", {"KeyId": "{rsa}", **TEXT, "EncryptionAlgorithm": "SM2PKE"}, *incompatible("SM2PKE", "RSA_2048")),
    ("Decrypt", {"KeyId": "{aes}", "CiphertextBlob": "{rsa-sealed}", "EncryptionAlgorithm": OAEP}, *incompatible(OAEP, "SYMMETRIC_DEFAULT")),
    ("ReEncrypt", {"DestinationKeyId": "{rsa}", "CiphertextBlob": "{sealed}"}, *incompatible("SYMMETRIC_DEFAULT", "RSA_2048")),
    ("Sign", {"KeyId": "{ecc}", **MESSAGE, "SigningAlgorithm": "ECDSA_SHA_384"}, *incompatible("ECDSA_SHA_384", "ECC_NIST_P256")),
    ("Sign", {"KeyId": "{signing}", **MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}, *incompatible("ECDSA_SHA_256", "RSA_2048")),
    ("Sign", {"KeyId": "{lattice}", **MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}, *incompatible("ECDSA_SHA_256", "ML_DSA_44")),
    ("Verify", {"KeyId": "{edwards}", **MESSAGE, **SIGNATURE, "SigningAlgorithm": "SM2DSA"}, *incompatible("SM2DSA", "ECC_NIST_EDWARDS25519")),
    ("GenerateMac", {"KeyId": "{hmac}", **MESSAGE, "MacAlgorithm": "HMAC_SHA_256"}, *incompatible("HMAC_SHA_256", "HMAC_224")),
    ("VerifyMac", {"KeyId": "{hmac}", **MESSAGE, "Mac": "eA==", "MacAlgorithm": "HMAC_SHA_512"}, *incompatible("HMAC_SHA_512", "HMAC_224")),
    ("Sign", {"KeyId": "{lattice}", **MESSAGE, "SigningAlgorithm": "ML_DSA_SHAKE_256", "MessageType": "DIGEST"}, "ValidationException", "Message type DIGEST is incompatible with key spec ML_DSA_44."),
    ("Encrypt", {"KeyId": "{rsa}", "Plaintext": blob(b"x" * 215), "EncryptionAlgorithm": OAEP}, "ValidationException", TOO_LONG.format(OAEP, 214)),
    ("Encrypt", {"KeyId": "{rsa}", "Plaintext": blob(b"x" * 191), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, "ValidationException", TOO_LONG.format("RSAES_OAEP_SHA_256", 190)),
    ("Encrypt", {"KeyId": "{rsa}", **TEXT, "EncryptionAlgorithm": OAEP, **CONTEXT}, "ValidationException", NO_CONTEXT),
    ("Decrypt", {"KeyId": "{rsa}", "CiphertextBlob": "{rsa-sealed}", "EncryptionAlgorithm": OAEP, **CONTEXT}, "ValidationException", NO_CONTEXT),
    ("ReEncrypt", {"SourceKeyId": "{rsa}", "CiphertextBlob": "{rsa-sealed}", "SourceEncryptionAlgorithm": OAEP, "SourceEncryptionContext": {"a": "b"}, "DestinationKeyId": "{aes}"}, "ValidationException", NO_CONTEXT),
    ("ReEncrypt", {"CiphertextBlob": "{sealed}", "DestinationKeyId": "{rsa}", "DestinationEncryptionAlgorithm": OAEP, "DestinationEncryptionContext": {"a": "b"}}, "ValidationException", NO_CONTEXT),
    ("Decrypt", {"CiphertextBlob": "{rsa-sealed}", "EncryptionAlgorithm": OAEP}, "ValidationException", "KeyId must not be null"),
    ("ReEncrypt", {"CiphertextBlob": "{rsa-sealed}", "SourceEncryptionAlgorithm": OAEP, "DestinationKeyId": "{aes}"}, "ValidationException", "SourceKeyId must not be null"),
    ("GenerateDataKey", DATA_KEY, *NO_DATA_KEY),
    ("GenerateDataKeyWithoutPlaintext", DATA_KEY, *NO_DATA_KEY),
    ("GenerateDataKeyPair", PAIR, *NO_DATA_KEY),
    ("GenerateDataKeyPairWithoutPlaintext", PAIR, *NO_DATA_KEY),
    ("GenerateDataKey", {"KeyId": "{hmac}", "KeySpec": "AES_256"}, *usage("hmac", "GENERATE_VERIFY_MAC", "GenerateDataKey")),
    ("GenerateDataKey", {"KeyId": "{ecc}", "KeySpec": "AES_256"}, *usage("ecc", "SIGN_VERIFY", "GenerateDataKey")),
    ("Encrypt", {"KeyId": "{hmac}", **TEXT}, *usage("hmac", "GENERATE_VERIFY_MAC", "Encrypt")),
    ("ReEncrypt", {"CiphertextBlob": "{sealed}", "DestinationKeyId": "{agreeing}"}, *usage("agreeing", "KEY_AGREEMENT", "ReEncrypt")),
]  # fmt: skip

TAGS = "TagException"
RESERVED = (TAGS, "Tags beginning with aws: are reserved")
MANY = [{"TagKey": str(number), "TagValue": ""} for number in range(51)]
ROTATION = ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand")


def tagged(*keys: str) -> dict[str, Any]:
    return {"Tags": [{"TagKey": key, "TagValue": ""} for key in keys]}


CHANGES: list[Row] = [
    *(("TagResource", {"KeyId": "{aes}", **tagged(key)}, *RESERVED) for key in ("aws:x", "AWS:key1", "aWs:", "Aws:a")),
    *(("CreateKey", tagged("a", key), *RESERVED) for key in ("aws:x", "AWS:x")),
    *(("UntagResource", {"KeyId": "{aes}", "TagKeys": ["a", key]}, *RESERVED) for key in ("aws:x", "AWS:x")),
    ("CreateKey", {"Tags": MANY}, TAGS, "Too many tags"),
    ("TagResource", {"KeyId": "{aes}", "Tags": MANY}, TAGS, "Too many tags"),
    ("CreateKey", {"Tags": MANY * 5}, TAGS, "Too many tags"),
    ("TagResource", {"KeyId": "{aes}", "Tags": MANY * 5}, TAGS, "Too many tags"),
    ("CreateKey", tagged("a", "b", "a"), TAGS, "Duplicate tag keys"),
    ("TagResource", {"KeyId": "{aes}", **tagged("a", "a")}, TAGS, "Duplicate tag keys"),
    (
        "CreateKey",
        {"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        "ValidationException",
        "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
    ),
    *((operation, {"KeyId": "{asleep}"}, "DisabledException", "{asleep} is disabled.") for operation in ROTATION),
]
PARTITIONS: list[Row] = [
    (operation, {"KeyId": "{aes}", **more}, "NotFoundException", "Invalid arn aws-cn")
    for operation, more in (
        ("DescribeKey", {}),
        ("Encrypt", TEXT),
        ("DisableKey", {}),
        ("GetKeyPolicy", {}),
        ("ListGrants", {}),
        ("Decrypt", {"CiphertextBlob": "{sealed}"}),
        ("ListAliases", {}),
        ("GetKeyRotationStatus", {}),
    )
]


@pytest.mark.parametrize(("operation", "parameters", "code", "message"), NOT_FOUND + ALIASES + ALGORITHMS + CHANGES)
def test_a_refusal_has_awss_code_and_sentence(
    installation: Installation,
    names: dict[str, Any],
    operation: str,
    parameters: dict[str, Any],
    code: str,
    message: str,
) -> None:
    status, answer = call(installation.url, installation.credentials(), operation, filled(parameters, names))
    assert (status, answer) == (400, {"__type": code, "message": filled(message, names)})


@pytest.mark.parametrize(("operation", "parameters", "code", "message"), PARTITIONS)
def test_a_key_of_another_partition_is_not_ours(
    installation: Installation,
    names: dict[str, Any],
    operation: str,
    parameters: dict[str, Any],
    code: str,
    message: str,
) -> None:
    abroad = names | {"aes": names["aes"].replace("arn:aws:", "arn:aws-cn:")}
    status, answer = call(installation.url, installation.credentials(), operation, filled(parameters, abroad))
    assert (status, answer) == (400, {"__type": code, "message": message})


def changed(text: str) -> str:
    """The ciphertext with another last byte."""
    sealed = b64decode(text)
    return blob(sealed[:-1] + bytes([sealed[-1] ^ 1]))


UNSAID: list[tuple[str, dict[str, Any], str]] = [
    ("Decrypt", {"CiphertextBlob": "eA=="}, "InvalidCiphertextException"),
    ("Decrypt", {"CiphertextBlob": "{changed}"}, "InvalidCiphertextException"),
    ("Decrypt", {"CiphertextBlob": "{sealed}", **CONTEXT}, "InvalidCiphertextException"),
    ("Decrypt", {"CiphertextBlob": "{rsa-sealed}"}, "InvalidCiphertextException"),
    ("Decrypt", {"CiphertextBlob": "{rsa-sealed}", "KeyId": "{rsa}"}, "InvalidCiphertextException"),
    (
        "Decrypt",
        {"CiphertextBlob": "eA==", "KeyId": "{rsa}", "EncryptionAlgorithm": OAEP},
        "InvalidCiphertextException",
    ),
    ("ReEncrypt", {"CiphertextBlob": "{changed}", "DestinationKeyId": "{aes}"}, "InvalidCiphertextException"),
    ("ReEncrypt", {"CiphertextBlob": "{rsa-sealed}", "DestinationKeyId": "{aes}"}, "InvalidCiphertextException"),
    (
        "Verify",
        {"KeyId": "{ecc}", **MESSAGE, **SIGNATURE, "SigningAlgorithm": "ECDSA_SHA_256"},
        "KMSInvalidSignatureException",
    ),
    (
        "VerifyMac",
        {"KeyId": "{hmac}", **MESSAGE, "Mac": "eA==", "MacAlgorithm": "HMAC_SHA_224"},
        "KMSInvalidMacException",
    ),
]


@pytest.mark.parametrize(("operation", "parameters", "code"), UNSAID)
def test_a_ciphertext_signature_or_mac_that_does_not_fit_is_refused_without_a_message(
    installation: Installation, names: dict[str, Any], operation: str, parameters: dict[str, Any], code: str
) -> None:
    """Neither answer nor record gives the cause: padding, tag, material and encryption context are one reason."""
    given = filled(parameters, names | {"changed": changed(names["sealed"])})
    status, answer = call(installation.url, installation.credentials(), operation, given)
    assert (status, answer) == (400, {"__type": code})


def test_a_key_that_is_never_rotated_automatically_says_so(installation: Installation, names: dict[str, Any]) -> None:
    """API reference, GetKeyRotationStatus; developer guide, symm-asymm-compare: "KeyRotationEnabled will always be false"."""
    kms = installation.client()
    for name in ("rsa", "signing", "ecc", "agreeing", "edwards", "lattice", "hmac", "asleep"):
        status = kms.get_key_rotation_status(KeyId=names[name])
        assert (status["KeyId"], status["KeyRotationEnabled"]) == (names[name], False)
        assert not {"RotationPeriodInDays", "NextRotationDate"} & set(status)


def test_refusals_of_imported_material(installation: Installation, tmp_path: Path) -> None:
    kms = installation.client(read_timeout=60)
    first, second, third = (os.urandom(32) for _ in range(3))
    held = imported(kms, tmp_path, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", first)
    key = held["Arn"]

    def refused(operation: str, **parameters: Any) -> tuple[str, str]:
        _, answer = call(installation.url, installation.credentials(), operation, {"KeyId": key, **parameters})
        return answer["__type"], answer["message"]

    assert refused("RotateKeyOnDemand") == (
        "KMSInvalidStateException",
        f"No available key material pending rotation for the key: {key}.",
    )
    waiting = bring(kms, tmp_path, key, second, "RSAES_OAEP_SHA_256", ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    with pytest.raises(kms.exceptions.KMSInvalidStateException) as pending:
        bring(kms, tmp_path, key, third, "RSAES_OAEP_SHA_256", ImportType="NEW_KEY_MATERIAL")
    said = pending.value.response["Error"]["Message"]
    new = said.removeprefix("New key material (id: ").partition(")")[0]
    assert (len(new), new == waiting) == (64, False)
    assert said == (
        f"New key material (id: {new}) cannot be imported into KMS key {key}, because another key material "
        f"(id: {waiting}) is pending rotation."
    )
    given = kms.get_parameters_for_import(KeyId=key, **WRAPPING)
    asked = {"ImportToken": blob(given["ImportToken"]), "EncryptedKeyMaterial": blob(b"x" * 256)}
    for model in ({}, {"ExpirationModel": "KEY_MATERIAL_EXPIRES"}):
        assert refused("ImportKeyMaterial", **asked, **model) == (
            "ValidationException",
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        )
    forever = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "ValidTo": datetime.now(UTC).timestamp() + 9}
    assert refused("ImportKeyMaterial", **asked, **forever)[0] == "ValidationException"
    # Imported material is never rotated automatically, and the status says so (API reference, GetKeyRotationStatus).
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False


def test_a_grantee_of_another_partition_is_no_principal(installation: Installation, names: dict[str, Any]) -> None:
    for member in ("GranteePrincipal", "RetiringPrincipal"):
        abroad = {"GranteePrincipal": "arn:aws:iam::{account}:root", member: "arn:aws-cn:iam::{account}:root"}
        asked = {"KeyId": "{aes}", "Operations": ["Decrypt"], **abroad}
        _, answer = call(installation.url, installation.credentials(), "CreateGrant", filled(asked, names))
        assert answer["__type"] == "InvalidArnException"
    listed = filled({"RetiringPrincipal": "arn:aws-cn:iam::{account}:root"}, names)
    _, answer = call(installation.url, installation.credentials(), "ListRetirableGrants", listed)
    assert answer["__type"] == "InvalidArnException"
    listed = filled({"KeyId": "{aes}", "GranteePrincipal": "arn:aws-cn:iam::{account}:root"}, names)
    _, answer = call(installation.url, installation.credentials(), "ListGrants", listed)
    assert answer["__type"] == "InvalidArnException"


def test_a_grants_constraints_on_the_encryption_context(installation: Installation) -> None:
    """API reference, GrantConstraints: names compare without case, values with case. No pairs at all. A stricter
    child."""
    kms, iam = installation.client(), installation.client(service="iam")
    name = f"constrained-{os.urandom(4).hex()}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    given = iam.create_access_key(UserName=name)["AccessKey"]
    who = {"AWS_ACCESS_KEY_ID": given["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"]}
    theirs = installation.client(who)
    key = kms.create_key()["KeyMetadata"]["Arn"]

    def encrypts(**context: str) -> bool:
        asked = {"KeyId": key, **TEXT, "EncryptionContext": context}
        status, answer = call(installation.url, who, "Encrypt", asked)
        assert (status, answer.get("__type")) in ((200, None), (400, "AccessDeniedException"))
        return status == 200

    asked = {"KeyId": key, "GranteePrincipal": arn, "Operations": ["Encrypt", "CreateGrant"]}
    subset = kms.create_grant(**asked, Constraints={"EncryptionContextSubset": {"App": "Pay"}})["GrantId"]
    assert [encrypts(app="Pay"), encrypts(APP="Pay", b="c"), encrypts(App="pay"), encrypts()] == [
        True,
        True,
        False,
        False,
    ]
    child = {"KeyId": key, "GranteePrincipal": arn, "Operations": ["Encrypt"]}
    stricter = theirs.create_grant(**child, Constraints={"EncryptionContextEquals": {"aPP": "Pay"}})["GrantId"]
    with pytest.raises(theirs.exceptions.ClientError, match="stricter"):
        theirs.create_grant(**child, Constraints={"EncryptionContextSubset": {"App": "pay"}})
    for grant in (stricter, subset):
        kms.revoke_grant(KeyId=key, GrantId=grant)
    none = kms.create_grant(**asked, Constraints={"EncryptionContextEquals": {}})["GrantId"]
    assert [encrypts(), encrypts(a="b")] == [True, False]
    (shown,) = kms.list_grants(KeyId=key)["Grants"]
    assert shown["Constraints"] == {"EncryptionContextEquals": {}}
    kms.revoke_grant(KeyId=key, GrantId=none)
    kms.create_grant(**asked, Constraints={"EncryptionContextSubset": {}})
    assert [encrypts(), encrypts(a="b")] == [True, True]
    (shown,) = kms.list_grants(KeyId=key)["Grants"]
    assert "Constraints" not in shown


def test_there_are_no_custom_key_stores(installation: Installation) -> None:
    """Tools that take stock of an account ask, and stopped at an unsupported operation."""
    assert installation.client().describe_custom_key_stores()["CustomKeyStores"] == []

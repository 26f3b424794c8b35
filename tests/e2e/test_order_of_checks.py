"""Which checks an operation on a key makes, and in which order. For Decrypt and ReEncrypt,
`services/operations/encryption.py` lists them.

Each row breaks two rules at once, and names the one that is reported.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from domain.crypto.uses import USES
from tests.e2e.test_authorisation import OTHER, House, credentials, document, fresh, may, second_account, to
from tests.installation import Installation
from tests.wire_client import call

OAEP = "RSAES_OAEP_SHA_256"
INCORRECT = "The key ID in the request does not identify a CMK that can perform this operation."
ABSENT = "00000000-0000-4000-8000-000000000000"
SHUT = ("shut", "shut-asleep", "shut-hmac")
"""Keys that the caller may not use."""


@pytest.fixture(scope="module")
def house(installation: Installation) -> House:
    return House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))


@pytest.fixture(scope="module")
def keys(house: House) -> dict[str, str]:
    made = {name: house.key() for name in ("open", "asleep", "target", "shut", "shut-asleep")}
    kinds = (("rsa", "RSA_2048", "ENCRYPT_DECRYPT"), ("ecc", "ECC_NIST_P256", "SIGN_VERIFY"))
    macs = ((name, "HMAC_256", "GENERATE_VERIFY_MAC") for name in ("hmac", "hmac-asleep", "shut-hmac"))
    for name, spec, usage in (*kinds, *macs):
        made[name] = house.kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    made["abroad"] = house.client(second_account(house)).create_key()["KeyMetadata"]["Arn"]
    assert OTHER in made["abroad"]
    return made | {"absent": ABSENT}


@pytest.fixture(scope="module")
def ciphertexts(house: House, keys: dict[str, str]) -> dict[str, str]:
    """A ciphertext under each key. Afterwards some keys are disabled."""
    made = {
        name: house.kms.encrypt(KeyId=keys[name], Plaintext=b"x")["CiphertextBlob"]
        for name in ("open", "asleep", "shut", "shut-asleep")
    }
    made["rsa"] = house.kms.encrypt(KeyId=keys["rsa"], Plaintext=b"x", EncryptionAlgorithm=OAEP)["CiphertextBlob"]
    for name in ("asleep", "shut-asleep", "hmac-asleep"):
        house.kms.disable_key(KeyId=keys[name])
    return {name: b64encode(each).decode() for name, each in made.items()} | {"unreadable": "eA=="}


@pytest.fixture(scope="module")
def caller(house: House, keys: dict[str, str]) -> dict[str, str]:
    name = fresh("ordered")
    house.iam.create_user(UserName=name)
    opened = [arn for name, arn in keys.items() if name not in (*SHUT, "abroad", "absent")]
    house.iam.put_user_policy(
        UserName=name, PolicyName="use", PolicyDocument=document(may("kms:*", Resource=[*opened, keys["abroad"]]))
    )
    return credentials(house.iam.create_access_key(UserName=name)["AccessKey"])


DENIED, UNREADABLE, WRONG = "AccessDeniedException", "InvalidCiphertextException", "IncorrectKeyException"
USAGE, ASLEEP, MISSING = "InvalidKeyUsageException", "DisabledException", "NotFoundException"
ROWS = [
    # the ciphertext, the key that is named, the algorithm, the refusal
    ("unreadable", "absent", "", MISSING),
    ("open", "absent", "", MISSING),
    *(("unreadable", named, "", UNREADABLE) for named in ("", "shut", "asleep", "rsa", "ecc", "hmac", "abroad")),
    *(("rsa", named, "", UNREADABLE) for named in ("", "rsa", "shut", "hmac")),
    ("open", "abroad", "", DENIED),
    *(("open", named, "", WRONG) for named in ("shut", "asleep", "rsa", "ecc", "hmac", "hmac-asleep", "shut-hmac")),
    ("shut", "open", "", WRONG),
    ("asleep", "open", "", WRONG),
    *(("shut", named, "", DENIED) for named in ("", "shut")),
    *(("shut-asleep", named, "", DENIED) for named in ("", "shut-asleep")),
    *(("asleep", named, "", ASLEEP) for named in ("", "asleep")),
    ("rsa", "shut", OAEP, DENIED),
    ("rsa", "shut-hmac", OAEP, DENIED),
    ("rsa", "hmac", OAEP, USAGE),
    ("rsa", "hmac-asleep", OAEP, USAGE),
    ("rsa", "ecc", OAEP, USAGE),
    ("rsa", "asleep", OAEP, ASLEEP),
    ("rsa", "open", OAEP, USAGE),
    ("unreadable", "rsa", OAEP, UNREADABLE),
]


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
@pytest.mark.parametrize(("ciphertext", "named", "algorithm", "told"), ROWS)
def test_of_two_broken_rules_the_first_is_reported(
    house: House,
    keys: dict[str, str],
    ciphertexts: dict[str, str],
    caller: dict[str, str],
    operation: str,
    ciphertext: str,
    named: str,
    algorithm: str,
    told: str,
) -> None:
    source = "Source" if operation == "ReEncrypt" else ""
    asked: dict[str, Any] = {"CiphertextBlob": ciphertexts[ciphertext]}
    if source:
        asked["DestinationKeyId"] = keys["target"]
    if named:
        asked[f"{source}KeyId"] = keys[named]
    if algorithm:
        asked[f"{source}EncryptionAlgorithm"] = algorithm
    status, answer = call(house.installation.url, caller, operation, asked)
    assert (status, answer["__type"]) == (400, told), answer
    if told == WRONG:
        assert answer["message"] == INCORRECT


def test_a_caller_of_another_account_reads_what_an_admitted_one_reads(
    house: House, keys: dict[str, str], ciphertexts: dict[str, str], caller: dict[str, str]
) -> None:
    """Once the other account's key admits the caller, it is treated like any other key."""
    user = house.client(caller, "sts").get_caller_identity()["Arn"]
    abroad = house.client(second_account(house))
    abroad.put_key_policy(KeyId=keys["abroad"], Policy=document(to(OTHER), to(user, "kms:Decrypt")))
    asked = {"CiphertextBlob": ciphertexts["open"], "KeyId": keys["abroad"]}
    _, answer = call(house.installation.url, caller, "Decrypt", asked)
    assert answer == {"__type": WRONG, "message": INCORRECT}
    sealed = b64encode(abroad.encrypt(KeyId=keys["abroad"], Plaintext=b"x")["CiphertextBlob"]).decode()
    for named in ({}, {"KeyId": keys["abroad"]}, {"KeyId": keys["abroad"].rpartition("/")[2]}):
        status, answer = call(house.installation.url, caller, "Decrypt", {"CiphertextBlob": sealed, **named})
        assert (status, answer["KeyId"]) == (200, keys["abroad"])


BLOB = "eA=="
MESSAGE = {"Message": BLOB}
PAIR_SPEC = {"KeyPairSpec": "ECC_NIST_P256"}
SYMMETRIC, SIGNING = ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), ("ECC_NIST_P256", "SIGN_VERIFY")
CODING, AGREEING = ("HMAC_256", "GENERATE_VERIFY_MAC"), ("ECC_NIST_P256", "KEY_AGREEMENT")
ENCAPSULATING = ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE")
KINDS = (SYMMETRIC, SIGNING, CODING, AGREEING, ENCAPSULATING)
ASKED: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    "Encrypt": (SYMMETRIC, {"Plaintext": BLOB}),
    "GenerateDataKey": (SYMMETRIC, {"KeySpec": "AES_256"}),
    "GenerateDataKeyWithoutPlaintext": (SYMMETRIC, {"KeySpec": "AES_256"}),
    "GenerateDataKeyPair": (SYMMETRIC, PAIR_SPEC),
    "GenerateDataKeyPairWithoutPlaintext": (SYMMETRIC, PAIR_SPEC),
    "Sign": (SIGNING, MESSAGE | {"SigningAlgorithm": "ECDSA_SHA_256"}),
    "Verify": (SIGNING, MESSAGE | {"SigningAlgorithm": "ECDSA_SHA_256", "Signature": BLOB}),
    "GenerateMac": (CODING, MESSAGE | {"MacAlgorithm": "HMAC_SHA_256"}),
    "VerifyMac": (CODING, MESSAGE | {"MacAlgorithm": "HMAC_SHA_256", "Mac": BLOB}),
    "DeriveSharedSecret": (AGREEING, {"KeyAgreementAlgorithm": "ECDH", "PublicKey": BLOB}),
    "Encapsulate": (ENCAPSULATING, {"EncapsulationAlgorithm": "ML_KEM"}),
    "Decapsulate": (ENCAPSULATING, {"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": BLOB}),
}
LEAVING = "KMSInvalidStateException"


@pytest.fixture(scope="module")
def in_states(house: House) -> dict[tuple[str, str], dict[str, str]]:
    """By kind, a key in each state that prevents its use."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for spec, usage in KINDS:
        asleep, leaving = (
            house.kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"] for _ in ("asleep", "leaving")
        )
        house.kms.disable_key(KeyId=asleep)
        house.kms.schedule_key_deletion(KeyId=leaving)
        made[spec, usage] = {ASLEEP: asleep, LEAVING: leaving}
    house.installation.caught_up()  # so that any worker knows the states
    return made


@pytest.fixture(scope="module")
def two_callers(house: House) -> tuple[dict[str, str], dict[str, str]]:
    """A user who may use every key, and one who may use none."""
    names = [fresh("uses"), fresh("none")]
    for name in names:
        house.iam.create_user(UserName=name)
    house.iam.put_user_policy(UserName=names[0], PolicyName="use", PolicyDocument=document(may("kms:*", Resource="*")))
    able, unable = (credentials(house.iam.create_access_key(UserName=name)["AccessKey"]) for name in names)
    return able, unable


def test_every_use_of_a_key_is_here() -> None:
    assert set(ASKED) == set(USES) - {"Decrypt", "ReEncrypt"}


@pytest.mark.parametrize("operation", sorted(ASKED))
def test_permission_comes_before_kind_and_kind_before_state(
    house: House,
    in_states: dict[tuple[str, str], dict[str, str]],
    two_callers: tuple[dict[str, str], dict[str, str]],
    operation: str,
) -> None:
    able, unable = two_callers
    wanted, parameters = ASKED[operation]
    for kind, states in in_states.items():
        for state, arn in states.items():
            for caller, told in ((unable, DENIED), (able, state if kind == wanted else USAGE)):
                status, answer = call(house.installation.url, caller, operation, parameters | {"KeyId": arn})
                assert (status, answer["__type"]) == (400, told), (kind, state, answer)

"""What Decrypt and ReEncrypt check, and in which order: `services/operations/encryption.py` writes it down.

Each row breaks two rules at once, and the one that is told comes first.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

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
    """By the key that each is under; then some keys fall asleep."""
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
    # what the ciphertext is, the key that is named, the algorithm, what is told
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
def test_of_two_rules_the_first_is_told(
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
    """Once the other account's key admits the caller, it is a key like any other."""
    user = house.client(caller, "sts").get_caller_identity()["Arn"]
    abroad = house.client(second_account(house))
    abroad.put_key_policy(KeyId=keys["abroad"], Policy=document(to(OTHER), to(user, "kms:Decrypt")))
    asked = {"CiphertextBlob": ciphertexts["open"], "KeyId": keys["abroad"]}
    _, answer = call(house.installation.url, caller, "Decrypt", asked)
    assert answer == {"__type": WRONG, "message": INCORRECT}

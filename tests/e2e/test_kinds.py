"""Every kind of key with boto3, every algorithm compared with OpenSSL, dry runs, and material imported as in AWS's
guide."""

from __future__ import annotations

import json
import math
import os
import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from domain.crypto.material import private_der
from domain.crypto.specs import ED25519_SHA_512, ML_DSA_SHAKE_256, SPECS
from tests.installation import Installation

QUICK = [name for name in SPECS if name not in ("RSA_3072", "RSA_4096")]
"""Longer RSA keys take seconds of processor time each, so only the soak has them."""


@pytest.fixture(scope="module")
def kms(installation: Installation) -> Any:
    return installation.client(read_timeout=60)


@pytest.fixture
def specs(soak: bool) -> list[str]:
    return list(SPECS) if soak else QUICK


def code(fault: pytest.ExceptionInfo[ClientError]) -> str:
    return str(fault.value.response["Error"]["Code"])


def a_key(kms: Any, spec: str = "SYMMETRIC_DEFAULT", usage: str = "ENCRYPT_DECRYPT", **more: str) -> Any:
    return kms.create_key(KeySpec=spec, KeyUsage=usage, **more)["KeyMetadata"]


def openssl(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=check)


def write(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_a_key_of_every_spec_and_usage_tells_its_algorithms(kms: Any, specs: list[str]) -> None:
    """The algorithms are those of the table, and each is in the service model."""
    members = {
        "ENCRYPT_DECRYPT": "EncryptionAlgorithms",
        "SIGN_VERIFY": "SigningAlgorithms",
        "KEY_AGREEMENT": "KeyAgreementAlgorithms",
        "GENERATE_VERIFY_MAC": "MacAlgorithms",
        "ENCAPSULATE_DECAPSULATE": "EncapsulationAlgorithms",
    }
    for spec in specs:
        for usage, algorithms in SPECS[spec].algorithms.items():
            made = a_key(kms, spec, usage)
            described = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
            assert described == made
            assert (made["KeySpec"], made["KeyUsage"], made[members[usage]]) == (spec, usage, list(algorithms))
            assert ("CurrentKeyMaterialId" in made) == (spec == "SYMMETRIC_DEFAULT")
            if SPECS[spec].pair:
                assert kms.get_public_key(KeyId=made["KeyId"])[members[usage]] == list(algorithms)
            else:
                with pytest.raises(ClientError) as none:
                    kms.get_public_key(KeyId=made["KeyId"])
                assert code(none) == "UnsupportedOperationException"


DIGESTS = {"256": "-sha256", "384": "-sha384", "512": "-sha512"}


def options_of(algorithm: str) -> list[str]:
    if not algorithm.startswith("RSASSA_PSS"):
        return []
    return ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:-1"]


def test_openssl_verifies_every_signature_raw_and_digest(kms: Any, specs: list[str], tmp_path: Path) -> None:
    message = b"signed by Keytrail"
    for spec in specs:
        algorithms = [name for name in SPECS[spec].signing if name not in (ED25519_SHA_512, ML_DSA_SHAKE_256)]
        if not algorithms:
            continue
        key = a_key(kms, spec, "SIGN_VERIFY")["KeyId"]
        write(tmp_path, public=kms.get_public_key(KeyId=key)["PublicKey"], message=message)
        for algorithm in algorithms:
            hashed = DIGESTS[algorithm[-3:]]
            digest = openssl(tmp_path, "dgst", hashed, "-binary", "message").stdout
            for kind, text in (("RAW", message), ("DIGEST", digest)):
                signed = kms.sign(KeyId=key, Message=text, MessageType=kind, SigningAlgorithm=algorithm)["Signature"]
                write(tmp_path, signature=signed, digest=digest)
                command = ["pkeyutl", "-verify", "-pubin", "-inkey", "public", "-keyform", "DER", "-in", "digest"]
                options = ["-sigfile", "signature", "-pkeyopt", f"digest:{hashed[1:]}", *options_of(algorithm)]
                done = openssl(tmp_path, *command, *options)
                assert b"Signature Verified Successfully" in done.stdout, (spec, algorithm, kind)
                kms.verify(KeyId=key, Message=text, MessageType=kind, SigningAlgorithm=algorithm, Signature=signed)


def test_an_edwards_signature_is_verified_by_openssl_and_takes_raw_messages_alone(kms: Any, tmp_path: Path) -> None:
    key = a_key(kms, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY")["KeyId"]
    asked = {"KeyId": key, "Message": b"edwards", "SigningAlgorithm": ED25519_SHA_512}
    signed = kms.sign(**asked)["Signature"]
    write(tmp_path, public=kms.get_public_key(KeyId=key)["PublicKey"], message=b"edwards", signature=signed)
    command = ["pkeyutl", "-verify", "-pubin", "-inkey", "public", "-keyform", "DER", "-rawin", "-in", "message"]
    assert b"Successfully" in openssl(tmp_path, *command, "-sigfile", "signature").stdout
    with pytest.raises(ClientError) as digest:
        kms.sign(**asked | {"Message": b"d" * 64}, MessageType="DIGEST")
    assert code(digest) == "ValidationException"
    with pytest.raises(ClientError) as prehashed:
        kms.sign(KeyId=key, Message=b"d" * 64, MessageType="DIGEST", SigningAlgorithm="ED25519_PH_SHA_512")
    assert code(prehashed) == "UnsupportedOperationException"


@pytest.mark.parametrize("spec", ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
def test_a_lattice_signature_fits_message_and_external_mu(kms: Any, spec: str) -> None:
    """FIPS 204, 6.2: mu is a representative of message and public key, so both ways sign the same."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSAMuHasher
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = a_key(kms, spec, "SIGN_VERIFY")["KeyId"]
    public: Any = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    hasher = MLDSAMuHasher(public)
    hasher.update(b"lattice")
    mu = hasher.finalize()
    asked = {"KeyId": key, "SigningAlgorithm": ML_DSA_SHAKE_256}
    raw = kms.sign(**asked, Message=b"lattice")["Signature"]
    external = kms.sign(**asked, Message=mu, MessageType="EXTERNAL_MU")["Signature"]
    for signature in (raw, external):
        public.verify(signature, b"lattice")
        kms.verify(**asked, Message=b"lattice", Signature=signature)
        kms.verify(**asked, Message=mu, MessageType="EXTERNAL_MU", Signature=signature)
    with pytest.raises(ClientError) as short:
        kms.sign(**asked, Message=mu[1:], MessageType="EXTERNAL_MU")
    assert code(short) == "ValidationException"


def test_a_mac_is_openssls(kms: Any, tmp_path: Path) -> None:
    """With imported material, so that OpenSSL can have the key too."""
    for bits in ("224", "256", "384", "512"):
        spec, algorithm, secret = f"HMAC_{bits}", f"HMAC_SHA_{bits}", os.urandom(int(bits) // 8)
        key = imported(kms, tmp_path, spec, "GENERATE_VERIFY_MAC", secret)["KeyId"]
        write(tmp_path, message=b"m")
        command = ["dgst", f"-sha{bits}", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", "-binary", "message"]
        mac = kms.generate_mac(KeyId=key, Message=b"m", MacAlgorithm=algorithm)["Mac"]
        assert mac == openssl(tmp_path, *command).stdout
        assert kms.verify_mac(KeyId=key, Message=b"m", MacAlgorithm=algorithm, Mac=mac)["MacValid"]
        with pytest.raises(ClientError) as other:
            kms.verify_mac(KeyId=key, Message=b"n", MacAlgorithm=algorithm, Mac=mac)
        assert code(other) == "KMSInvalidMacException"
    with pytest.raises(ClientError) as wrong:
        kms.generate_mac(KeyId=key, Message=b"m", MacAlgorithm="HMAC_SHA_256")
    assert code(wrong) == "InvalidKeyUsageException"


@pytest.mark.parametrize(("spec", "curve"), [("P256", "P-256"), ("P384", "P-384"), ("P521", "P-521")])
def test_openssl_derives_the_same_secret(kms: Any, spec: str, curve: str, tmp_path: Path) -> None:
    key = a_key(kms, f"ECC_NIST_{spec}", "KEY_AGREEMENT")["KeyId"]
    openssl(tmp_path, "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", "own")
    peer = openssl(tmp_path, "pkey", "-in", "own", "-pubout", "-outform", "DER").stdout
    write(tmp_path, theirs=kms.get_public_key(KeyId=key)["PublicKey"])
    derived = kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=peer)
    command = ["pkeyutl", "-derive", "-inkey", "own", "-peerkey", "theirs", "-peerform", "DER"]
    assert derived["SharedSecret"] == openssl(tmp_path, *command).stdout
    assert (derived["KeyAgreementAlgorithm"], derived["KeyOrigin"]) == ("ECDH", "AWS_KMS")
    with pytest.raises(ClientError) as other:
        kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=b"no key")
    assert code(other) == "ValidationException"


@pytest.mark.parametrize(("spec", "length"), [("ML_KEM_768", 1088), ("ML_KEM_1024", 1568)])
def test_an_encapsulated_secret_is_decapsulated(kms: Any, spec: str, length: int) -> None:
    key = a_key(kms, spec, "ENCAPSULATE_DECAPSULATE")["KeyId"]
    made = kms.encapsulate(KeyId=key, EncapsulationAlgorithm="ML_KEM")
    sealed = made["SharedSecretCiphertextBlob"]
    assert len(sealed) == length
    asked = {"KeyId": key, "EncapsulationAlgorithm": "ML_KEM"}
    assert kms.decapsulate(**asked, SharedSecretCiphertextBlob=sealed)["SharedSecret"] == made["SharedSecret"]
    with pytest.raises(ClientError) as short:
        kms.decapsulate(**asked, SharedSecretCiphertextBlob=sealed[1:])
    assert code(short) == "InvalidCiphertextException"


def test_a_data_key_pair_of_every_spec_fits_together(kms: Any, specs: list[str], tmp_path: Path) -> None:
    key = a_key(kms)["KeyId"]
    model = botocore.session.Session().get_service_model("kms").shape_for("DataKeyPairSpec").enum
    for spec in [name for name in specs if name in model]:
        made = kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec, EncryptionContext={"a": "b"})
        opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})
        assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
        write(tmp_path, private=made["PrivateKeyPlaintext"])
        if not spec.startswith("ML_"):  # OpenSSL 3.0 has none of these
            public = openssl(tmp_path, "pkey", "-inform", "DER", "-in", "private", "-pubout", "-outform", "DER").stdout
            assert public == made["PublicKey"]
        without = kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec=spec)
        assert "PrivateKeyPlaintext" not in without
        assert without["KeyPairSpec"] == spec
    with pytest.raises(ClientError) as foreign:
        kms.generate_data_key_pair(KeyId=key, KeyPairSpec="SM2")
    assert code(foreign) == "UnsupportedOperationException"


def test_every_operation_with_a_dry_run_answers_that_it_would_have_succeeded(kms: Any, tmp_path: Path) -> None:
    """Every operation with DryRun in the service model's input. A dry run makes nothing."""
    symmetric, agreeing = a_key(kms), a_key(kms, "ECC_NIST_P256", "KEY_AGREEMENT")
    signing, coding = a_key(kms, "ECC_NIST_P256", "SIGN_VERIFY"), a_key(kms, "HMAC_256", "GENERATE_VERIFY_MAC")
    lattice = a_key(kms, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE")["KeyId"]
    sealed = kms.encrypt(KeyId=symmetric["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    grant = kms.create_grant(
        KeyId=symmetric["Arn"], GranteePrincipal=ROOT, RetiringPrincipal=ROOT, Operations=["Decrypt"]
    )
    signed = {"KeyId": signing["KeyId"], "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    coded = {"KeyId": coding["KeyId"], "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    kem = {"KeyId": lattice, "EncapsulationAlgorithm": "ML_KEM"}
    asked: dict[str, dict[str, Any]] = {
        "CreateGrant": {"KeyId": symmetric["Arn"], "GranteePrincipal": ROOT, "Operations": ["Encrypt"]},
        "RetireGrant": {"KeyId": symmetric["Arn"], "GrantId": grant["GrantId"]},
        "RevokeGrant": {"KeyId": symmetric["Arn"], "GrantId": grant["GrantId"]},
        "Encrypt": {"KeyId": symmetric["KeyId"], "Plaintext": b"x"},
        "Decrypt": {"CiphertextBlob": sealed},
        "ReEncrypt": {"CiphertextBlob": sealed, "DestinationKeyId": symmetric["KeyId"]},
        "GenerateDataKey": {"KeyId": symmetric["KeyId"], "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": symmetric["KeyId"], "KeySpec": "AES_256"},
        "GenerateDataKeyPair": {"KeyId": symmetric["KeyId"], "KeyPairSpec": "ECC_NIST_P256"},
        "GenerateDataKeyPairWithoutPlaintext": {"KeyId": symmetric["KeyId"], "KeyPairSpec": "ECC_NIST_P256"},
        "Sign": signed,
        "Verify": signed | {"Signature": kms.sign(**signed)["Signature"]},
        "GenerateMac": coded,
        "VerifyMac": coded | {"Mac": kms.generate_mac(**coded)["Mac"]},
        "DeriveSharedSecret": {
            "KeyId": agreeing["KeyId"],
            "KeyAgreementAlgorithm": "ECDH",
            "PublicKey": kms.get_public_key(KeyId=agreeing["KeyId"])["PublicKey"],
        },
        "Encapsulate": kem,
        "Decapsulate": kem | {"SharedSecretCiphertextBlob": kms.encapsulate(**kem)["SharedSecretCiphertextBlob"]},
    }
    model = botocore.session.Session().get_service_model("kms")
    shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
    assert set(asked) == {name for name, shape in shapes.items() if shape is not None and "DryRun" in shape.members}
    for operation, parameters in asked.items():
        with pytest.raises(ClientError) as would:
            getattr(kms, botocore.xform_name(operation))(**parameters, DryRun=True)
        assert code(would) == "DryRunOperationException", operation
    assert [each["GrantId"] for each in kms.list_grants(KeyId=symmetric["KeyId"])["Grants"]] == [grant["GrantId"]]


ROOT = "arn:aws:iam::111122223333:root"


# -- imported material ----------------------------------------------------------------------------------------------


def wrapped(folder: Path, public: bytes, algorithm: str, secret: bytes) -> bytes:
    """As in the developer guide (importing-keys-encrypt-key-material), with OpenSSL alone."""
    write(folder, wrapping=public, material=secret)
    digest = "sha1" if algorithm.endswith("SHA_1") else "sha256"
    oaep = [
        "-pkeyopt",
        "rsa_padding_mode:oaep",
        "-pkeyopt",
        f"rsa_oaep_md:{digest}",
        "-pkeyopt",
        f"rsa_mgf1_md:{digest}",
    ]
    encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "wrapping", "-keyform", "DER", *oaep]
    if algorithm.startswith("RSAES"):
        return openssl(folder, *encrypt, "-in", "material").stdout
    key = os.urandom(32)
    write(folder, aes=key)
    inner = openssl(folder, "enc", "-id-aes256-wrap-pad", "-K", key.hex(), "-iv", "A65959A6", "-in", "material").stdout
    return openssl(folder, *encrypt, "-in", "aes").stdout + inner


def bring(kms: Any, folder: Path, key: str, secret: bytes, algorithm: str, spec: str = "RSA_2048", **more: Any) -> Any:
    given = kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    return kms.import_key_material(
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapped(folder, given["PublicKey"], algorithm, secret),
        **{"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"} | more,
    )


def imported(
    kms: Any, folder: Path, spec: str, usage: str, secret: bytes, algorithm: str = "RSAES_OAEP_SHA_256"
) -> Any:
    key = a_key(kms, spec, usage, Origin="EXTERNAL")
    assert key["KeyState"] == "PendingImport"
    bring(kms, folder, key["KeyId"], secret, algorithm)
    return kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]


@pytest.mark.parametrize(
    "algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"]
)
def test_symmetric_material_wrapped_by_openssl_is_imported(kms: Any, algorithm: str, tmp_path: Path) -> None:
    secret = openssl(tmp_path, "rand", "32").stdout
    key = imported(kms, tmp_path, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", secret, algorithm)
    assert (key["KeyState"], key["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=sealed)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"x", key["CurrentKeyMaterialId"])


def test_a_pair_of_every_spec_made_by_openssl_is_imported_and_signs(kms: Any, specs: list[str], tmp_path: Path) -> None:
    curves = {"P256": "P-256", "P384": "P-384", "P521": "P-521", "P256K1": "secp256k1"}
    for spec in [name for name in specs if SPECS[name].pair and not name.startswith("ML_")]:
        if spec.startswith("RSA"):
            made = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{spec[4:]}"]
        elif spec.endswith("25519"):
            made = ["-algorithm", "ED25519"]
        else:
            made = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curves[spec.rpartition('_')[2]]}"]
        openssl(tmp_path, "genpkey", *made, "-outform", "DER", "-out", "private")
        secret = (tmp_path / "private").read_bytes()
        key = imported(kms, tmp_path, spec, "SIGN_VERIFY", secret, "RSA_AES_KEY_WRAP_SHA_256")["KeyId"]
        public = openssl(tmp_path, "pkey", "-inform", "DER", "-in", "private", "-pubout", "-outform", "DER").stdout
        assert kms.get_public_key(KeyId=key)["PublicKey"] == public
        asked = {"KeyId": key, "Message": b"m", "SigningAlgorithm": SPECS[spec].signing[0]}
        kms.verify(**asked, Signature=kms.sign(**asked)["Signature"])


@pytest.mark.parametrize("spec", ["RSA_3072", "RSA_4096"])
def test_longer_wrapping_keys(kms: Any, spec: str, tmp_path: Path) -> None:
    key = a_key(kms, Origin="EXTERNAL")["KeyId"]
    bring(kms, tmp_path, key, os.urandom(32), "RSAES_OAEP_SHA_256", spec)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm", "wrapping"),
    [
        ("RSA_2048", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_4096"),
        ("ECC_NIST_P521", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_2048"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSAES_PKCS1_V1_5", "RSA_2048"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "SM2PKE", "SM2"),
    ],
)
def test_ways_of_wrapping_that_are_refused(kms: Any, spec: str, usage: str, algorithm: str, wrapping: str) -> None:
    key = a_key(kms, spec, usage, Origin="EXTERNAL")["KeyId"]
    with pytest.raises(ClientError) as refused:
        kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=wrapping)
    assert code(refused) == "UnsupportedOperationException"


def test_imports_that_are_refused_say_why(kms: Any, tmp_path: Path) -> None:
    algorithm, first = "RSAES_OAEP_SHA_256", os.urandom(32)
    key = imported(kms, tmp_path, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", first)["KeyId"]
    other = a_key(kms, Origin="EXTERNAL")["KeyId"]
    given = kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
    assert given["ParametersValidTo"] - datetime.now(UTC) > timedelta(hours=23)
    blob = wrapped(tmp_path, given["PublicKey"], algorithm, first)
    good = {
        "KeyId": key,
        "ImportToken": given["ImportToken"],
        "EncryptedKeyMaterial": blob,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for changes, says in (
        ({"ImportToken": b"made up"}, "InvalidImportTokenException"),
        ({"KeyId": other}, "InvalidImportTokenException"),
        ({"EncryptedKeyMaterial": b"x" * 256}, "InvalidCiphertextException"),
        ({"EncryptedKeyMaterial": wrapped(tmp_path, given["PublicKey"], algorithm, b"short")}, "IncorrectKeyMaterialException"),
        ({"EncryptedKeyMaterial": wrapped(tmp_path, given["PublicKey"], algorithm, os.urandom(32))}, "IncorrectKeyMaterialException"),
        ({"ExpirationModel": "KEY_MATERIAL_EXPIRES"}, "ValidationException"),
        ({"ValidTo": tomorrow}, "ValidationException"),
        ({"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": tomorrow - timedelta(days=2)}, "ValidationException"),
        ({"ImportType": "NEW_KEY_MATERIAL"}, "IncorrectKeyMaterialException"),
        ({"KeyMaterialId": "ab" * 32}, "IncorrectKeyMaterialException"),
    ):  # fmt: skip
        with pytest.raises(ClientError) as refused:
            kms.import_key_material(**good | changes)
        assert code(refused) == says, changes
    kms.import_key_material(**good | {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": tomorrow})
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["ExpirationModel"], described["ValidTo"].date()) == ("KEY_MATERIAL_EXPIRES", tomorrow.date())


def test_imported_material_is_deleted_and_brought_again(kms: Any, installation: Installation, tmp_path: Path) -> None:
    secret = os.urandom(32)
    key = imported(kms, tmp_path, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", secret)["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.delete_imported_key_material(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"
    with pytest.raises(ClientError) as gone:
        kms.decrypt(CiphertextBlob=sealed)
    assert code(gone) == "KMSInvalidStateException"
    bring(kms, tmp_path, key, secret, "RSAES_OAEP_SHA_256")
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_an_rsa_key_comes_back_whichever_way_its_private_half_is_written(kms: Any, tmp_path: Path) -> None:
    """Gained: a key whose material was deleted, and that its owner had in a file of another program, was lost for good."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = private.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    shorter = d % math.lcm(p - 1, q - 1)
    ways = [
        rsa.RSAPrivateNumbers(p, q, each, numbers.dmp1, numbers.dmq1, numbers.iqmp, numbers.public_numbers)
        for each in (shorter, shorter + math.lcm(p - 1, q - 1))
    ]
    ways.append(
        rsa.RSAPrivateNumbers(q, p, d, numbers.dmq1, numbers.dmp1, rsa.rsa_crt_iqmp(q, p), numbers.public_numbers)
    )
    written = [private_der(each.private_key()) for each in ways]
    assert len(set(written)) == 3
    wrapping = "RSA_AES_KEY_WRAP_SHA_256"
    key = imported(kms, tmp_path, "RSA_2048", "SIGN_VERIFY", written[0], wrapping)["KeyId"]
    asked = {"KeyId": key, "Message": b"m", "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"}
    signed = kms.sign(**asked)["Signature"]
    for each in written:
        bring(kms, tmp_path, key, each, wrapping)
        kms.delete_imported_key_material(KeyId=key)
        bring(kms, tmp_path, key, each, wrapping)
        assert kms.sign(**asked)["Signature"] == signed
    with pytest.raises(ClientError) as other:
        bring(kms, tmp_path, key, private_der(rsa.generate_private_key(65537, 2048)), wrapping)
    assert code(other) == "IncorrectKeyMaterialException"


def test_imported_material_is_rotated_on_demand(kms: Any, tmp_path: Path) -> None:
    first, second = os.urandom(32), os.urandom(32)
    key = imported(kms, tmp_path, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", first)["KeyId"]
    old = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    with pytest.raises(ClientError) as none:
        kms.rotate_key_on_demand(KeyId=key)
    assert code(none) == "KMSInvalidStateException"
    new = bring(kms, tmp_path, key, second, "RSAES_OAEP_SHA_256", ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second")  # fmt: skip
    every = {"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}
    states = [each["KeyMaterialState"] for each in kms.list_key_rotations(**every)["Rotations"]]
    assert states == ["CURRENT", "PENDING_ROTATION"]
    kms.rotate_key_on_demand(KeyId=key)
    rotations = kms.list_key_rotations(**every)["Rotations"]
    assert [each["KeyMaterialState"] for each in rotations] == ["NON_CURRENT", "CURRENT"]
    assert (rotations[1]["KeyMaterialId"], rotations[1]["RotationType"]) == (new["KeyMaterialId"], "ON_DEMAND")
    assert (rotations[1]["ImportState"], rotations[1]["KeyMaterialDescription"]) == ("IMPORTED", "second")
    assert kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"old"


# -- the aws command line -------------------------------------------------------------------------------------------


def test_the_aws_command_line_goes_through_it_too(installation: Installation, tmp_path: Path) -> None:
    def aws(*arguments: str) -> Any:
        text = installation.aws("kms", *arguments).stdout
        return json.loads(text) if text.strip() else None

    key = aws("create-key")["KeyMetadata"]["KeyId"]
    named = ("--key-id", key)
    aws("tag-resource", *named, "--tags", "TagKey=a,TagValue=1", "TagKey=b,TagValue=2")
    aws("untag-resource", *named, "--tag-keys", "a")
    assert aws("list-resource-tags", *named)["Tags"] == [{"TagKey": "b", "TagValue": "2"}]
    aws("enable-key-rotation", *named, "--rotation-period-in-days", "180")
    status = aws("get-key-rotation-status", *named)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)
    aws("rotate-key-on-demand", *named)
    assert [each["RotationType"] for each in aws("list-key-rotations", *named)["Rotations"]] == ["ON_DEMAND"]
    aws("disable-key-rotation", *named)
    assert aws("get-key-rotation-status", *named)["KeyRotationEnabled"] is False
    scheduled = aws("schedule-key-deletion", *named, "--pending-window-in-days", "7")
    assert (scheduled["KeyState"], scheduled["PendingWindowInDays"]) == ("PendingDeletion", 7)
    assert aws("describe-key", *named)["KeyMetadata"]["DeletionDate"] == scheduled["DeletionDate"]
    aws("cancel-key-deletion", *named)
    aws("enable-key", *named)
    macs = aws("create-key", "--key-spec", "HMAC_256", "--key-usage", "GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    write(tmp_path, message=b"m")
    message = ("--message", f"fileb://{tmp_path / 'message'}", "--mac-algorithm", "HMAC_SHA_256")
    mac = aws("generate-mac", "--key-id", macs, *message)["Mac"]
    write(tmp_path, mac=b64decode(mac))
    assert aws("verify-mac", "--key-id", macs, *message, "--mac", f"fileb://{tmp_path / 'mac'}")["MacValid"] is True
    pair = aws("generate-data-key-pair", *named, "--key-pair-spec", "ECC_NIST_P256")
    assert set(pair) >= {"PrivateKeyPlaintext", "PrivateKeyCiphertextBlob", "PublicKey", "KeyPairSpec"}
    external = aws("create-key", "--origin", "EXTERNAL")["KeyMetadata"]["KeyId"]
    given = aws("get-parameters-for-import", "--key-id", external, "--wrapping-algorithm", "RSAES_OAEP_SHA_256", "--wrapping-key-spec", "RSA_2048")  # fmt: skip
    blob = wrapped(tmp_path, b64decode(given["PublicKey"]), "RSAES_OAEP_SHA_256", os.urandom(32))
    write(tmp_path, token=b64decode(given["ImportToken"]), blob=blob)
    files = (
        "--import-token",
        f"fileb://{tmp_path / 'token'}",
        "--encrypted-key-material",
        f"fileb://{tmp_path / 'blob'}",
    )
    aws("import-key-material", "--key-id", external, *files, "--expiration-model", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert aws("describe-key", "--key-id", external)["KeyMetadata"]["KeyState"] == "Enabled"
    aws("delete-imported-key-material", "--key-id", external)
    assert aws("describe-key", "--key-id", external)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_the_last_use_of_a_key_is_shown(installation: Installation, kms: Any) -> None:
    """API reference, GetKeyLastUsage: refused calls and dry runs do not count as use; ReEncrypt uses two keys."""
    one, two = (a_key(kms)["KeyId"] for _ in range(2))
    assert kms.get_key_last_usage(KeyId=one)["KeyLastUsage"] == {}
    sealed = kms.encrypt(KeyId=one, Plaintext=b"x")
    installation.caught_up()
    first = kms.get_key_last_usage(KeyId=one)
    assert first["KeyLastUsage"]["Operation"] == "Encrypt"
    assert first["KeyLastUsage"]["KmsRequestId"] == sealed["ResponseMetadata"]["RequestId"]
    assert (
        first["TrackingStartDate"]
        == first["KeyCreationDate"]
        == kms.describe_key(KeyId=one)["KeyMetadata"]["CreationDate"]
    )
    kms.re_encrypt(CiphertextBlob=sealed["CiphertextBlob"], DestinationKeyId=two)
    kms.describe_key(KeyId=two)
    with pytest.raises(ClientError):
        kms.encrypt(KeyId=two, Plaintext=b"x", DryRun=True)
    installation.caught_up()
    assert [kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] for key in (one, two)] == ["ReEncrypt"] * 2

"""What each key spec can be used for, and with which algorithms: one table, read by code, tests and docs.

Source: KMS API reference, CreateKey (KeySpec, KeyUsage) and developer guide, asymmetric-key-specs.
"""

from __future__ import annotations

from dataclasses import dataclass

ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
SIGN_VERIFY = "SIGN_VERIFY"
KEY_AGREEMENT = "KEY_AGREEMENT"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"

RSA_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
)


@dataclass(frozen=True, slots=True)
class Spec:
    """`encryption` and `signing` are the algorithms for the usages of the same name; empty where not allowed.

    `plaintext_limit` is the longest Plaintext of Encrypt in bytes, by algorithm (API reference, Encrypt).
    """

    name: str
    symmetric: bool
    usages: tuple[str, ...]
    encryption: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    plaintext_limit: tuple[int, ...] = ()

    def limit(self, algorithm: str) -> int:
        return self.plaintext_limit[self.encryption.index(algorithm)]


def _rsa(bits: int) -> Spec:
    # OAEP (RFC 8017, 7.1.1): the message is at most k - 2 hLen - 2 bytes long
    size = bits // 8
    limits = (size - 2 * 20 - 2, size - 2 * 32 - 2)
    return Spec(f"RSA_{bits}", False, (ENCRYPT_DECRYPT, SIGN_VERIFY), RSA_OAEP, RSA_SIGNING, limits)


SPECS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec(SYMMETRIC_DEFAULT, True, (ENCRYPT_DECRYPT,), (SYMMETRIC_DEFAULT,), (), (4096,)),
        _rsa(2048),
        _rsa(3072),
        _rsa(4096),
        Spec("ECC_NIST_P256", False, (SIGN_VERIFY,), signing=("ECDSA_SHA_256",)),
        Spec("ECC_NIST_P384", False, (SIGN_VERIFY,), signing=("ECDSA_SHA_384",)),
        Spec("ECC_NIST_P521", False, (SIGN_VERIFY,), signing=("ECDSA_SHA_512",)),
        Spec("ECC_SECG_P256K1", False, (SIGN_VERIFY,), signing=("ECDSA_SHA_256",)),
    )
}
"""The specs that this version makes keys of; CreateKey answers UnsupportedOperation for the model's others."""

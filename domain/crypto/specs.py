"""What each key spec can be used for, and with which algorithms: one table, read by code, tests and docs.

Source: KMS API reference, CreateKey (KeySpec, KeyUsage), Sign, GenerateMac, DeriveSharedSecret, Encapsulate; developer
guide, asymmetric-key-specs and hmac.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
SIGN_VERIFY = "SIGN_VERIFY"
KEY_AGREEMENT = "KEY_AGREEMENT"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
ENCAPSULATE_DECAPSULATE = "ENCAPSULATE_DECAPSULATE"

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"
RSA, ECC, EDWARDS, ML_DSA, ML_KEM, AES, HMAC = "RSA", "ECC", "EDWARDS", "ML_DSA", "ML_KEM", "AES", "HMAC"

RSA_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
)
ML_DSA_SHAKE_256 = "ML_DSA_SHAKE_256"
ED25519_SHA_512 = "ED25519_SHA_512"
ED25519_PH_SHA_512 = "ED25519_PH_SHA_512"
"""An algorithm of the API that the cryptography library lacks (Ed25519ph, RFC 8032 5.1)."""


@dataclass(frozen=True, slots=True)
class Spec:
    """`algorithms` are those of each usage that the spec allows, as DescribeKey lists them.

    `secret_bytes` is the length of a secret key's material, 0 for key pairs. `plaintext_limit` is the longest Plaintext of
    Encrypt in bytes, by algorithm (API reference, Encrypt).
    """

    name: str
    family: str
    algorithms: dict[str, tuple[str, ...]]
    secret_bytes: int = 0
    plaintext_limit: Mapping[str, int] = field(default_factory=dict)
    symmetric: bool = False
    """The spec encrypts with a secret key; only such keys have rotation, data keys and encryption contexts."""

    @property
    def usages(self) -> tuple[str, ...]:
        return tuple(self.algorithms)

    @property
    def pair(self) -> bool:
        """Whether keys of this spec have a public half."""
        return not self.secret_bytes

    @property
    def encryption(self) -> tuple[str, ...]:
        return self.algorithms.get(ENCRYPT_DECRYPT, ())

    @property
    def signing(self) -> tuple[str, ...]:
        return self.algorithms.get(SIGN_VERIFY, ())


def _rsa(bits: int) -> Spec:
    # OAEP (RFC 8017, 7.1.1): the message is at most k - 2 hLen - 2 bytes long
    size = bits // 8
    limits = dict(zip(RSA_OAEP, (size - 2 * 20 - 2, size - 2 * 32 - 2), strict=True))
    return Spec(f"RSA_{bits}", RSA, {ENCRYPT_DECRYPT: RSA_OAEP, SIGN_VERIFY: RSA_SIGNING}, plaintext_limit=limits)


def _nist(curve: str, signing: str) -> Spec:
    return Spec(f"ECC_NIST_{curve}", ECC, {SIGN_VERIFY: (signing,), KEY_AGREEMENT: ("ECDH",)})


def _hmac(bits: int) -> Spec:
    return Spec(f"HMAC_{bits}", HMAC, {GENERATE_VERIFY_MAC: (f"HMAC_SHA_{bits}",)}, secret_bytes=bits // 8)


SPECS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec(
            SYMMETRIC_DEFAULT,
            AES,
            {ENCRYPT_DECRYPT: (SYMMETRIC_DEFAULT,)},
            32,
            {SYMMETRIC_DEFAULT: 4096},
            symmetric=True,
        ),
        _rsa(2048),
        _rsa(3072),
        _rsa(4096),
        _nist("P256", "ECDSA_SHA_256"),
        _nist("P384", "ECDSA_SHA_384"),
        _nist("P521", "ECDSA_SHA_512"),
        Spec("ECC_SECG_P256K1", ECC, {SIGN_VERIFY: ("ECDSA_SHA_256",)}),
        Spec("ECC_NIST_EDWARDS25519", EDWARDS, {SIGN_VERIFY: (ED25519_SHA_512,)}),
        _hmac(224),
        _hmac(256),
        _hmac(384),
        _hmac(512),
        *(Spec(f"ML_DSA_{size}", ML_DSA, {SIGN_VERIFY: (ML_DSA_SHAKE_256,)}) for size in (44, 65, 87)),
        *(Spec(f"ML_KEM_{size}", ML_KEM, {ENCAPSULATE_DECAPSULATE: ("ML_KEM",)}) for size in (768, 1024)),
    )
}
"""The specs of the keys that this version makes. The model's others (SM2, and ML_KEM_512, which the cryptography library
lacks) answer UnsupportedOperation."""

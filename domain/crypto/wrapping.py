"""How imported material is wrapped on its way in.

Source: KMS API reference, GetParametersForImport; developer guide, importing-keys-encrypt-key-material. RSAES_OAEP_*:
the material under the wrapping key, as RFC 8017 has it. RSA_AES_KEY_WRAP_*: an AES key under the wrapping key, followed
by the material under the AES key, wrapped with padding (RFC 5649; PKCS #11 calls it CKM_RSA_AES_KEY_WRAP).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from domain.crypto import asymmetric
from domain.crypto.material import PrivateKey
from domain.crypto.specs import RSA, RSA_OAEP, Spec
from domain.errors import InvalidCiphertext, UnsupportedOperation

RSA_AES = ("RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256")
WRAPPING_SPECS = ("RSA_2048", "RSA_3072", "RSA_4096")
AES_KEY_BYTES = (16, 24, 32)


def require_wrapping(spec: Spec, algorithm: str, wrapping_spec: str) -> None:
    """Raises UnsupportedOperation for a way of wrapping that does not exist or that this material does not fit into."""
    if wrapping_spec not in WRAPPING_SPECS:
        raise UnsupportedOperation(f"WrappingKeySpec {wrapping_spec} is not supported.")
    if algorithm not in RSA_OAEP + RSA_AES:
        raise UnsupportedOperation(f"WrappingAlgorithm {algorithm} is not supported.")
    if algorithm in RSA_OAEP and spec.family == RSA:
        raise UnsupportedOperation(f"Key material of {spec.name} is wrapped with an RSA_AES_KEY_WRAP algorithm.")
    if algorithm in RSA_OAEP and spec.name == "ECC_NIST_P521" and wrapping_spec == "RSA_2048":
        raise UnsupportedOperation(
            "Key material of ECC_NIST_P521 is too long for RSA_2048: take a longer wrapping key."
        )


def unwrap(private: PrivateKey, algorithm: str, wrapped: bytes) -> bytes:
    """The material in the clear. Raises InvalidCiphertext."""
    if algorithm in RSA_OAEP:
        return asymmetric.decrypt(private, algorithm, wrapped)
    assert isinstance(private, rsa.RSAPrivateKey)
    size = private.key_size // 8
    # The names end in the same hash as the names of OAEP, which wraps the AES key.
    key = asymmetric.decrypt(private, algorithm, wrapped[:size])
    if len(key) not in AES_KEY_BYTES:
        raise InvalidCiphertext
    try:
        return aes_key_unwrap_with_padding(key, wrapped[size:])
    except (InvalidUnwrap, ValueError):
        raise InvalidCiphertext from None

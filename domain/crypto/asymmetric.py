"""RSA and ECC under a KMS key: encryption, signatures, verification. One table of algorithms.

Source: KMS API reference, Encrypt (EncryptionAlgorithm), Sign (SigningAlgorithm, MessageType); developer guide,
asymmetric-key-specs. ECDSA signatures are DER (ANSI X9.62), as AWS KMS gives them.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature as CryptoInvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.crypto.material import PrivateKey
from domain.errors import InvalidCiphertext, InvalidRequest, InvalidSignature

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_1": hashes.SHA1(),  # noqa: S303  # RSAES_OAEP_SHA_1 is an algorithm of the API; OAEP does not need collision resistance
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}
RAW = "RAW"
DIGEST = "DIGEST"


def hash_of(algorithm: str) -> hashes.HashAlgorithm:
    """The hash that an algorithm's name ends in: `RSASSA_PSS_SHA_256` is SHA_256."""
    return HASHES["_".join(algorithm.split("_")[-2:])]


def _oaep(algorithm: str) -> padding.OAEP:
    digest = hash_of(algorithm)
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)


def encrypt(public_key: bytes, algorithm: str, plaintext: bytes) -> bytes:
    """`public_key`: DER SPKI of an RSA key. The plaintext's length has been checked against the spec."""
    public = load_der_public_key(public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    return public.encrypt(plaintext, _oaep(algorithm))


def decrypt(private: PrivateKey, algorithm: str, ciphertext: bytes) -> bytes:
    assert isinstance(private, rsa.RSAPrivateKey)
    try:
        return private.decrypt(ciphertext, _oaep(algorithm))
    except ValueError:
        raise InvalidCiphertext from None


def digest_of(message: bytes, message_type: str, algorithm: str) -> bytes:
    """What is signed: the digest of a RAW message, or the DIGEST itself. Raises InvalidRequest for a wrong length."""
    algorithm_hash = hash_of(algorithm)
    if message_type == DIGEST:
        if len(message) != algorithm_hash.digest_size:
            raise InvalidRequest(f"Digest is invalid length for algorithm {algorithm}.")
        return message
    computed = hashes.Hash(algorithm_hash)
    computed.update(message)
    return computed.finalize()


def _padding(algorithm: str) -> padding.PSS | padding.PKCS1v15:
    if algorithm.startswith("RSASSA_PSS"):
        digest = hash_of(algorithm)
        # The salt is as long as the hash (API reference, Sign).
        return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    return padding.PKCS1v15()


def sign(private: PrivateKey, algorithm: str, digest: bytes) -> bytes:
    prehashed = Prehashed(hash_of(algorithm))
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(digest, _padding(algorithm), prehashed)
    return private.sign(digest, ec.ECDSA(prehashed))


def verify(public_key: bytes, algorithm: str, digest: bytes, signature: bytes) -> None:
    """Raises InvalidSignature where the signature is not one of this digest by this key."""
    public = load_der_public_key(public_key)
    prehashed = Prehashed(hash_of(algorithm))
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, _padding(algorithm), prehashed)
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(signature, digest, ec.ECDSA(prehashed))
    except CryptoInvalidSignature:
        raise InvalidSignature from None

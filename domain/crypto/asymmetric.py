"""Key pairs: encryption, signatures, key agreement and encapsulation. One place for every algorithm of the API.

Source: KMS API reference, Encrypt (EncryptionAlgorithm), Sign (SigningAlgorithm, MessageType), DeriveSharedSecret,
Encapsulate; developer guide, asymmetric-key-specs. ECDSA signatures are DER (ANSI X9.62), as AWS KMS gives them.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature as CryptoInvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.crypto.material import CURVES, PrivateKey
from domain.crypto.specs import ED25519_SHA_512, ML_DSA_SHAKE_256, Spec
from domain.errors import InvalidCiphertext, InvalidRequest, InvalidSignature

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_1": hashes.SHA1(),  # noqa: S303  # RSAES_OAEP_SHA_1 is an algorithm of the API; OAEP does not need collision resistance
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}
RAW = "RAW"
DIGEST = "DIGEST"
EXTERNAL_MU = "EXTERNAL_MU"
MU_BYTES = 64
MESSAGE_TYPES: dict[str, tuple[str, ...]] = {ED25519_SHA_512: (RAW,), ML_DSA_SHAKE_256: (RAW, EXTERNAL_MU)}
"""The allowed types of a message, by algorithm; RAW or DIGEST for all others."""

_MLDSAPrivate = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_MLDSAPublic = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey


def hash_of(algorithm: str) -> hashes.HashAlgorithm:
    """The hash at the end of an algorithm's name: for `RSASSA_PSS_SHA_256`, SHA_256."""
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


def signable(message: bytes, message_type: str, algorithm: str, spec: str) -> bytes:
    """The bytes that the algorithm signs: the digest of a RAW message if it signs digests, else the message unchanged.

    Raises InvalidRequest for a message of a kind or length that the algorithm does not take.
    """
    if message_type not in MESSAGE_TYPES.get(algorithm, (RAW, DIGEST)):
        raise InvalidRequest(f"Message type {message_type} is incompatible with key spec {spec}.")
    if message_type == EXTERNAL_MU:
        if len(message) != MU_BYTES:
            raise InvalidRequest(f"A message of type {EXTERNAL_MU} has {MU_BYTES} bytes.")
        return message
    if algorithm in MESSAGE_TYPES:
        return message
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


def sign(private: PrivateKey, algorithm: str, message_type: str, data: bytes) -> bytes:
    """`data` is the result of `signable`."""
    match private:
        case rsa.RSAPrivateKey():
            return private.sign(data, _padding(algorithm), Prehashed(hash_of(algorithm)))
        case ec.EllipticCurvePrivateKey():
            return private.sign(data, ec.ECDSA(Prehashed(hash_of(algorithm))))
        case ed25519.Ed25519PrivateKey():
            return private.sign(data)
        case _:
            assert isinstance(private, _MLDSAPrivate)
            return private.sign_mu(data) if message_type == EXTERNAL_MU else private.sign(data)


def verify(public_key: bytes, algorithm: str, message_type: str, data: bytes, signature: bytes) -> None:
    """Raises InvalidSignature if the signature is not one of this data by this key."""
    public = load_der_public_key(public_key)
    try:
        match public:
            case rsa.RSAPublicKey():
                public.verify(signature, data, _padding(algorithm), Prehashed(hash_of(algorithm)))
            case ec.EllipticCurvePublicKey():
                public.verify(signature, data, ec.ECDSA(Prehashed(hash_of(algorithm))))
            case ed25519.Ed25519PublicKey():
                public.verify(signature, data)
            case _:
                assert isinstance(public, _MLDSAPublic)
                if message_type == EXTERNAL_MU:
                    public.verify_mu(signature, data)
                else:
                    public.verify(signature, data)
    except (CryptoInvalidSignature, ValueError):
        raise InvalidSignature from None


def agree(private: PrivateKey, spec: Spec, peer: bytes) -> bytes:
    """The raw shared secret of ECDH (SP 800-56A 5.7.1.2; these curves have cofactor 1). `peer`: DER SPKI.

    Raises InvalidRequest if the peer's key is not a point of the same curve.
    """
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    try:
        public = load_der_public_key(peer)
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != CURVES[spec.name].name:
        raise InvalidRequest(f"PublicKey is no public key of {spec.name} in DER of SubjectPublicKeyInfo.")
    return private.exchange(ec.ECDH(), public)


def encapsulate(public_key: bytes) -> tuple[bytes, bytes]:
    """(shared secret, its encapsulated form) by ML-KEM (FIPS 203)."""
    public = load_der_public_key(public_key)
    assert isinstance(public, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey)
    return public.encapsulate()


def decapsulate(private: PrivateKey, encapsulated: bytes) -> bytes:
    """The shared secret. For bytes that were not encapsulated with this key, a pseudo-random one (implicit rejection, FIPS
    203 6.3). Raises InvalidCiphertext for a wrong length."""
    assert isinstance(private, mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey)
    try:
        return private.decapsulate(encapsulated)
    except ValueError:
        raise InvalidCiphertext from None

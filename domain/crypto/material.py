"""Key material: made, imported, fingerprinted and read back. Its bytes are secret; nothing here prints them."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from domain.crypto.specs import ECC, EDWARDS, RSA, Spec
from domain.errors import IncorrectKeyMaterial

CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
Lattice = (
    mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
    | mlkem.MLKEM768PrivateKey
    | mlkem.MLKEM1024PrivateKey
)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | Lattice
LATTICES: dict[str, type[Lattice]] = {
    "ML_DSA_44": mldsa.MLDSA44PrivateKey,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey,
}
_MORE_BITS = 64
_FINITE_FIELDS = tuple(bytes.fromhex(each) for each in ("2a8648ce380401", "2a864886f70d010301", "2a8648ce3e0201"))
"""The object identifiers of DSA (RFC 3279, 2.3.2) and of Diffie-Hellman (PKCS #3; RFC 3279, 2.3.3)."""
_HEADER = 32
"""No more bytes come before the end of the algorithm's identifier in DER of PKCS #8 (RFC 5958, 2)."""


@dataclass(frozen=True, slots=True)
class NewMaterial:
    """`secret`: raw bytes for secret keys, DER PKCS #8 for key pairs. `public_key`: DER SPKI in base64, or ""."""

    id: str
    secret: bytes = field(repr=False)
    fingerprint: str
    public_key: str


def generate(spec: Spec) -> NewMaterial:
    """New material for a spec. RSA takes up to seconds of processor time (with the GIL released)."""
    private = None if spec.secret_bytes else new_private(spec)
    secret = os.urandom(spec.secret_bytes) if private is None else private_der(private)
    return NewMaterial(os.urandom(32).hex(), secret, fingerprint(secret), "" if private is None else public_of(private))


def new_private(spec: Spec) -> PrivateKey:
    if spec.family == ECC:
        return ec.generate_private_key(CURVES[spec.name])
    if spec.family == EDWARDS:
        return ed25519.Ed25519PrivateKey.generate()
    if spec.family == RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(spec.name.removeprefix("RSA_")))
    return LATTICES[spec.name].generate()


def private_der(private: PrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_der(private: PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_of(private: PrivateKey) -> str:
    return b64encode(public_der(private)).decode()


def imported(spec: Spec, key: str, secret: bytes) -> NewMaterial:
    """Imported material, for a key of this id. The same material for the same key has the same id (API reference,
    ImportKeyMaterial, KeyMaterialId).

    Raises IncorrectKeyMaterial if it does not have the length or kind that the spec takes.
    """
    public = ""
    if spec.secret_bytes:
        if len(secret) != spec.secret_bytes:
            raise IncorrectKeyMaterial(f"Key material of {spec.name} has {spec.secret_bytes} bytes, not {len(secret)}.")
    else:
        private = _imported_private(spec, secret)
        secret, public = private_der(private), public_of(private)
    return NewMaterial(_imported_id(key, secret), secret, fingerprint(secret), public)


def _imported_private(spec: Spec, secret: bytes) -> PrivateKey:
    wrong = IncorrectKeyMaterial(f"The key material is no private key of {spec.name} in DER of PKCS #8.")
    if any(each in secret[:_HEADER] for each in _FINITE_FIELDS):
        raise wrong  # no spec has such keys, and reading one with numbers as long as a call has room for takes a second
    try:
        # Kind and lengths first: to check an RSA key of 4,096 bits takes a quarter of a second, and to read it no time.
        if not _fits(spec, load_der_private_key(secret, password=None, unsafe_skip_rsa_key_validation=True)):
            raise wrong
        # Everything is checked here, since the key comes from outside.
        private = load_der_private_key(secret, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # the last for faults that only OpenSSL knows
        raise wrong from None
    assert isinstance(private, PrivateKey)
    return private


def _fits(spec: Spec, private: PrivateKeyTypes) -> bool:
    match private:
        case rsa.RSAPrivateKey():
            return spec.family == RSA and spec.name == f"RSA_{private.key_size}" and _has_halves(private)
        case ec.EllipticCurvePrivateKey():
            return spec.family == ECC and private.curve.name == CURVES[spec.name].name
        case ed25519.Ed25519PrivateKey():
            return spec.family == EDWARDS
        case _:
            return spec.name in LATTICES and isinstance(private, LATTICES[spec.name])


def _has_halves(private: rsa.RSAPrivateKey) -> bool:
    """Whether both primes have half of the key's bits (FIPS 186-5, A.1.1), or some more. To check a prime takes time that grows
    with the third power of its length: one of 39,000 bits, which a call has room for, takes 25 seconds."""
    numbers = private.private_numbers()
    return max(numbers.p, numbers.q).bit_length() <= private.key_size // 2 + _MORE_BITS


def _imported_id(key: str, secret: bytes) -> str:
    return sha256(b"keytrail imported material v1\0" + key.encode() + b"\0" + secret).hexdigest()


def fingerprint(secret: bytes) -> str:
    """SHA-256 under a label: equal materials have equal fingerprints. A 256-bit secret cannot be guessed from it."""
    return sha256(b"keytrail material fingerprint v1\0" + secret).hexdigest()


def load_private(secret: bytes) -> PrivateKey:
    # Our own material, opened from its seal: checking RSA's primes again would take a tenth of a second.
    private = load_der_private_key(secret, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, PrivateKey)
    return private

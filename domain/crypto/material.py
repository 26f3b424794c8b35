"""Key material: made, fingerprinted, and read back. Secret bytes; nothing here prints them."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from domain.crypto.specs import Spec

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


@dataclass(frozen=True, slots=True)
class NewMaterial:
    """`secret`: 32 bytes for symmetric keys, DER PKCS #8 otherwise. `public_key`: DER SPKI in base64, or ""."""

    id: str
    secret: bytes = field(repr=False)
    fingerprint: str
    public_key: str


def generate(spec: Spec) -> NewMaterial:
    """New material for a spec. RSA takes up to seconds of processor time (with the GIL released)."""
    if spec.symmetric:
        secret, public = os.urandom(32), ""
    else:
        private = _new_private(spec)
        secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public = b64encode(spki).decode()
    return NewMaterial(os.urandom(32).hex(), secret, fingerprint(secret), public)


def _new_private(spec: Spec) -> PrivateKey:
    if spec.name in CURVES:
        return ec.generate_private_key(CURVES[spec.name])
    return rsa.generate_private_key(public_exponent=65537, key_size=int(spec.name.removeprefix("RSA_")))


def fingerprint(secret: bytes) -> str:
    """SHA-256 under a label: says whether two materials are the same. A 256-bit secret is not found by guessing."""
    return sha256(b"keytrail material fingerprint v1\0" + secret).hexdigest()


def load_private(secret: bytes) -> PrivateKey:
    # Our own material, opened from its seal: checking RSA's primes again would take a tenth of a second.
    private = load_der_private_key(secret, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return private

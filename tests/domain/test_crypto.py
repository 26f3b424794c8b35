"""Ciphertexts that open again and nothing else does; signatures that fit; the derivation of message keys."""

from __future__ import annotations

import os
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from domain.crypto import asymmetric, symmetric
from domain.crypto.material import generate, load_private
from domain.crypto.specs import SPECS
from domain.errors import InvalidCiphertext, InvalidRequest, InvalidSignature
from tests.given import key_id

SECRET = os.urandom(32)
MATERIAL = "ab" * 32
CONTEXTS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)
FAST = [name for name in SPECS if name not in ("RSA_3072", "RSA_4096")]


@given(st.binary(max_size=4096), CONTEXTS)
def test_what_was_encrypted_comes_back(plaintext: bytes, context: dict[str, str]) -> None:
    sealed = symmetric.encrypt(SECRET, key_id(), MATERIAL, plaintext, context)
    assert symmetric.name_of(sealed).key == key_id()
    assert symmetric.decrypt(SECRET, sealed, context) == plaintext


@given(CONTEXTS, CONTEXTS)
def test_another_encryption_context_does_not_open_it(one: dict[str, str], other: dict[str, str]) -> None:
    sealed = symmetric.encrypt(SECRET, key_id(), MATERIAL, b"x", one)
    if one == other:
        assert symmetric.decrypt(SECRET, sealed, other) == b"x"
    else:
        with pytest.raises(InvalidCiphertext):
            symmetric.decrypt(SECRET, sealed, other)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_ciphertext_does_not_open(place: int, change: int) -> None:
    sealed = bytearray(symmetric.encrypt(SECRET, key_id(), MATERIAL, b"x" * 120, {}))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(InvalidCiphertext):
        symmetric.name_of(bytes(sealed))
        symmetric.decrypt(SECRET, bytes(sealed), {})


@given(st.binary(max_size=300))
def test_what_encrypt_never_made_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidCiphertext):
        symmetric.name_of(text)
        symmetric.decrypt(SECRET, text, {})


def test_the_message_key_is_that_of_the_librarys_kdf() -> None:
    """NIST SP 800-108, KDF in counter mode with HMAC-SHA-256."""
    nonce = os.urandom(16)
    kdf = KBKDFHMAC(
        SHA256(), Mode.CounterMode, 32, 4, 4, CounterLocation.BeforeFixed, b"keytrail encrypt v1", nonce, None
    )
    header = b"\x01" + os.urandom(24)
    iv = os.urandom(12)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = header + nonce + iv + AESGCM(kdf.derive(SECRET)).encrypt(iv, b"text", header)
    assert symmetric.decrypt(SECRET, sealed, {}) == b"text"


@pytest.mark.parametrize("spec", FAST)
def test_every_algorithm_of_every_spec(spec: str) -> None:
    row = SPECS[spec]
    made = generate(row)
    assert made.secret.hex() not in repr(made)
    if row.symmetric:
        return
    private, public = load_private(made.secret), b64decode(made.public_key)
    for algorithm in row.signing:
        digest = asymmetric.digest_of(b"message", asymmetric.RAW, algorithm)
        assert asymmetric.digest_of(digest, asymmetric.DIGEST, algorithm) == digest
        signature = asymmetric.sign(private, algorithm, digest)
        asymmetric.verify(public, algorithm, digest, signature)
        with pytest.raises(InvalidSignature):
            asymmetric.verify(public, algorithm, bytes(len(digest)), signature)
        with pytest.raises(InvalidRequest):
            asymmetric.digest_of(digest[1:], asymmetric.DIGEST, algorithm)
    for algorithm in row.encryption:
        longest = b"x" * row.limit(algorithm)
        assert asymmetric.decrypt(private, algorithm, asymmetric.encrypt(public, algorithm, longest)) == longest
        with pytest.raises(ValueError, match=r"[Ee]ncryption|[Dd]ata"):
            asymmetric.encrypt(public, algorithm, longest + b"x")
        with pytest.raises(InvalidCiphertext):
            asymmetric.decrypt(private, algorithm, b"x" * 256)

"""Symmetric encryption under a KMS key: a ciphertext that names its key and binds its encryption context.

Each message has a key of its own. The counter-mode KDF of NIST SP 800-108 with HMAC-SHA-256 derives it from the KMS key and
a fresh 128-bit nonce, and it encrypts with AES-256-GCM (AWS KMS cryptographic details, "derived encryption keys"). So no
key reaches the 2^32 messages to which random GCM nonces are limited (SP 800-38D, 8.3).

    version 1 | key id 16 | material id 8 | nonce 16 | iv 12 | ciphertext | tag 16
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.crypto.keyed_hash import KeyedHash
from domain.errors import InvalidCiphertext
from domain.once import once

VERSION = b"\x01"
_HEADER = 1 + 16 + 8
_NONCE = 16
_IV = 12
_TAG = 16
OVERHEAD = _HEADER + _NONCE + _IV + _TAG
_LABEL = b"keytrail encrypt v1"
_BEFORE = (1).to_bytes(4, "big") + _LABEL + b"\0"
_BITS = (256).to_bytes(4, "big")


class Secret(bytes):
    """A key's 32 bytes, with the values that are computed only from them; both are forgotten together."""

    @once
    def deriving(self) -> KeyedHash:
        return _deriving(self)


def _deriving(secret: bytes) -> KeyedHash:
    return KeyedHash(secret, _BEFORE)


@dataclass(frozen=True, slots=True)
class CiphertextName:
    """What a ciphertext says about itself: the key that made it, and the first 8 bytes of the material's id."""

    key: str
    material: str


def name_of(ciphertext: bytes) -> CiphertextName:
    """Raises InvalidCiphertext for bytes that Encrypt never made."""
    if len(ciphertext) < OVERHEAD or ciphertext[:1] != VERSION:
        raise InvalidCiphertext
    return CiphertextName(str(UUID(bytes=ciphertext[1:17])), ciphertext[17:25].hex())


def _message_key(secret: bytes, nonce: bytes) -> AESGCM:
    # SP 800-108 4.1 for one block of output: HMAC(key, counter || label || 0 || context || bits). The library's KDF
    # gives the same bytes (a test compares them), but takes several times as long for every call.
    deriving = secret.deriving if isinstance(secret, Secret) else _deriving(secret)
    return AESGCM(deriving.digest(nonce + _BITS))


def _bound(header: bytes, context: Mapping[str, str]) -> bytes:
    # Length-prefixed and in byte order: different contexts have different bytes.
    if not context:
        return header
    parts = [header]
    for name, value in sorted((name.encode(), value.encode()) for name, value in context.items()):
        parts += [len(name).to_bytes(4, "big"), name, len(value).to_bytes(4, "big"), value]
    return b"".join(parts)


class _Nonces:
    """Fresh bytes from the operating system, drawn for many messages at once instead of with a system call for each. A
    forked child draws its own."""

    def __init__(self) -> None:
        self._left: list[bytes] = []
        os.register_at_fork(after_in_child=self._left.clear)

    def __call__(self) -> bytes:
        if not self._left:
            size = _NONCE + _IV
            drawn = os.urandom(64 * size)
            self._left.extend(drawn[start : start + size] for start in range(0, len(drawn), size))
        return self._left.pop()


_fresh = _Nonces()


def encrypt(secret: bytes, key: str, material: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    """`secret` is the key's 32 bytes, `key` its id, `material` the hexadecimal id of its material."""
    # No UUID object is made: that would take as long as the encryption.
    header = VERSION + bytes.fromhex(key.replace("-", "")) + bytes.fromhex(material[:16])
    fresh = _fresh()
    nonce, iv = fresh[:_NONCE], fresh[_NONCE:]
    sealed = _message_key(secret, nonce).encrypt(iv, plaintext, _bound(header, context))
    return header + fresh + sealed


def decrypt(secret: bytes, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
    """Raises InvalidCiphertext if it was changed, belongs to another key or material, or has another encryption context."""
    header, nonce = ciphertext[:_HEADER], ciphertext[_HEADER : _HEADER + _NONCE]
    iv, sealed = ciphertext[_HEADER + _NONCE :][:_IV], ciphertext[_HEADER + _NONCE + _IV :]
    try:
        return _message_key(secret, nonce).decrypt(iv, sealed, _bound(header, context))
    except InvalidTag:
        raise InvalidCiphertext from None

"""The master key from a file (port MasterKey): 32 bytes in base64, mode 0600, never printed."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class MasterKeyRefused(Exception):
    """The master key is missing, unreadable or not the one that sealed the vault. The message says what to do."""


class FileMasterKey:
    """AES-256-GCM under the file's key; `bound` is associated data."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)
        self._key = key

    def __repr__(self) -> str:
        return "FileMasterKey(...)"

    def seal(self, secret: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._gcm.encrypt(nonce, secret, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Raises MasterKeyRefused."""
        try:
            return self._gcm.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except InvalidTag:
            raise MasterKeyRefused(
                "The master key does not open the vault: it is not the key that sealed it. Put the right key into "
                "KEYTRAIL_MASTER_KEY_FILE."
            ) from None

    def derive(self, label: bytes) -> bytes:
        # SP 800-108 with HMAC-SHA-256 for one block: the label tells the purposes apart.
        return hmac.digest(self._key, b"\0\0\0\1keytrail " + label + b"\0\0\0\1\0", "sha256")


def load(path: Path) -> FileMasterKey:
    """Raises MasterKeyRefused."""
    try:
        mode = path.stat().st_mode & 0o777
        key = b64decode(path.read_bytes().strip(), validate=True)
    except FileNotFoundError:
        raise MasterKeyRefused(
            f"There is no master key at {path}. Without the key that sealed the vault no key can be used: put it back, "
            "or name its place in KEYTRAIL_MASTER_KEY_FILE."
        ) from None
    except (OSError, ValueError):
        raise MasterKeyRefused(f"The master key at {path} cannot be read: it takes 32 bytes in base64.") from None
    if mode & 0o077:
        raise MasterKeyRefused(f"The master key at {path} may be read by others: chmod 600 {path}")
    if len(key) != 32:
        raise MasterKeyRefused(f"The master key at {path} is not 32 bytes long.")
    return FileMasterKey(key)


def make(path: Path) -> None:
    """Write a new key with mode 0600; a file that is there already stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(b64encode(os.urandom(32)) + b"\n")
        file.flush()
        os.fsync(file.fileno())

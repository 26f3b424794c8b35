"""Keys for tests of pure code, like those that an installation has in its vault."""

from __future__ import annotations

from domain.log.authenticity import Keyring
from services.adapters.keyring import VaultKeyring

ROOT = bytes(range(32))
OTHER = bytes(range(32, 64))
"""Keys of another installation, or of a stranger."""


def keyring(*secrets: bytes, strict: bool = True) -> Keyring:
    return Keyring(secrets or (ROOT,), strict=strict)


def process_keys(*secrets: bytes) -> VaultKeyring:
    """The keys as a process has them. These tests rotate none, so the vault is never asked."""
    return VaultKeyring(None, secrets or (ROOT,), strict=True)  # type: ignore[arg-type]

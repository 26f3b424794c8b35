"""Keys for tests of pure code: what an installation has in its vault."""

from __future__ import annotations

from domain.log.authenticity import Keyring
from services.adapters.keyring import VaultKeyring

ROOT = bytes(range(32))
OTHER = bytes(range(32, 64))
"""Of another installation, or of a stranger."""


def keyring(*secrets: bytes, strict: bool = True) -> Keyring:
    return Keyring(secrets or (ROOT,), strict=strict)


def process_keys(*secrets: bytes) -> VaultKeyring:
    """As a process has them; no rotation comes in these tests, so the vault is never asked."""
    return VaultKeyring(None, secrets or (ROOT,), strict=True)  # type: ignore[arg-type]

"""Keys for tests of pure code, like those that an installation has in its vault."""

from __future__ import annotations

from domain.log.authenticity import Keyring
from services.adapters.keyring import VaultKeyring

ROOT = bytes(range(32))
OTHER = bytes(range(32, 64))
"""Keys of another installation, or of a stranger."""


def keyring(*secrets: bytes, strict: bool = True) -> Keyring:
    return Keyring(secrets or (ROOT,), strict=strict)


class NoRotation:
    """The vault of tests that rotate no keys, so that none is asked for."""

    async def record_secrets(self) -> list[bytes]:
        raise AssertionError("no record names a key that is unknown")


def process_keys(*secrets: bytes) -> VaultKeyring:
    """The keys as a process has them."""
    return VaultKeyring(NoRotation(), secrets or (ROOT,), strict=True)

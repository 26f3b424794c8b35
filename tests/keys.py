"""Keys for tests of pure code, like those that an installation has in its vault."""

from __future__ import annotations

from collections.abc import Collection

from domain.log.authenticity import Keyring, key_id
from domain.log.levels import LEVEL
from domain.state.fold import Fold
from domain.state.world import World
from services.adapters.keyring import VaultKeyring
from services.adapters.tokens import Tokens

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


def tokens_of(*secrets: bytes, retired: Collection[bytes] = (), level: int = LEVEL) -> Tokens:
    """Those of a process that has these secrets, and has read a log of this level, which has retired some."""
    fold = Fold(World(level=level))
    fold.chain.authority.retired |= {key_id(each): {} for each in retired}
    return Tokens(keyring(*secrets), fold)

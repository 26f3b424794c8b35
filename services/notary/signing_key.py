"""The key that signs checkpoints: made at the first start, and sealed in the vault with the name that it signs for."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.notes import NoteRefused, NoteSigner, VerifierKey, require_key_name
from services.adapters.vault import Vault
from services.settings import BadSetting, Settings

SEED_LENGTH = 32


async def signing_key(settings: Settings, vault: Vault, log: str) -> NoteSigner:
    """The newest key; makes the first one if there is none. Raises Unavailable, MasterKeyRefused, BadSetting."""
    secrets = await vault.tree_keys()
    if not secrets:
        # Each installation has a log of its own, even if one was restored from the other's backup.
        origin = settings.tree_origin or f"keytrail.invalid/{log}/{os.urandom(4).hex()}"
        try:
            require_key_name(origin)
        except NoteRefused as fault:
            raise BadSetting(f"KEYTRAIL_TREE_ORIGIN: {fault}") from None
        # If another notary is faster, its key is the first.
        await vault.add_tree_key(os.urandom(SEED_LENGTH) + origin.encode(), 1)
        secrets = await vault.tree_keys()
    return _signer(secrets[-1])


async def known_keys(vault: Vault) -> list[VerifierKey]:
    """The public half of each key that the vault has, the oldest first. Raises Unavailable, MasterKeyRefused."""
    return [_signer(each).verifier for each in await vault.tree_keys()]


def _signer(secret: bytes) -> NoteSigner:
    return NoteSigner(secret[SEED_LENGTH:].decode(), Ed25519PrivateKey.from_private_bytes(secret[:SEED_LENGTH]))

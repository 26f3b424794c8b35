"""The keys that sign checkpoints, sealed in the vault with the name that they sign for. The first is made at the first start.

`keytrail log rotate-key` makes a further one (services/log_keys/tree_key.py). The newest key signs, and each former one beside it
until its successor has signed for as long as the settings say: whoever knows one of the two reads the checkpoints of that time.
All keys of a log have one name, its origin.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.durations import DAY_MICROS
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import NoteRefused, NoteSigner, SignedNote, VerifierKey, require_key_name
from services.adapters.vault import TreeSecret, Vault
from services.clock import clock_of
from services.settings import BadSetting, Settings

SEED_LENGTH = 32
READ_EVERY = 2.0
"""Seconds after which a notary looks whether there is a new key."""


@dataclass(frozen=True, slots=True)
class TreeKey:
    """It signs from `since` on and up to `until`, in microseconds since the epoch. `since` None: it does not sign yet. `until`
    None: it has no successor."""

    number: int
    signer: NoteSigner
    since: int | None
    until: int | None

    def signs(self, now: int) -> bool:
        return self.since is not None and (self.until is None or now < self.until)


class TreeKeys:
    """The keys as the vault has them, newest first. Owned by one task."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._vault, self._clock = vault, clock_of(settings)
        self._overlap = int(settings.tree_key_overlap * DAY_MICROS)
        self._read_at = 0.0
        self.all: list[TreeKey] = []

    async def read(self) -> None:
        """Raises Unavailable, MasterKeyRefused."""
        secrets = await self._vault.tree_keys()
        found = []
        for each, successor in zip_longest(secrets, secrets[1:]):
            begun = None if successor is None else successor.since
            until = None if begun is None else begun + self._overlap
            found.append(TreeKey(each.number, _signer(each), each.since, until))
        self.all, self._read_at = found[::-1], time.monotonic()

    async def read_sometimes(self) -> None:
        """Raises Unavailable, MasterKeyRefused."""
        if time.monotonic() > self._read_at + READ_EVERY:
            await self.read()

    @property
    def origin(self) -> str:
        return self.all[0].signer.name

    @property
    def own(self) -> list[VerifierKey]:
        """Every key that signs or has signed, newest first."""
        return [each.signer.verifier for each in self.all if each.since is not None]

    @property
    def signing(self) -> list[VerifierKey]:
        """The keys that sign now, newest first."""
        return [each.signer.verifier for each in self._signing()]

    async def signed(self, head: Checkpoint) -> SignedNote:
        return head.signed_by(*(each.signer for each in self._signing()))

    def _signing(self) -> list[TreeKey]:
        now = self._clock.now()
        return [each for each in self.all if each.signs(now)]


async def open_tree_keys(settings: Settings, vault: Vault, log: str) -> TreeKeys:
    """Makes the first key if there is none. `log` is the log's id. Raises Unavailable, MasterKeyRefused, BadSetting."""
    found = TreeKeys(settings, vault)
    await found.read()
    if not found.all:
        # Each installation has a log of its own, even if one was restored from the other's backup.
        origin = settings.tree_origin or f"keytrail.invalid/{log}/{os.urandom(4).hex()}"
        try:
            require_key_name(origin)
        except NoteRefused as fault:
            raise BadSetting(f"KEYTRAIL_TREE_ORIGIN: {fault}") from None
        # If another notary is faster, its key is the first.
        await vault.add_tree_key(new_secret(origin), 1, clock_of(settings).now())
        await found.read()
    return found


async def known_keys(vault: Vault) -> Sequence[VerifierKey]:
    """The public half of each key that the vault has, the oldest first. Raises Unavailable, MasterKeyRefused."""
    return [_signer(each).verifier for each in await vault.tree_keys()]


def new_secret(origin: str) -> bytes:
    """A new key, as the vault keeps it."""
    return os.urandom(SEED_LENGTH) + origin.encode()


def _signer(found: TreeSecret) -> NoteSigner:
    seed, origin = found.secret[:SEED_LENGTH], found.secret[SEED_LENGTH:].decode()
    return NoteSigner(origin, Ed25519PrivateKey.from_private_bytes(seed))

"""The keys that sign checkpoints, sealed in the vault with the name that they sign for. The first is made at the first start.

`keytrail log rotate-key` makes a further one (services/log_keys/tree_key.py). The newest key signs, and each former one beside it
for a while: whoever knows one of the two can check the checkpoints of that time. A rotation decides when the keys before it end,
and the vault keeps that. All keys of a log have one name, its origin.

A key may also be one of AWS KMS or of another installation. The vault then has its ARN and its public half, which was asked for
once: if another key answers under this ARN one day, its signatures are refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.durations import DAY_MICROS
from domain.ports import Unavailable
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import (
    ED25519,
    NoteRefused,
    NoteSignature,
    NoteSigner,
    SignedNote,
    VerifierKey,
    require_key_name,
)
from services.adapters import snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.kms_signer import KmsKey, KmsSigner
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.vault import TreeSecret, Vault
from services.clock import clock_of
from services.logs import logger_of
from services.settings import BadSetting, Settings

log = logger_of("notary")

SEED_LENGTH = 32
READ_EVERY = 2.0
"""Seconds after which a notary looks whether there is a new key."""


NEVER, ASKED_AGAIN = float("-inf"), 30.0
"""Seconds until a former key elsewhere that could not be used is asked again."""


@dataclass(frozen=True, slots=True)
class TreeKey:
    """It signs from `since` on and up to `until`, in microseconds since the epoch. `since` None: it does not sign yet. `until`
    None: it has no successor. `held` is its private half, or where that is."""

    number: int
    verifier: VerifierKey
    held: Ed25519PrivateKey | KmsKey
    since: int | None
    until: int | None

    @property
    def arn(self) -> str:
        """ "" for a key of the vault."""
        return self.held.arn if isinstance(self.held, KmsKey) else ""

    def signs(self, now: int) -> bool:
        return self.since is not None and (self.until is None or now < self.until)


class TreeKeys:
    """The keys as the vault has them, newest first. Owned by one task."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._vault, self._clock = vault, clock_of(settings)
        self._moved = {settings.tree_key: settings.tree_key_endpoint} if settings.tree_key_endpoint else {}
        """Where the key in the settings is now, though the vault may have an earlier address."""
        self._overlap = int(settings.tree_key_overlap * DAY_MICROS)
        self._read_at = 0.0
        self._kms = KmsSigner(settings)
        self._away: dict[int, float] = {}
        """Former keys elsewhere that could not be used, by number, and when (monotonic)."""
        self.all: list[TreeKey] = []

    async def read(self) -> None:
        """Raises Unavailable, MasterKeyRefused."""
        secrets = await self._vault.tree_keys()
        found = []
        for each, successor in zip_longest(secrets, secrets[1:]):
            begun = None if successor is None else successor.since
            # Earlier versions did not keep when a key ends.
            until = begun + self._overlap if each.until is None and begun is not None else each.until
            found.append(_tree_key(each, until, self._moved))
        self.all, self._read_at = found[::-1], time.monotonic()

    async def read_sometimes(self) -> None:
        """Raises Unavailable, MasterKeyRefused."""
        if time.monotonic() > self._read_at + READ_EVERY:
            await self.read()

    @property
    def origin(self) -> str:
        return self.all[0].verifier.name

    @property
    def own(self) -> list[VerifierKey]:
        """Every key that signs or has signed, newest first."""
        return [each.verifier for each in self.all if each.since is not None]

    @property
    def signing(self) -> list[VerifierKey]:
        """The keys that sign now, newest first."""
        return [each.verifier for each in self._signing()]

    async def signed(self, head: Checkpoint) -> SignedNote:
        """Waits for the newest key. A former one that cannot be used is left out, and asked again later. Raises Unavailable."""
        newest, *former = self._signing()
        signatures = [await self._signature(newest, head.text)]
        for each in former:
            try:
                signatures.append(await self._signature(each, head.text))
            except Unavailable as fault:
                self._away[each.number] = time.monotonic()
                log.warning("a former key does not sign the checkpoint", key=each.verifier.id.hex(), reason=str(fault))
        return SignedNote(head.text, tuple(signatures))

    async def _signature(self, key: TreeKey, text: str) -> NoteSignature:
        if not isinstance(key.held, KmsKey):
            return NoteSigner(key.verifier.name, key.held).signed(text)
        signature = await self._kms.signature(key.held, key.verifier.public, text.encode())
        return NoteSignature(key.verifier.name, key.verifier.id, signature)

    def _signing(self) -> list[TreeKey]:
        now, lately = self._clock.now(), time.monotonic() - ASKED_AGAIN
        return [each for each in self.all if each.signs(now) and self._away.get(each.number, NEVER) <= lately]


async def open_tree_keys(settings: Settings, vault: Vault, log_id: str) -> TreeKeys:
    """Makes the first key if there is none. Raises Unavailable, MasterKeyRefused, BadSetting."""
    found = TreeKeys(settings, vault)
    await found.read()
    if not found.all:
        # Each installation has a log of its own, even if one was restored from the other's backup: two trees under one name are
        # what a witness refuses for good, and what a reader takes for a forgery. So the setting alone is no name.
        origin = f"{settings.tree_origin.rstrip('/') or f'keytrail.invalid/{log_id}'}/{os.urandom(4).hex()}"
        try:
            require_key_name(origin)
        except NoteRefused as fault:
            raise BadSetting(f"KEYTRAIL_TREE_ORIGIN: {fault}") from None
        # If another notary is faster, its key is the first.
        await vault.add_tree_key(await new_secret(settings, origin), 1, clock_of(settings).now())
        await found.read()
    elif settings.tree_key not in ("", found.all[0].arn):
        log.warning(
            "KEYTRAIL_TREE_KEY names another key than the one that signs; `keytrail log rotate-key` takes it into use"
        )
    return found


async def known_keys(vault: Vault) -> Sequence[VerifierKey]:
    """The public half of each key that the vault has, the newest first. Raises Unavailable, MasterKeyRefused."""
    return [_tree_key(each, None, {}).verifier for each in reversed(await vault.tree_keys())]


async def new_secret(settings: Settings, origin: str) -> bytes:
    """A new key, or the one that the settings name, as the vault keeps it: a seed or a public half, the name that it signs for,
    and where it is. Raises Unavailable, BadSetting."""
    if not settings.tree_key:
        return os.urandom(SEED_LENGTH) + origin.encode()
    key = KmsKey(settings.tree_key, settings.tree_key_endpoint)
    return await KmsSigner(settings).public(key) + f"{origin}\n{key.arn}\n{key.endpoint}".encode()


async def require_others_key(settings: Settings, pool: Pool, keys: VaultKeyring) -> None:
    """That the key in the settings is not one of this installation: each signature would be a record, which a further signature
    follows. `keys` are those of records. Raises BadSetting, Unavailable, OutOfRange, Unreadable."""
    if not settings.tree_key:
        return
    events = log_topic(settings)
    try:
        world = (await snapshots.newest(pool, events, keys)).world
    finally:
        await events.close()
    if KmsKey(settings.tree_key, "").id in world.keys:
        raise BadSetting(
            f"KEYTRAIL_TREE_KEY: {settings.tree_key} is a key of this installation. Each signature with it would be a record, "
            "which a further checkpoint and signature follow. Name a key of AWS KMS or of another installation."
        )


def _tree_key(found: TreeSecret, until: int | None, moved: Mapping[str, str]) -> TreeKey:
    first, (origin, *where) = found.secret[:SEED_LENGTH], found.secret[SEED_LENGTH:].decode().split("\n")
    held = KmsKey(where[0], moved.get(where[0], where[1])) if where else Ed25519PrivateKey.from_private_bytes(first)
    public = first if isinstance(held, KmsKey) else held.public_key().public_bytes_raw()
    return TreeKey(found.number, VerifierKey(origin, ED25519, public), held, found.since, until)

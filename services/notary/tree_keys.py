"""The keys that sign checkpoints, sealed in the vault with the name that they sign for. The first is made at the first start.

`keytrail log rotate-key` makes a further one (services/log_keys/tree_key.py). The newest key signs, and each former one beside it
for a while: whoever knows one of the two can check the checkpoints of that time. A rotation decides when the keys before it end,
and the vault keeps that. All keys of a log have one name, its origin.

Whoever writes to Postgres could let an ended key sign again. So the rows are sealed (services/adapters/tree_key_rows.py), and a
row that is not Keytrail's stops the notary. Rows of an earlier time that are put back together are Keytrail's own. A notary that
has seen a key begin refuses them, and so does one that finds that key on the published checkpoint and on the log. Until an
upgrade is finished, the version before writes rows without a seal, and every row is believed.

A key may also be one of AWS KMS or of another installation. The vault then has its ARN and its public half, which was asked for
once: if another key answers under this ARN one day, its signatures are refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.durations import DAY_MICROS
from domain.log.events import TreeKeyRotated
from domain.log.levels import FIRST
from domain.ports import Unavailable
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import (
    ED25519,
    NoteRefused,
    NoteSignature,
    NoteSigner,
    SignedNote,
    VerifierKey,
    note_of,
    require_key_name,
)
from services.adapters import snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.kms_signer import KmsKey, KmsSigner
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.tree_key_rows import TreeKeyRefused, TreeSecret
from services.adapters.vault import Vault
from services.clock import clock_of
from services.logs import logger_of
from services.notary.recorded_rotations import RecordedRotations
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

    def __init__(self, settings: Settings, vault: Vault, log: RecordedRotations) -> None:
        self._vault, self._log, self._clock = vault, log, clock_of(settings)
        self._moved = {settings.tree_key: settings.tree_key_endpoint} if settings.tree_key_endpoint else {}
        """Where the key in the settings is now, though the vault may have an earlier address."""
        self._overlap = int(settings.tree_key_overlap * DAY_MICROS)
        self._read_at = 0.0
        self._kms = KmsSigner(settings)
        self._away: dict[int, float] = {}
        """Former keys elsewhere that could not be used, by number, and when (monotonic)."""
        self._believed: list[TreeSecret] = []
        """Rows that are not sealed, and were believed since the log is at its first level."""
        self.all: list[TreeKey] = []

    async def read(self) -> None:
        """Raises Unavailable, MasterKeyRefused; TreeKeyRefused if somebody else changed when the keys sign."""
        secrets = await self._vault.tree_keys()
        changed = [each.number for each in secrets if not each.is_ours]
        # Asked only once for the same rows, since it reads the world.
        if changed and secrets != self._believed and not await self._log.is_first_level():
            raise TreeKeyRefused(why_changed(changed))
        self._believed = secrets if changed else []
        begun = set(self.own)
        self._take(secrets)
        if lost := begun - set(self.own):
            raise TreeKeyRefused(why_undone(min(each.text for each in lost), self.all))

    async def read_to_rotate(self) -> bool:
        """Reads the keys, whoever wrote the rows. False if somebody else did. At the log's first level what stands there is
        believed. Raises Unavailable, MasterKeyRefused."""
        secrets = await self._vault.tree_keys()
        are_ours = all(each.is_ours for each in secrets)
        if not are_ours and await self._log.is_first_level():
            await self._vault.seal_tree_keys()
            secrets, are_ours = await self._vault.tree_keys(), True
        self._take(secrets)
        return are_ours

    def _take(self, secrets: Sequence[TreeSecret]) -> None:
        found = []
        for each, successor in zip_longest(secrets, secrets[1:]):
            begun = None if successor is None else successor.since
            # Earlier versions did not keep when a key ends.
            until = begun + self._overlap if each.until is None and begun is not None else each.until
            found.append(_tree_key(each, until, self._moved))
        self.all, self._read_at = found[::-1], time.monotonic()

    async def read_sometimes(self) -> None:
        """Raises Unavailable, MasterKeyRefused, TreeKeyRefused."""
        if time.monotonic() > self._read_at + READ_EVERY:
            await self.read()

    async def is_interrupted(self) -> bool:
        """Whether the newest key waits for its rotation to be ended. It may also be one of an earlier time that somebody put
        back: then the log names a later one. Raises Unavailable, OutOfRange, Unreadable."""
        if self.all[0].since is not None:
            return False
        return await self._log.newest(self.origin) in ("", *(each.verifier.text for each in self.all[:2]))

    async def require_none_undone(self, checkpoint: bytes | None) -> None:
        """That no key signed what is published that has not begun by the vault, and that the log names as the newest. Raises
        TreeKeyRefused, Unavailable, OutOfRange, Unreadable."""
        try:
            signatures = () if checkpoint is None else note_of(checkpoint).signatures
        except NoteRefused:  # nobody goes on from it
            return
        if self._has_strange(signatures):
            await self.read()  # another notary may have known a newer key
        if self._has_strange(signatures):
            newest = await self._log.newest(self.origin)
            if newest and newest not in [each.text for each in self.own]:
                raise TreeKeyRefused(why_undone(newest, self.all))

    def _has_strange(self, signatures: Iterable[NoteSignature]) -> bool:
        own = {each.id for each in self.own}
        return any(each.name == self.origin and each.id not in own for each in signatures)

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


async def open_tree_keys(settings: Settings, vault: Vault, log_id: str, rotations: RecordedRotations) -> TreeKeys:
    """Makes the first key if there is none. Raises Unavailable, MasterKeyRefused, TreeKeyRefused, BadSetting."""
    found = TreeKeys(settings, vault, rotations)
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


async def differing_keys(vault: Vault, rotations: Iterable[TreeKeyRotated], level: int) -> list[str]:
    """What the vault says of the keys otherwise than Keytrail left it, each in a sentence. `rotations` and `level`: of the log.
    Raises Unavailable, MasterKeyRefused."""
    secrets = await vault.tree_keys()
    keys = [_tree_key(each, each.until, {}) for each in secrets]
    found = []
    if level > FIRST:
        found += [why_changed([each.number]) for each in secrets if not each.is_ours]
    # A log that was restored has the rotations of its predecessor's keys, which have another name.
    origins = {each.verifier.name for each in keys}
    named = [each.verifier_key for each in rotations if each.verifier_key.partition("+")[0] in origins]
    begun = {each.verifier.text for each in keys if each.since is not None}
    if named and named[-1] not in begun:
        found.append(why_undone(named[-1], keys))
    return found


def why_changed(numbers: Sequence[int]) -> str:
    rows = ", ".join(map(str, numbers))
    return (
        "When keys of the transparency log sign was changed by somebody else, or a key was removed (vault.tree_keys, number "
        f"{rows}). No checkpoint is signed. Find out who writes to the database. Then bring the rows back from a backup, or run "
        "`keytrail log rotate-key` with KEYTRAIL_TREE_KEY_OVERLAP=0: it makes a new key and ends all others at once."
    )


def why_undone(key: str, keys: Iterable[TreeKey]) -> str:
    has_key = any(each.verifier.text == key for each in keys)
    mended = (
        "run `keytrail log rotate-key`, which takes the key into use again."
        if has_key
        else "bring its row back from a backup of the database. A new key (`keytrail log rotate-key`) does instead only if a key "
        "that is still there signed what is published."
    )
    return (
        f"The log names {key} as the key that signs checkpoints, and by the vault (vault.tree_keys) it does not: its rotation "
        f"was interrupted, or undone in the database. No checkpoint is signed. Find out who writes there; then {mended}"
    )


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

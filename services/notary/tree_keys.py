"""The keys that sign checkpoints, sealed in the vault with the name that they sign for. The first is made at the first start.

`keytrail log rotate-key` makes a further one (services/log_keys/tree_key.py). The newest key signs, and each former one beside it
for a while: whoever knows one of the two can check the checkpoints of that time. A rotation decides when the keys before it end,
and the vault keeps that. All keys of a log have one name, its origin.

Whoever writes to Postgres could let an ended key sign again. So the rows are sealed (services/adapters/tree_key_rows.py), and a
row that is not Keytrail's stops the notary. Rows of an earlier time that are put back together are Keytrail's own. A notary
refuses them if it has seen a later key begin, or if the log names one, which whoever writes to Postgres cannot change. Until an
upgrade is finished, the version before writes rows without a seal, and every row is believed.

A key may also be one of AWS KMS or of another installation. The vault then has its ARN and its public half, which was asked for
once: if another key answers under this ARN one day, its signatures are refused.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
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
    note_of,
    require_key_name,
)
from services.adapters import snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.kms_signer import KmsKey, KmsSigner
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.tree_key_rows import TreeKeyRefused, TreeSecret, require_open
from services.adapters.vault import Vault
from services.clock import clock_of, lasting
from services.logs import logger_of
from services.notary.recorded_rotations import RecordedRotations
from services.notary.tree_key_faults import why_all_gone, why_changed, why_undone
from services.settings import BadSetting, Settings

log = logger_of("notary")

SEED_LENGTH = 32
READ_EVERY = 2.0
"""Seconds after which a notary looks whether there is a new key."""
SIGNS_FOR = 20.0
"""Seconds for which it signs with the keys that it read last."""
BELIEVED_FOR = 15.0
"""Seconds for which rows without a seal are believed before the log's level is asked again."""
BEGINS_WITHIN, BEGUN_WITHIN, LOOK_EVERY = 15.0, 5.0, 0.5
"""Seconds in which a key begins after the notary has read the record that names it, and after it has found that record at its
start; and between two looks then. A command lets it begin at once, unless it is killed."""

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
        self._read_at = NEVER
        self._kms = KmsSigner(settings)
        self._away: dict[int, float] = {}
        """Former keys elsewhere that could not be used, by number, and when."""
        self._believed, self._believed_at = list[TreeSecret](), NEVER
        """Rows that are not sealed, and were believed since the log was at its first level then."""
        self._is_past_first_level = self._has_looked_back = False
        self._named, self._named_at = "", NEVER
        """The key that the log named last, while it has not begun; and when that was seen."""
        self.all: list[TreeKey] = []

    async def read(self) -> None:
        """Raises Unavailable, OutOfRange, Unreadable; TreeKeyRefused if somebody else changed when the keys sign."""
        at, secrets = lasting(), await self._vault.tree_keys()
        if not self._are_believed(secrets) and not await self._is_first_level(secrets):
            # What ended the upgrade may have sealed them meanwhile.
            at, secrets = lasting(), await self._vault.tree_keys()
            if changed := [each.number for each in secrets if each.opens and not each.is_ours]:
                raise TreeKeyRefused(why_changed(changed))
        require_open(secrets)
        found = self._found(secrets)
        begun = {each.verifier for each in found if each.since is not None}
        if lost := set(self.own) - begun:
            raise TreeKeyRefused(why_undone(min(each.text for each in lost), [each.verifier for each in found]))
        self.all, self._read_at = found, at
        self._require_named()

    def _are_believed(self, secrets: Sequence[TreeSecret]) -> bool:
        if all(each.is_ours or not each.opens for each in secrets):
            self._believed = []
            return True
        return secrets == self._believed and lasting() < self._believed_at + BELIEVED_FOR

    async def _is_first_level(self, secrets: Sequence[TreeSecret]) -> bool:
        """Asked seldom, since it reads the world; and never again once the answer is no."""
        at = lasting()
        if self._is_past_first_level or not await self._log.is_first_level():
            self._is_past_first_level = True
            return False
        self._believed, self._believed_at = list(secrets), at
        return True

    def is_named(self, key: str) -> None:
        """The log names this key as the one that signs from now on. It has to begin soon: whoever writes to Postgres may show
        the notary what stood there before."""
        if key.startswith(f"{self.origin}+"):
            self._named, self._named_at = key, lasting()

    def _require_named(self) -> None:
        """Raises TreeKeyRefused."""
        if not self._named or self._has_begun(self._named):
            self._named = ""
        elif lasting() > self._named_at + BEGINS_WITHIN:
            raise self._undone(self._named)

    def _has_begun(self, key: str) -> bool:
        return key in [each.text for each in self.own]

    def _undone(self, key: str) -> TreeKeyRefused:
        return TreeKeyRefused(why_undone(key, [each.verifier for each in self.all]))

    async def look_back(self) -> None:
        """Once, before anything is signed, for what this process did not see: that the key which the log names last has begun.
        Raises TreeKeyRefused, Unavailable, OutOfRange, Unreadable."""
        if self._has_looked_back:
            return
        if await self._log.mentioned(self.origin) - {each.text for each in self.own}:
            newest, until = (await self._log.named(self.origin)).newest, lasting() + BEGUN_WITHIN
            while newest and not self._has_begun(newest):  # a rotation may be under way
                if lasting() > until:
                    raise self._undone(newest)
                await asyncio.sleep(LOOK_EVERY)
                await self.read()
        self._has_looked_back = True

    async def read_to_rotate(self) -> bool:
        """Reads the keys, whoever wrote the rows. False if somebody else did. At the log's first level what stands there is
        believed. Raises Unavailable, TreeKeyRefused for a row that does not open."""
        at, secrets = lasting(), await self._vault.tree_keys()
        require_open(secrets)
        are_ours = all(each.is_ours for each in secrets)
        if not are_ours and await self._log.is_first_level():
            await self._vault.seal_tree_keys()
            secrets, are_ours = await self._vault.tree_keys(), True
        self.all, self._read_at = self._found(secrets), at
        return are_ours

    def _found(self, secrets: Sequence[TreeSecret]) -> list[TreeKey]:
        found = []
        for each, successor in zip_longest(secrets, secrets[1:]):
            begun = None if successor is None else successor.since
            # Earlier versions did not keep when a key ends.
            until = begun + self._overlap if each.until is None and begun is not None else each.until
            found.append(tree_key(each, until, self._moved))
        return found[::-1]

    async def read_sometimes(self) -> None:
        """Raises Unavailable, MasterKeyRefused, TreeKeyRefused."""
        if lasting() > self._read_at + READ_EVERY:
            await self.read()

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
            newest = (await self._log.named(self.origin)).newest
            if newest and not self._has_begun(newest):
                raise self._undone(newest)

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
        """Waits for the newest key. A former one that cannot be used is left out, and asked again later. Raises Unavailable, also
        if it was not read lately when the keys sign: what is in memory may have ended."""
        if lasting() > self._read_at + SIGNS_FOR:
            raise Unavailable(f"when the transparency log's keys sign was not read for {SIGNS_FOR:.0f} s")
        newest, *former = self._signing()
        signatures = [await self._signature(newest, head.text)]
        for each in former:
            try:
                signatures.append(await self._signature(each, head.text))
            except Unavailable as fault:
                self._away[each.number] = lasting()
                log.warning("a former key does not sign the checkpoint", key=each.verifier.id.hex(), reason=str(fault))
        return SignedNote(head.text, tuple(signatures))

    async def _signature(self, key: TreeKey, text: str) -> NoteSignature:
        if not isinstance(key.held, KmsKey):
            return NoteSigner(key.verifier.name, key.held).signed(text)
        signature = await self._kms.signature(key.held, key.verifier.public, text.encode())
        return NoteSignature(key.verifier.name, key.verifier.id, signature)

    def _signing(self) -> list[TreeKey]:
        now, lately = self._clock.now(), lasting() - ASKED_AGAIN
        return [each for each in self.all if each.signs(now) and self._away.get(each.number, NEVER) <= lately]


async def open_tree_keys(
    settings: Settings, vault: Vault, log_id: str, rotations: RecordedRotations, there_is: str
) -> TreeKeys:
    """Makes the first key if there is none. `there_is`: what shows that there was one; "" for nothing. Raises Unavailable,
    MasterKeyRefused, TreeKeyRefused, BadSetting."""
    found = TreeKeys(settings, vault, rotations)
    await found.read()
    if not found.all:
        if there_is:
            raise TreeKeyRefused(why_all_gone(there_is))
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
    """The public half of each key that the vault has, the newest first. Raises Unavailable, TreeKeyRefused."""
    return [tree_key(each, None, {}).verifier for each in reversed(await vault.tree_keys()) if each.opens]


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


def tree_key(found: TreeSecret, until: int | None, moved: Mapping[str, str]) -> TreeKey:
    first, (origin, *where) = found.secret[:SEED_LENGTH], found.secret[SEED_LENGTH:].decode().split("\n")
    held = KmsKey(where[0], moved.get(where[0], where[1])) if where else Ed25519PrivateKey.from_private_bytes(first)
    public = first if isinstance(held, KmsKey) else held.public_key().public_bytes_raw()
    return TreeKey(found.number, VerifierKey(origin, ED25519, public), held, found.since, until)

"""Checkpoints: the size and root of a log's tree, signed by the log and cosigned by witnesses.

Source: C2SP tlog-checkpoint and tlog-cosignature (Ed25519, version 1).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.merkle import HASH_LENGTH
from domain.transparency.notes import (
    COSIGNATURE,
    ED25519,
    SIGNATURE_LENGTH,
    NoteRefused,
    NoteSignature,
    NoteSigner,
    SignedNote,
    VerifierKey,
    decoded_base64,
    require_signed,
)

_TIME_LENGTH = 8
_LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` names the log. `root` is that of the tree of its first `size` leaves."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def signed_by(self, *signers: NoteSigner) -> SignedNote:
        return SignedNote(self.text, tuple(each.signed(self.text) for each in signers))


def checkpoint(text: str) -> Checkpoint:
    """Reads a note's text as a checkpoint. Lines that follow the root are passed over. Raises NoteRefused."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteRefused("a checkpoint has three lines: origin, size and root")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit() and str(int(size[:20])) == size and int(size) <= _LATEST):
        raise NoteRefused("the size of a checkpoint is a decimal number")
    decoded = decoded_base64(root)
    if len(decoded) != HASH_LENGTH:
        raise NoteRefused("the root of a checkpoint is a SHA-256")
    return Checkpoint(origin, int(size), decoded)


def checkpoint_by(note: SignedNote, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a note that the log's key signed. Raises NoteRefused."""
    if key.kind != ED25519:
        raise NoteRefused(f"the key of {key.name} is a witness's, not a log's")
    require_signed(note, key)
    found = checkpoint(note.text)
    if found.origin != key.name:
        raise NoteRefused(f"the checkpoint is of {found.origin}, and the key is of {key.name}")
    return found


def checkpoint_by_one_of(note: SignedNote, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, VerifierKey]:
    """The checkpoint of a note that a key of the log signed, and the first of these keys that did. Each signature in the name of
    one of them has to hold (C2SP signed-note). Raises NoteRefused."""
    mine = [each for each in keys if note.by(each) is not None]
    if not mine:
        raise NoteRefused(f"it is not signed by {' or '.join(f'{each.name} {each.id.hex()}' for each in keys)}")
    found = [checkpoint_by(note, each) for each in mine]
    return found[0], mine[0]


def _cosigned(at: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class WitnessSigner:
    """Cosigns checkpoints: says that at a time the log's largest tree that it had seen was this one."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, COSIGNATURE, self.private.public_key().public_bytes_raw())

    def cosigned(self, text: str, at: int) -> NoteSignature:
        """`at`: POSIX seconds."""
        signature = self.private.sign(_cosigned(at, text))
        return NoteSignature(self.name, self.verifier.id, at.to_bytes(_TIME_LENGTH, "big") + signature)


def cosigned_at(note: SignedNote, key: VerifierKey) -> int | None:
    """When the witness cosigned the checkpoint, in POSIX seconds; None if it did not. Raises NoteRefused for a cosignature that
    does not hold."""
    if key.kind != COSIGNATURE:
        raise NoteRefused(f"the key of {key.name} is a log's, not a witness's")
    found = note.by(key)
    if found is None:
        return None
    at, signature = int.from_bytes(found.signature[:_TIME_LENGTH], "big"), found.signature[_TIME_LENGTH:]
    if len(signature) != SIGNATURE_LENGTH or at > _LATEST or not key.holds(signature, _cosigned(at, note.text)):
        raise NoteRefused(f"the cosignature of {key.name} does not hold")
    return at

"""Signed notes: a text, and lines of signatures below it. Checkpoints are signed notes.

Source: C2SP signed-note. Ed25519 signatures of the text (type 1) are a log's own; timestamped ones (type 4) are a witness's
(checkpoints.py).
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519, COSIGNATURE = 1, 4
"""The types of signature."""
PUBLIC_LENGTH, SIGNATURE_LENGTH, ID_LENGTH = 32, 64, 4
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""Control characters but the line break."""
MOST_SIGNATURES, LONGEST_NOTE = 64, 1_000_000
_DASH = "\N{EM DASH} "


class NoteRefused(Exception):
    """A text that is no signed note or verifier key, or a note whose signatures do not hold. The message says why."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a signer's key. `public` has 32 bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:ID_LENGTH]

    @property
    def text(self) -> str:
        """The verifier key as text (vkey): its name, its id, and its type with the key."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    def holds(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def require_key_name(name: str) -> None:
    """Raises NoteRefused."""
    if not name or "+" in name or any(each.isspace() or ord(each) < 0x20 for each in name):
        raise NoteRefused("the name of a key has neither spaces nor +")


def verifier_key(text: str) -> VerifierKey:
    """Raises NoteRefused."""
    name, id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    require_key_name(name)
    key = decoded_base64(encoded) if encoded else b""
    if len(key) != 1 + PUBLIC_LENGTH or key[0] not in (ED25519, COSIGNATURE):
        raise NoteRefused("a verifier key is a name, an id and an Ed25519 key in base64, with + between them")
    found = VerifierKey(name, key[0], key[1:])
    if found.id.hex() != id:
        raise NoteRefused(f"the verifier key of {name} has another id than its name and key give")
    return found


def verifier_keys(text: str) -> list[VerifierKey]:
    """The keys of a text that has one on each line. Raises NoteRefused."""
    return [verifier_key(line) for line in text.splitlines() if line.strip()]


def decoded_base64(text: str) -> bytes:
    """Only the one text that encodes these bytes is taken, so that no note has a second form. Raises NoteRefused."""
    try:
        found = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found or b64encode(found).decode() != text:
        raise NoteRefused("it is not base64")
    return found


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line below a note. `signature` is what follows the key's id."""

    name: str
    id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.id + self.signature).decode()}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it names this key. Whether it holds is another question."""
        return (self.name, self.id) == (key.name, key.id)


def signature_line(line: str) -> NoteSignature:
    """Raises NoteRefused."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != _DASH.strip() or not encoded:
        raise NoteRefused("a line of a signature has a dash, a name and the signature")
    require_key_name(name)
    decoded = decoded_base64(encoded)
    if len(decoded) <= ID_LENGTH:
        raise NoteRefused("a signature is too short")
    return NoteSignature(name, decoded[:ID_LENGTH], decoded[ID_LENGTH:])


@dataclass(frozen=True, slots=True)
class SignedNote:
    """`text` ends in a line break."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(each.line for each in self.signatures)

    def by(self, key: VerifierKey) -> NoteSignature | None:
        return next((each for each in self.signatures if each.is_by(key)), None)

    def beside(self, more: Iterable[NoteSignature]) -> SignedNote:
        """The note with further signatures. One of the same key takes the place of the former."""
        found = {(each.name, each.id): each for each in (*self.signatures, *more)}
        return SignedNote(self.text, tuple(found.values()))


def signed_note(text: str) -> SignedNote:
    """Reads a note; no signature is checked. Raises NoteRefused."""
    if len(text) > LONGEST_NOTE:
        raise NoteRefused("it is too long")
    if CONTROL.search(text):
        raise NoteRefused("it has a control character")
    body, empty, below = text.rpartition("\n\n")
    lines = below.split("\n")
    if not empty or not below or lines.pop():
        raise NoteRefused("it does not end in lines of signatures below an empty line")
    if len(lines) > MOST_SIGNATURES:
        raise NoteRefused(f"it has more than {MOST_SIGNATURES} signatures")
    return SignedNote(body + "\n", tuple(signature_line(line) for line in lines))


def note_of(content: bytes) -> SignedNote:
    """Reads the bytes of a file; no signature is checked. Raises NoteRefused."""
    try:
        return signed_note(content.decode())
    except UnicodeDecodeError as fault:
        raise NoteRefused(f"it is no text: {fault}") from None


def require_signed(note: SignedNote, key: VerifierKey) -> None:
    """That this key signed the note's text (type Ed25519). Raises NoteRefused."""
    mine = [each for each in note.signatures if each.is_by(key)]
    if not mine:
        raise NoteRefused(f"it is not signed by {key.name} {key.id.hex()}")
    if not all(key.holds(each.signature, note.text.encode()) for each in mine):
        raise NoteRefused(f"the signature of {key.name} {key.id.hex()} does not hold")


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """Signs notes by one key (type Ed25519, RFC 8032): the same text always gets the same signature."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, ED25519, self.private.public_key().public_bytes_raw())

    def signed(self, text: str) -> NoteSignature:
        return NoteSignature(self.name, self.verifier.id, self.private.sign(text.encode()))

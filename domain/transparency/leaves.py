"""The leaves of the transparency log: each is a commitment to one record and to its place on the topics.

A public tree must tell nobody's business, so a leaf holds no part of a record, and a record that somebody can guess cannot be
confirmed. Two things keep a record from being guessed: a whole record ends in its MAC, which only the installation can make;
the parts of a record across two accounts are salted (domain/log/authenticity.py). Either the SHA-256 of the value or the
commitment to its parts goes into the leaf. So whoever is shown a record, or the part that is theirs, can make the leaf again
without any secret.
"""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass
from hashlib import sha256

from domain.log.authenticity import Parts, commitment, envelope_start

WHOLE, IN_PARTS = "whole", "parts"
"""What a leaf commits to: the SHA-256 of the whole value, or its parts."""
ENTRY_LENGTH = 32
_PARTS = b',"parts":"'
_PARTS_LENGTH = len(_PARTS) + 43 + 1


@dataclass(frozen=True, slots=True)
class LeafPlace:
    """The place of a record: kind of topic, partition and position (its offset)."""

    kind: str
    partition: int
    position: int

    def __str__(self) -> str:
        return f"{self.kind} {self.partition}@{self.position}"


def entry_of(place: LeafPlace, value: bytes) -> bytes:
    """32 bytes: the entry of a record, by its value on the topic."""
    parts = parts_of_value(value)
    return entry(place, WHOLE, sha256(value).digest()) if parts is None else entry(place, IN_PARTS, parts)


def entry_of_parts(place: LeafPlace, salts: bytes, parts: Parts) -> bytes:
    """The same for a record across two accounts, by its parts and the 48 bytes of their salts."""
    return entry(place, IN_PARTS, commitment(salts, parts))


def entry(place: LeafPlace, form: str, bound: bytes) -> bytes:
    """`bound`: 32 bytes, the SHA-256 of a whole value or the commitment to parts."""
    named = f"keytrail leaf v1\n{place.kind}\n{place.partition}\n{place.position}\n{form}\n".encode()
    return sha256(named + bound).digest()


def parts_of_value(value: bytes) -> bytes | None:
    """The commitment to its parts that a value has right before its envelope; None for a value of one account."""
    end = envelope_start(value)
    start = end - _PARTS_LENGTH
    if start < 0 or value[start : start + len(_PARTS)] != _PARTS:
        return None
    return a2b_base64(value[start + len(_PARTS) : end - 1] + b"=")

"""Who wrote a record: the MAC that every value on a topic carries, and the keys that make it.

The chain (chain.py) orders records. It does not show who wrote them, since anybody can compute a SHA-256. So each value
ends in an envelope, which only a process that has the vault's root secret can make:

    {... the record ...,"auth":{"alg":"HS256","key":"<16 hex>","mac":"<43>"}}

`mac` is HMAC-SHA-256 (RFC 2104; HS256 in RFC 7518), in base64 without padding, over the kind of topic, the log's id and
the SHA-256 of every byte of the value before the MAC's own text. It does not cover the topic's name, which a restore may
change. `key` names the secret that the key was derived from. If the value is not ours (a record of AWS CloudTrail, kept
byte for byte), the envelope follows on a line of its own.

A record across two accounts has `"parts":"<43>"` before its envelope: a commitment to the record in three pieces. So one
piece can be shown to somebody who may not see the others (`commitment`). Any other record belongs to one account as a
whole, and the SHA-256 of its value commits to it: nobody can guess a value that holds a MAC.

Keys are derived from a secret as NIST SP 800-108 describes (HMAC-SHA-256 in counter mode, one block): one for each kind of
topic of each log, and one for each kind of row that is trusted when it is read back. So a value that is authentic in one
place is worthless in another.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

from domain.crypto.keyed_hash import KeyedHash

EVENTS, DECISIONS, ALERTS, COMMANDS, ORDER, TRAIL = "events", "decisions", "alerts", "commands", "order", "trail"
KINDS = (EVENTS, DECISIONS, ALERTS, COMMANDS, ORDER, TRAIL)
"""The kinds of topic; a trail's topic adds a dot and the trail's name."""
SNAPSHOT, POSITION, PERMIT, PIN, COUNT, TOLD = "snapshot", "position", "permit", "pin", "count", "told"
LEAF_ORDER, LEVEL_MARK, DEVICE, DUE_HOLD = "leaf-order", "level", "device", "due-hold"
"""The kinds of row that are trusted when they are read back."""

ALGORITHM = "HS256"
KEY_ID_LENGTH = 16
_MAC_LENGTH = 43  # 32 bytes in base64 without padding
_END = b'"}}'


class KeyMissing(Exception):
    """The log goes on under a key that this process has not read from the vault yet. Read the keys again, then the record."""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Parts:
    """A record in three pieces: what the caller's account may see, what the resource's account may see, and what both may
    see.

    Each piece is the JSON of an object; together they hold the whole record.
    """

    caller: bytes
    resource: bytes
    rest: bytes


def commitment(salts: bytes, parts: Parts) -> bytes:
    """32 bytes that bind the three parts and reveal nothing about them: a tree of three salted leaves, hashed as in RFC
    6962 (0 before a leaf, 1 before a node). To check one part, a reader needs its salt and the two other leaves.

    `salts`: 16 bytes for each part.
    """
    return sha256(
        b"\1%b%b%b"
        % (
            sha256(b"\0%b%b" % (salts[:16], parts.caller)).digest(),
            sha256(b"\0%b%b" % (salts[16:32], parts.resource)).digest(),
            sha256(b"\0%b%b" % (salts[32:], parts.rest)).digest(),
        )
    ).digest()


def _text(value: bytes) -> bytes:
    return b2a_base64(value, newline=False)[:_MAC_LENGTH]


def _derived(secret: bytes, label: str, context: str) -> bytes:
    """32 bytes (SP 800-108, section 4.1). A different label or context gives a different key."""
    return hmac.digest(secret, b"\0\0\0\1" + label.encode() + b"\0" + context.encode() + b"\0\0\1\0", "sha256")


class Seal:
    """Makes and checks envelopes with the key of one kind of topic of one log, under one secret."""

    __slots__ = ("_joint", "_keyed", "_line", "_salting")

    def __init__(self, secret: bytes, key_id: str, kind: str, log: str) -> None:
        key = _derived(secret, f"keytrail {kind}", log)
        self._keyed = KeyedHash(key, f"keytrail\0{kind}\0{log}\0".encode())
        self._salting = _derived(secret, f"keytrail salts of {kind}", log)
        start = f'"auth":{{"alg":"{ALGORITHM}","key":"{key_id}","mac":"'.encode()
        self._joint = b"," + start
        self._line = b"\n{" + start

    def salts(self, rest: bytes) -> bytes:
        """48 bytes. They follow from `rest`, which is different in every record, and from the key. So nothing has to be
        kept to show a part later."""
        return blake2b(rest, digest_size=48, key=self._salting).digest()

    def sealed(self, body: bytes, parts: Parts | None = None) -> tuple[bytes, str]:
        """The value to append and its digest. `body` is the JSON of an object that is not empty."""
        return self.sealed_with(body[:-1], parts)

    def sealed_with(self, start: bytes, parts: Parts | None = None) -> tuple[bytes, str]:
        """As `sealed`, for a body without its last bracket: for callers that assemble many bodies."""
        if parts is not None:
            start = b'%b,"parts":"%b"' % (start, _text(commitment(self.salts(parts.rest), parts)))
        return self._ended(start + self._joint)

    def behind(self, value: bytes) -> bytes:
        """The value to append for bytes that are not ours. They stay unchanged, and the envelope follows on a line of its
        own."""
        start = value + self._line
        return start + _text(self._keyed.digest(sha256(start).digest())) + _END

    def _ended(self, start: bytes) -> tuple[bytes, str]:
        hashed = sha256(start)
        end = _text(self._keyed.digest(hashed.digest())) + _END
        hashed.update(end)
        return start + end, hashed.hexdigest()

    def holds(self, value: bytes) -> bool:
        """Whether the value ends in the envelope that this key makes for it."""
        return self._checked(value) is not None

    def digest(self, value: bytes) -> str | None:
        """The digest of a value that `holds`; None for any other. The MAC hashes nearly the whole value anyway."""
        hashed = self._checked(value)
        if hashed is None:
            return None
        hashed.update(value[-_MAC_LENGTH - len(_END) :])
        return str(hashed.hexdigest())

    def _checked(self, value: bytes) -> Any:
        """The hash of a value that `holds`, up to its MAC."""
        start = len(value) - _MAC_LENGTH - len(_END)
        if start < 0 or value[-len(_END) :] != _END:
            return None
        hashed = sha256(memoryview(value)[:start])
        mac = _text(self._keyed.digest(hashed.digest()))
        return hashed if hmac.compare_digest(mac, value[start : start + _MAC_LENGTH]) else None


_MARK = f'"auth":{{"alg":"{ALGORITHM}","key":"'.encode()
_ENVELOPE = len(_MARK) + KEY_ID_LENGTH + len(b'","mac":"') + _MAC_LENGTH + len(_END)


def key_of(value: bytes) -> str:
    """The id of the key that a value names in its envelope; "" for a value without an envelope."""
    start = len(value) - _ENVELOPE
    if start < 2 or value[start : start + len(_MARK)] != _MARK:
        return ""
    name = value[start + len(_MARK) : start + len(_MARK) + KEY_ID_LENGTH]
    return name.decode() if name.isalnum() and name.isascii() else ""


def envelope_start(value: bytes) -> int:
    """Where the envelope of a value that ends in one begins: at the comma before it, or at its line break."""
    return len(value) - _ENVELOPE - 1


def before_envelope(value: bytes) -> bytes:
    """The bytes before an envelope that `Seal.behind` added; a value without an envelope is returned unchanged."""
    start = len(value) - _ENVELOPE - 2
    return value[:start] if key_of(value) and value[start : start + 2] == b"\n{" else value


def key_id(secret: bytes) -> str:
    """The name of a secret. It reveals nothing about the secret, and every secret has a different name."""
    return sha256(b"keytrail record key\0" + secret).hexdigest()[:KEY_ID_LENGTH]


class Keyring:
    """The secrets that records were authenticated with, in the order in which they came into use. The last one is used now.

    Each process has one keyring. `renew` adds the secrets of a rotation. `strict`: this installation does not accept a log
    without MACs, or no longer does.
    """

    def __init__(self, secrets: Iterable[bytes], *, strict: bool = True) -> None:
        self.strict = strict
        self._secrets: dict[str, bytes] = {}
        self._seals: dict[tuple[str, str, str], Seal] = {}
        self._row_hashes: dict[tuple[str, str], KeyedHash] = {}
        self.renew(secrets)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._secrets)})"

    def renew(self, secrets: Iterable[bytes]) -> None:
        for secret in secrets:
            self._secrets.setdefault(key_id(secret), secret)
        self._usual = _MARK + self.newest.encode()

    def is_usual(self, value: bytes) -> bool:
        """Whether a value names the newest key in its envelope, as nearly all values do."""
        return value.startswith(self._usual, max(0, len(value) - _ENVELOPE))

    def __contains__(self, name: str) -> bool:
        return name in self._secrets

    def names(self) -> list[str]:
        """The name of every secret, oldest first."""
        return list(self._secrets)

    @property
    def newest(self) -> str:
        return next(reversed(self._secrets))

    def seal(self, name: str, kind: str, log: str) -> Seal:
        """Raises KeyMissing."""
        found = self._seals.get((name, kind, log))
        if found is None:
            secret = self._secrets.get(name)
            if secret is None:
                raise KeyMissing(name)
            if kind not in KINDS and not kind.startswith(f"{TRAIL}."):
                raise ValueError(kind)
            found = self._seals[name, kind, log] = Seal(secret, name, kind, log)
        return found

    def derived(self, name: str, purpose: str) -> bytes:
        """32 bytes for one purpose, under the key that is derived from a secret. Raises KeyMissing."""
        secret = self._secrets.get(name)
        if secret is None:
            raise KeyMissing(name)
        return _derived(secret, f"keytrail {purpose}", "")

    # -- rows that are read back as true ------------------------------------------------------------------------------

    def rank(self, name: str) -> int:
        """The place of a key in the order in which keys came into use; -1 for an unknown name."""
        return list(self._secrets).index(name) if name in self._secrets else -1

    def mac(self, kind: str, *fields: str | int | bytes, under: str = "") -> str:
        """The MAC of a row's fields with its key's name. The key is the newest or, if `under` names one, that one."""
        name = under or self.newest
        return f"{name}:{self._row_mac(name, kind, fields)}"

    def holds(self, mac: str | None, kind: str, *fields: str | int | bytes, under: str = "") -> bool:
        """Whether one of the keys made this MAC of these fields. If `under` names a key, it must be that one."""
        name, _, given = (mac or "").partition(":")
        if under and name != under:
            return False
        made = self._row_mac(name, kind, fields).encode() if name in self._secrets else b""
        return bool(made) and hmac.compare_digest(made, given.encode("utf-8", "replace"))

    def _row_mac(self, name: str, kind: str, fields: Sequence[str | int | bytes]) -> str:
        return self.row_hash(name, f"row {kind}").digest(framed(fields)).hex()

    def row_hash(self, name: str, purpose: str) -> KeyedHash:
        """The keyed hash for one purpose, under the key that is derived from a secret. Raises KeyMissing."""
        found = self._row_hashes.get((name, purpose))
        if found is None:
            found = self._row_hashes[name, purpose] = KeyedHash(self.derived(name, purpose))
        return found


def key_of_row(mac: str | None) -> str:
    """The name of the key that a row's MAC names."""
    return (mac or "").partition(":")[0]


def framed(fields: Sequence[str | int | bytes]) -> bytes:
    """The bytes of a row's fields; different fields give different bytes."""
    found = []
    for each in fields:
        field = each if isinstance(each, bytes) else str(each).encode()
        found += [len(field).to_bytes(8, "big"), field]
    return b"".join(found)

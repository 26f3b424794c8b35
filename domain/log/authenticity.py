"""Who wrote a record: the MAC that every value on a topic carries, and the keys that make it.

The chain (chain.py) orders records; it says nothing of who wrote them, since anybody can compute a SHA-256. So each value
ends in an envelope, which only a process that has the vault's root secret can make:

    {... the record ...,"auth":{"alg":"HS256","key":"<16 hex>","mac":"<43>"}}

`mac` is HMAC-SHA-256 (RFC 2104; HS256 in RFC 7518), in base64 without padding, over the kind of topic, the log's id and
the SHA-256 of every byte of the value before the MAC's own text. It is not over the topic's name, which a restore may
change. `key` names the secret that the key was derived from. Where the value is not ours (a record of AWS CloudTrail, kept
byte for byte), the envelope is a line of its own behind it.

A record across two accounts has `"parts":"<43>"` before its envelope: a commitment to the record in three pieces, so that
one of them can be shown to somebody who may not see the others (`commitment`). Any other record is its account's as a
whole, and the SHA-256 of its value commits to it: nobody can guess a value that holds a MAC.

Keys are derived from a secret as NIST SP 800-108 describes (HMAC-SHA-256 in counter mode, one block): one for each kind of
topic of each log, and one for each kind of row that is read back as true. So a value that is authentic in one place is
nothing in another.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

from domain.crypto.keyed_hash import KeyedHash

EVENTS, DECISIONS, ALERTS, COMMANDS, TRAIL = "events", "decisions", "alerts", "commands", "trail"
KINDS = (EVENTS, DECISIONS, ALERTS, COMMANDS, TRAIL)
"""The kinds of topic; that of a trail goes on with a dot and the trail's name."""
SNAPSHOT, POSITION, PERMIT, PIN, COUNT, TOLD = "snapshot", "position", "permit", "pin", "count", "told"
"""The kinds of row that are read back as true."""

ALGORITHM = "HS256"
KEY_ID_LENGTH = 16
_MAC_LENGTH = 43  # 32 bytes in base64 without padding
_END = b'"}}'


class KeyMissing(Exception):
    """The log goes on under a key that this process has not read from the vault yet. Read the keys again, then the record."""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Parts:
    """A record in three pieces: what the caller's account may be shown, what the resource's may, and what both may.

    Each is the JSON of an object; together they hold everything that the record says.
    """

    caller: bytes
    resource: bytes
    rest: bytes


def commitment(salts: bytes, parts: Parts) -> bytes:
    """32 bytes that bind the three parts and reveal nothing of them: a tree of three salted leaves, hashed as RFC 6962
    does (0 before a leaf, 1 before a node). Who is shown one part gets its salt and the two other leaves.

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
    """32 bytes (SP 800-108, section 4.1): label and context tell purposes apart."""
    return hmac.digest(secret, b"\0\0\0\1" + label.encode() + b"\0" + context.encode() + b"\0\0\1\0", "sha256")


class Seal:
    """The key of one kind of topic of one log, under one secret: makes envelopes and checks them."""

    __slots__ = ("_joint", "_keyed", "_line", "_salting")

    def __init__(self, secret: bytes, key_id: str, kind: str, log: str) -> None:
        key = _derived(secret, f"keytrail {kind}", log)
        self._keyed = KeyedHash(key, f"keytrail\0{kind}\0{log}\0".encode())
        self._salting = _derived(secret, f"keytrail salts of {kind}", log)
        start = f'"auth":{{"alg":"{ALGORITHM}","key":"{key_id}","mac":"'.encode()
        self._joint = b"," + start
        self._line = b"\n{" + start

    def salts(self, rest: bytes) -> bytes:
        """48 bytes. They follow from `rest`, which no two records share, and from the key: nothing has to be kept to show a
        part later."""
        return blake2b(rest, digest_size=48, key=self._salting).digest()

    def sealed(self, body: bytes, parts: Parts | None = None) -> tuple[bytes, str]:
        """The value to append of `body`, the JSON of an object that is not empty, and the value's digest."""
        return self.sealed_with(body[:-1], parts)

    def sealed_with(self, start: bytes, parts: Parts | None = None) -> tuple[bytes, str]:
        """As `sealed`, of a body without its last bracket: for who puts it together, and has many."""
        if parts is not None:
            start = b'%b,"parts":"%b"' % (start, _text(commitment(self.salts(parts.rest), parts)))
        return self._ended(start + self._joint)

    def behind(self, value: bytes) -> bytes:
        """The value to append of bytes that are not ours: they stay as they are, and the envelope is a line behind them."""
        start = value + self._line
        return start + _text(self._keyed.digest(sha256(start).digest())) + _END

    def _ended(self, start: bytes) -> tuple[bytes, str]:
        hashed = sha256(start)
        end = _text(self._keyed.digest(hashed.digest())) + _END
        hashed.update(end)
        return start + end, hashed.hexdigest()

    def holds(self, value: bytes) -> bool:
        """Whether the value ends in the envelope that this key makes of it."""
        return self._checked(value) is not None

    def digest(self, value: bytes) -> str | None:
        """The digest of a value that `holds`, None of any other: nearly all of it is hashed for the MAC anyway."""
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
    """The id of the key that a value says it was authenticated with; "" for a value without an envelope."""
    start = len(value) - _ENVELOPE
    if start < 2 or value[start : start + len(_MARK)] != _MARK:
        return ""
    name = value[start + len(_MARK) : start + len(_MARK) + KEY_ID_LENGTH]
    return name.decode() if name.isalnum() and name.isascii() else ""


def before_envelope(value: bytes) -> bytes:
    """The bytes that were there before an envelope was put behind them (`Seal.behind`); a value without one as it is."""
    start = len(value) - _ENVELOPE - 2
    return value[:start] if key_of(value) and value[start : start + 2] == b"\n{" else value


def key_id(secret: bytes) -> str:
    """The name of a secret: says nothing of it, and another secret has another."""
    return sha256(b"keytrail record key\0" + secret).hexdigest()[:KEY_ID_LENGTH]


class Keyring:
    """The secrets that records were authenticated with, in the order in which they came into use; the last one is used now.

    One for each process. `renew` takes in what a rotation has added. `strict`: a log without MACs is not this
    installation's, or not any more.
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
        """Whether a value says that it was authenticated with the newest key, as nearly all do."""
        return value.startswith(self._usual, max(0, len(value) - _ENVELOPE))

    def __contains__(self, name: str) -> bool:
        return name in self._secrets

    def names(self) -> list[str]:
        """Of every secret, oldest first."""
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

    # -- rows that are read back as true ------------------------------------------------------------------------------

    def rank(self, name: str) -> int:
        """Keys in the order in which they came into use; -1 for a name that is not known."""
        return list(self._secrets).index(name) if name in self._secrets else -1

    def mac(self, kind: str, *fields: str | int | bytes, under: str = "") -> str:
        """The MAC of a row's fields with its key's name: that of the key that is used now, or of another."""
        name = under or self.newest
        return f"{name}:{self._row_mac(name, kind, fields)}"

    def holds(self, mac: str | None, kind: str, *fields: str | int | bytes, under: str = "") -> bool:
        """Whether one of the keys made this MAC of these fields; where one is named, that one."""
        name, _, given = (mac or "").partition(":")
        if under and name != under:
            return False
        made = self._row_mac(name, kind, fields).encode() if name in self._secrets else b""
        return bool(made) and hmac.compare_digest(made, given.encode("utf-8", "replace"))

    def _row_mac(self, name: str, kind: str, fields: Sequence[str | int | bytes]) -> str:
        return self.row_hash(name, f"row {kind}").digest(framed(fields)).hex()

    def row_hash(self, name: str, purpose: str) -> KeyedHash:
        """Under the key that a secret gives for one purpose. Raises KeyMissing."""
        found = self._row_hashes.get((name, purpose))
        if found is None:
            secret = self._secrets.get(name)
            if secret is None:
                raise KeyMissing(name)
            found = self._row_hashes[name, purpose] = KeyedHash(_derived(secret, f"keytrail {purpose}", ""))
        return found


def key_of_row(mac: str | None) -> str:
    """The name of the key that a row's MAC says it was made under."""
    return (mac or "").partition(":")[0]


def framed(fields: Sequence[str | int | bytes]) -> bytes:
    """The bytes of a row's fields; no two rows have the same."""
    found = []
    for each in fields:
        field = each if isinstance(each, bytes) else str(each).encode()
        found += [len(field).to_bytes(8, "big"), field]
    return b"".join(found)

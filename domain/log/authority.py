"""Which records of an installation's topics the installation itself wrote, according to its own log.

A log says from which record on every record must be authentic: a new log from its first record, a log that an earlier
version began from `log.authenticated` on. It also says when the key changed, and which offsets of the other topics were
written before the change. Under a retired key, or without a key, values before these offsets count; later ones do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from domain.log.authenticity import EVENTS, TRAIL, Keyring, key_of

NO_KEY = ""
"""In place of a key's id, for records without an envelope: earlier versions made none."""

Offsets = Mapping[str, Mapping[str, int]]
"""By kind of topic and partition: the first offset to which this no longer applies."""

CREATED, AUTHENTICATED, ROTATED, RETIRED = "log.created", "log.authenticated", "log.key-rotated", "log.key-retired"


@dataclass(slots=True)
class Authority:
    """`since` is the position of the first record that had to be authentic (-1: none yet), `digest` that record's digest.

    `key` is the id of the key that `events` goes on under. `retired`: for each key that is no longer used, the offsets of
    the other topics below which records under it count.
    """

    log: str = ""
    since: int = -1
    digest: str = ""
    key: str = NO_KEY
    retired: dict[str, Offsets] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether every record has to be authentic from now on."""
        return self.since >= 0

    def is_settled(self, keys: Keyring) -> bool:
        """Whether decisions may be based on the log: it is authenticated, or it comes from a version that made no MACs."""
        return self.begun or not keys.strict

    def document(self) -> dict[str, Any]:
        """As JSON, for snapshots and the pin; `authority_from` is the inverse."""
        retired = {
            name: {kind: dict(offsets) for kind, offsets in kinds.items()} for name, kinds in self.retired.items()
        }
        return {"log": self.log, "since": self.since, "digest": self.digest, "key": self.key, "retired": retired}

    def copied(self) -> Authority:
        """Another one that says the same, and goes on by itself."""
        return replace(self, retired=dict(self.retired))

    # -- the log itself -----------------------------------------------------------------------------------------------

    def admits(self, keys: Keyring, value: bytes, document: Mapping[str, Any]) -> bool:
        """Whether the next record of `events`, which links to the one before it, is authentic. Raises KeyMissing if it must
        be under a key that this process does not have."""
        named, log = key_of(value), self.log or _created_log(document)
        if self.begun:
            return named == self.key and keys.seal(named, EVENTS, log).holds(value)
        if named == NO_KEY:
            # An earlier version wrote it. The events that begin authentication cannot be without a MAC themselves.
            return _event_name(document) not in (AUTHENTICATED, ROTATED, RETIRED)
        return named in keys and keys.seal(named, EVENTS, log).holds(value)

    def follow(self, position: int, digest: str, value: bytes, document: Mapping[str, Any]) -> None:
        """Take in what a valid record says about authenticity."""
        name = _event_name(document)
        if name not in _OURS:
            return
        data = document["event"]["data"]
        if name == CREATED:
            self.log = str(data["log"])
            if key_of(value) != NO_KEY:
                self._begin(position, digest, key_of(value), {})
        elif name == AUTHENTICATED and not self.begun:
            self._begin(position, digest, key_of(value), data["before"])
        elif name == ROTATED:
            self.key = str(data["authentication_key"])
        elif name == RETIRED and data["authentication_key"] != self.key:
            self.retired.setdefault(str(data["authentication_key"]), data["before"])

    def _begin(self, position: int, digest: str, key: str, before: Offsets) -> None:
        self.since, self.digest, self.key = position, digest, key
        self.retired[NO_KEY] = before

    # -- the other topics ---------------------------------------------------------------------------------------------

    def believes(self, keys: Keyring, kind: str, partition: int, offset: int, value: bytes) -> bool:
        """Whether this installation wrote the value at this offset of a topic other than `events`.

        A rotation may have added a key that the log does not name yet. It is trusted, since only this installation could
        have put it among `keys`.
        """
        named = key_of(value)
        if self._is_over(named, kind, partition, offset):
            return False
        return named == NO_KEY or (named in keys and keys.seal(named, kind, self.log).holds(value))

    def digest_believed(self, keys: Keyring, kind: str, partition: int, offset: int, value: bytes) -> str | None:
        """The digest of a value that `believes` accepts; None for any other."""
        named = key_of(value)
        if self._is_over(named, kind, partition, offset):
            return None
        if named == NO_KEY:
            return sha256(value).hexdigest()
        return keys.seal(named, kind, self.log).digest(value) if named in keys else None

    def _is_over(self, named: str, kind: str, partition: int, offset: int) -> bool:
        """Whether values under this key no longer count at this offset."""
        before = self.retired.get(named)
        return before is not None and offset >= before.get(kind, {}).get(str(partition), 0)


def trail_kind(name: str) -> str:
    """The kind of a trail's topic. Each trail has its own kind, so no record of one trail passes for a record of another."""
    return f"{TRAIL}.{name}"


def authority_from(document: Mapping[str, Any]) -> Authority:
    """The inverse of `Authority.document`."""
    return Authority(document["log"], document["since"], document["digest"], document["key"], dict(document["retired"]))


_OURS = frozenset({CREATED, AUTHENTICATED, ROTATED, RETIRED})


def _event_name(document: Mapping[str, Any]) -> str:
    """The event's name without its version: these events say the same in every version."""
    event = document.get("event")
    return str(event["type"]).rpartition(".v")[0] if isinstance(event, dict) and "type" in event else ""


def _created_log(document: Mapping[str, Any]) -> str:
    """The log that a first record names; "" for a record that names none."""
    if _event_name(document) != CREATED:
        return ""
    data = document["event"].get("data")
    return str(data.get("log", "")) if isinstance(data, dict) else ""

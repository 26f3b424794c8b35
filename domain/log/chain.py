"""The chain: which records of the topic are valid.

Rule of this file: **a record is valid if and only if its `previous` is the digest of the last valid record before it, and
it is authentic** (authority.py). Every reader (writer, API, projector, alerts, `keytrail verify`) applies the rule through
`Chain.accepts` and skips all other records as void. Kafka has no conditional append. The link takes its place: a record
counts only if its writer decided it on exactly the valid prefix before it. `tests/model` checks the rule with exhaustive
models. The MAC says that one of Keytrail's own processes wrote the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from domain.log.authenticity import EVENTS, Keyring
from domain.log.authority import Authority

GENESIS = ""
"""`previous` of the first record."""


def digest(value: bytes) -> str:
    """SHA-256, in hex, of a record's value: the bytes as they are on the topic."""
    return sha256(value).hexdigest()


@dataclass(slots=True)
class Chain:
    """The valid prefix read so far, by its last record: `head` is its digest, `position` its offset (-1: none).

    `keys` is None for a reader that has no key and checks only the links, such as `keytrail verify --file` on a file from
    somebody else. Every process of an installation has the keys.
    """

    head: str = GENESIS
    position: int = -1
    keys: Keyring | None = None
    authority: Authority = field(default_factory=Authority)

    def accepts(self, position: int, value: bytes, document: Mapping[str, Any]) -> bool:
        """Take the record at `position` if it is valid; say whether it was. `document` is the parsed value. Positions come
        in ascending order. Raises KeyMissing."""
        if document.get("previous") != self.head or position <= self.position:
            return False
        authority = self.authority
        if self.keys is not None and not authority.admits(self.keys, value, document):
            return False
        self.head = digest(value)
        self.position = position
        authority.follow(position, self.head, value, document)
        return True

    def sealed(self, body: bytes, log: str, parts: Any = None) -> bytes:
        """The value to append next to the log, with an envelope under the key in force."""
        if self.keys is None:
            return body
        name = self.authority.key or self.keys.newest
        return self.keys.seal(name, EVENTS, log).sealed(body, parts)[0]

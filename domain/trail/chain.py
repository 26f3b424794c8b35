"""The chain: which records of the topic are valid.

Rule of this file: **a record is valid if and only if its `previous` is the digest of the last valid record before
it.** Every reader (writer, API, projector, alerts, `keytrail verify`) applies it through `Chain.accepts` and skips
the rest as void. It is a compare-and-append on a log that has none: whoever appends decided on exactly the valid
prefix, or what was appended does not count. `tests/model` holds it to exhaustive models.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

GENESIS = ""
"""`previous` of the first record, which has none before it."""


def digest(value: bytes) -> str:
    """SHA-256, in hex, of a record's value: the bytes as they are on the topic."""
    return sha256(value).hexdigest()


@dataclass(slots=True)
class Chain:
    """The valid prefix read so far, by its last record: `head` is its digest, `position` its offset (-1: none)."""

    head: str = GENESIS
    position: int = -1

    def accepts(self, position: int, value: bytes, previous: str) -> bool:
        """Take the record at `position` if it is valid; say whether it was. Positions come in ascending order."""
        if previous != self.head or position <= self.position:
            return False
        self.head = digest(value)
        self.position = position
        return True

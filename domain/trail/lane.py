"""Decisions in a row: an API worker numbers and chains what it appends, in each of its lanes.

A lane is one producer's sequence of records on one partition of `decisions`. Each record names the worker's incarnation, the
lane, its number (from 1 on) and the digest of the lane's record before it (`previous`, "" for the first). So a record that
is missing, changed, invented or there twice shows, and the last one of a lane shows by its anchor: how far each lane
reaches goes onto `events` (`decisions.anchored`). After an append that failed a worker begins another lane, since nobody
knows what of it landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.trail.authenticity import Parts, Seal

NOTHING = ""
"""`previous` of a lane's first record."""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Decided:
    """A decision that has no place in a lane yet: JSON objects in bytes, none of them empty.

    `about` has the members that are nobody's secret (version, log, seen, at), `own` those of call and decision. Where caller
    and resource are of two accounts, `caller`, `resource` and `shared` are what `parts.divided` makes of them.
    """

    about: bytes
    own: bytes
    caller: bytes = b""
    resource: bytes = b""
    shared: bytes = b""

    def __len__(self) -> int:
        """Bytes; what the lane and the envelope add is a few hundred."""
        return len(self.about) + len(self.own)


class Lane:
    """One of a worker's lanes. `number` and `digest` are of its last record."""

    __slots__ = ("_start", "digest", "lane", "number", "worker")

    def __init__(self, worker: str, lane: int) -> None:
        self.worker, self.lane = worker, lane
        self.number, self.digest = 0, NOTHING
        self._start = f',"lane":{{"worker":"{worker}","lane":{lane},"number":'.encode()

    def value(self, decided: Decided, seal: Seal) -> bytes:
        """The value to append next on this lane."""
        self.number += 1
        rest = b'%b%b%d,"previous":"%b"}' % (decided.about[:-1], self._start, self.number, self.digest.encode())
        body = b"%b,%b" % (rest, decided.own[1:])
        if decided.caller:
            parts = Parts(decided.caller, decided.resource, b"%b,%b" % (rest, decided.shared[1:]))
        else:
            parts = Parts(decided.own, b"{}", rest + b"}")
        value, self.digest = seal.sealed(body, parts)
        return value


LaneName = tuple[str, int]
"""(the worker's incarnation, the lane)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a decision stands in its lane."""

    name: LaneName
    number: int
    previous: str


def place_of(document: Mapping[str, Any]) -> Place | None:
    """None for a record of a version that had no lanes."""
    lane = document.get("lane")
    if lane is None:
        return None
    return Place((lane["worker"], lane["lane"]), lane["number"], lane["previous"])


class Lanes:
    """How far each lane was read: the rule that tells a record in its place from one that is not."""

    def __init__(self, reached: Mapping[LaneName, tuple[int, str]] | None = None) -> None:
        self.reached: dict[LaneName, tuple[int, str]] = dict(reached or {})
        self._moved: set[LaneName] = set()

    def accepts(self, place: Place, digest: str) -> bool:
        """Take the record with this digest if it is its lane's next; say whether it was."""
        if (place.number - 1, place.previous) != self.reached.get(place.name, (0, NOTHING)):
            return False
        self.reached[place.name] = (place.number, digest)
        self._moved.add(place.name)
        return True

    def moved(self) -> dict[LaneName, tuple[int, str]]:
        """Number and digest of the lanes that moved since this was last asked."""
        moved, self._moved = self._moved, set()
        return {name: self.reached[name] for name in moved}

"""Lanes of decisions: an API worker numbers and chains the records that it appends, in each of its lanes.

A lane is one producer's sequence of records on one partition of `decisions`. Each record names the worker's incarnation,
the lane, its number (from 1 on) and the digest of the lane's record before it (`previous`, "" for the first). So a record
that is missing, changed, invented or duplicated shows. The last record of a lane shows by its anchor: `decisions.anchored`
on `events` says how far each lane reaches. After a failed append a worker begins another lane, since nobody knows how much
of the append reached the topic.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from domain.log.authenticity import Parts, Seal

NOTHING = ""
"""`previous` of a lane's first record."""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Decided:
    """A decision that has no place in a lane yet: JSON objects in bytes, none of them empty.

    `about` has the members that are not secret (version, log, seen, at); `own` has those of call and decision. If caller
    and resource belong to two accounts, `caller`, `resource` and `shared` are the results of `parts.divided`.
    """

    about: bytes
    own: bytes
    caller: bytes = b""
    resource: bytes = b""
    shared: bytes = b""


class Lane:
    """One of a worker's lanes. `number` and `digest` belong to its last record."""

    __slots__ = ("_start", "digest", "lane", "number", "worker")

    def __init__(self, worker: str, lane: int) -> None:
        self.worker, self.lane = worker, lane
        self.number, self.digest = 0, NOTHING
        self._start = f',"lane":{{"worker":"{worker}","lane":{lane},"number":'.encode()

    def value(self, decided: Decided, seal: Seal) -> bytes:
        """The value to append next on this lane."""
        self.number += 1
        rest = b'%b%b%d,"previous":"%b"}' % (decided.about[:-1], self._start, self.number, self.digest.encode())
        parts = None
        if decided.caller:
            parts = Parts(decided.caller, decided.resource, b"%b,%b" % (rest, decided.shared[1:]))
        value, self.digest = seal.sealed_with(b"%b,%b" % (rest, decided.own[1:-1]), parts)
        return value


LaneName = tuple[str, int]
"""(the worker's incarnation, the lane's number)."""


@dataclass(slots=True)  # made for every call
class Place:
    """The place of a decision in its lane."""

    name: LaneName
    number: int
    previous: str


def place_of(document: Mapping[str, Any]) -> Place | None:
    """None for a record of a version that had no lanes."""
    lane = document.get("lane")
    if lane is None:
        return None
    return Place((lane["worker"], lane["lane"]), lane["number"], lane["previous"])


@dataclass(slots=True)  # made for every call; never changed
class Reached:
    """How far a lane was read: number and digest of its last record, and the partition that it is on."""

    number: int = 0
    digest: str = NOTHING
    partition: int = -1


class LaneRule(Protocol):
    """Says which decisions a reader takes, by their lanes."""

    def accepts(self, place: Place, digest: str, partition: int) -> bool: ...

    def moved(self) -> Mapping[LaneName, Reached]: ...


class EveryPlace:
    """Takes copies too: for a reader that keeps no lanes, and passes on the digest by which a copy is known."""

    def accepts(self, place: Place, digest: str, partition: int) -> bool:
        return True

    def moved(self) -> Mapping[LaneName, Reached]:
        return {}


class Lanes:
    """How far each lane was read, and the rule that accepts only a record that is next in its lane."""

    def __init__(self, reached: Mapping[LaneName, Reached] | None = None, cut: Collection[int] = ()) -> None:
        """`cut`: the partitions whose first records a retention has removed. A lane of which nothing was read may begin at any
        number there."""
        self.reached: dict[LaneName, Reached] = dict(reached or {})
        self._cut = frozenset(cut)
        self._moved: set[LaneName] = set()

    def accepts(self, place: Place, digest: str, partition: int) -> bool:
        """Take the record with this digest if it is the next of its lane; say whether it was."""
        last = self.reached.get(place.name, None if partition in self._cut else _BEGIN)
        if last is not None and (place.number - 1, place.previous) != (last.number, last.digest):
            return False
        self.reached[place.name] = Reached(place.number, digest, partition)
        self._moved.add(place.name)
        return True

    def moved(self) -> dict[LaneName, Reached]:
        """The lanes that moved since the last call."""
        moved, self._moved = self._moved, set()
        return {name: self.reached[name] for name in moved}


_BEGIN = Reached()


def anchors_of(data: Mapping[str, Any]) -> dict[LaneName, Reached]:
    """How far the lanes of a worker reach, from the data of `decisions.anchored`."""
    return {
        (data["worker"], each["lane"]): Reached(each["number"], each["digest"], each["partition"])
        for each in data["lanes"]
    }


class Tails:
    """Lanes whose last records are not anchored. When a lane no longer moves, its worker has ended and left them.

    Times are seconds of one clock.
    """

    def __init__(self, reached: Mapping[LaneName, Reached], anchored: Mapping[LaneName, int], now: float) -> None:
        self._tails = {
            name: (each, now) for name, each in reached.items() if each.number > anchored.get(name, 0)
        }  # fmt: skip
        self._ahead: dict[LaneName, int] = {}

    def read(self, moved: Mapping[LaneName, Reached], now: float) -> None:
        for name, each in moved.items():
            if each.number > self._ahead.get(name, 0):
                self._ahead.pop(name, None)
                self._tails[name] = (each, now)

    def anchored(self, lanes: Mapping[LaneName, Reached]) -> None:
        """An anchor may be read before the records that it binds."""
        for name, each in lanes.items():
            tail = self._tails.get(name)
            if tail is None or tail[0].number < each.number:
                self._ahead[name] = each.number
            if tail is not None and tail[0].number <= each.number:
                del self._tails[name]

    def asked(self, worker: str, now: float) -> None:
        """Anchors of the worker's lanes were asked for: until they come, these count as if they had moved."""
        self._tails |= {name: (each, now) for name, (each, _) in self._tails.items() if name[0] == worker}

    def waited(self, now: float) -> None:
        """Nothing was read for a while: no lane stood still for longer than since now."""
        self._tails = {name: (each, now) for name, (each, _) in self._tails.items()}

    def idle(self, before: float) -> dict[str, list[dict[str, int | str]]]:
        """By worker, the lanes that have not moved since `before`, in the form of `decisions.anchored`."""
        found: dict[str, list[dict[str, int | str]]] = {}
        for (worker, lane), (each, since) in sorted(self._tails.items()):
            if since <= before:
                said: dict[str, int | str] = {
                    "lane": lane, "partition": each.partition, "number": each.number, "digest": each.digest,
                }  # fmt: skip
                found.setdefault(worker, []).append(said)
        return found

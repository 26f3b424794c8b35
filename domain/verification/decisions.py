"""Checks whether decisions are whole: every value of `decisions`, against its MAC, its lane and the anchors on the log.

Every reader leaves out a value that somebody else wrote, and a copy of one of ours; such values are only counted. A record
that is missing within its lane, up to the lane's last anchor, is a fault: somebody removed or changed it. Records after the
last anchor are not bound yet: if the end were cut now, nobody could tell. If the beginning of a partition is gone (the
operator set a retention), its records are counted as gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.log.authenticity import DECISIONS, Keyring
from domain.log.authority import Authority
from domain.log.chain import digest
from domain.log.codec import object_of
from domain.log.lane import LaneName, Lanes, Place, Reached, place_of

NAMED = 20
"""The number of findings of each kind that are named; all are counted."""


@dataclass(slots=True)
class DecisionsReport:
    """Counts of values; `strange` and `copies` name the first of them as PARTITION@OFFSET. `of_earlier_versions` were
    written before there were MACs. `not_bound_since` is the time of the earliest record that no anchor binds, "" for none.
    `gone`: records before the first one that a partition still has."""

    records: int = 0
    valid: int = 0
    of_earlier_versions: int = 0
    strange_count: int = 0
    strange: list[str] = field(default_factory=list)
    copies_count: int = 0
    copies: list[str] = field(default_factory=list)
    not_bound: int = 0
    not_bound_since: str = ""
    gone: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.faults


class Verifier:
    """Takes every value of every partition, each partition in its order. `finish` reports what is missing at the end."""

    def __init__(
        self, keys: Keyring, authority: Authority, anchors: dict[LaneName, Reached], begins: Mapping[int, int]
    ) -> None:
        """`begins`: the first offset that each partition still has."""
        self._begins = begins
        self.report = DecisionsReport()
        self._keys = keys
        self._authority = authority
        self._anchors = anchors
        self._lanes = Lanes()

    def take(self, partition: int, offset: int, value: bytes) -> None:
        report = self.report
        report.records += 1
        where = f"{partition}@{offset}"
        ours = self._authority.believes(self._keys, DECISIONS, partition, offset, value)
        document = object_of(value) if ours else None
        if document is None:
            report.strange_count += 1
            _name(report.strange, where)
            return
        place = place_of(document)
        if place is None:
            report.of_earlier_versions += 1
            return
        last = self._lanes.reached.get(place.name, Reached())
        if place.number <= last.number:
            report.copies_count += 1
            _name(report.copies, where)
            return
        report.valid += 1
        if not self._lanes.accepts(place, digest(value), partition):
            self._missing(place, last, partition, where)
            self._lanes.reached[place.name] = Reached(place.number, digest(value), partition)
        if place.number > self._anchors.get(place.name, Reached()).number:
            report.not_bound += 1
            at = str(document.get("at", ""))
            report.not_bound_since = min(report.not_bound_since or at, at)

    def _missing(self, place: Place, last: Reached, partition: int, where: str) -> None:
        worker, lane = place.name
        if not last.number and self._begins.get(partition, 0):
            self.report.gone += place.number - 1
            return
        if place.number == last.number + 1:
            fault = f"record {last.number} of worker {worker}'s lane {lane} is not the one that {where} goes on from"
        else:
            fault = (
                f"records {last.number + 1} to {place.number - 1} of worker {worker}'s lane {lane} are missing or were "
                f"changed, before {where}"
            )
        _name(self.report.faults, fault)

    def finish(self) -> DecisionsReport:
        for name, anchor in self._anchors.items():
            reached = self._lanes.reached.get(name, Reached())
            worker, lane = name
            if not reached.number and self._begins.get(anchor.partition, 0):
                self.report.gone += anchor.number
            elif reached.number < anchor.number:
                fault = (
                    f"records {reached.number + 1} to {anchor.number} of worker {worker}'s lane {lane} are gone from the "
                    f"end of partition {anchor.partition}: the log says that they were there"
                )
                _name(self.report.faults, fault)
        return self.report


def _name(found: list[str], where: str) -> None:
    if len(found) < NAMED:
        found.append(where)

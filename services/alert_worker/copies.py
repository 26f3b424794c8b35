"""Copies of decisions: a broker may have a record twice, and somebody who can write to Kafka can put it there again.

A copy does not count, as in the projections; else it would count towards the alerts about many calls. The projections keep how
far each lane was read, and take only its next record. Here nothing more is kept than the partition's position: whoever begins to
judge a partition reads which lanes its last judged records are on. So a copy of a record from before those counts, if its lane
was not seen since. A record that is missing is no affair of the rules.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from domain.log.lane import LaneName, place_of

LANES = 10_000
"""The number of lanes of a partition that are remembered. A worker has one or two, and begins another after a failed append."""


class SeenLanes:
    """How far each lane of one partition was seen."""

    def __init__(self) -> None:
        self._last: OrderedDict[LaneName, int] = OrderedDict()

    def takes(self, document: Mapping[str, Any]) -> bool:
        """Whether this is no copy; then the lane was seen up to it."""
        place = place_of(document)
        if place is None:
            return True
        if place.number <= self._last.get(place.name, 0):
            return False
        self._last[place.name] = place.number
        self._last.move_to_end(place.name)
        if len(self._last) > LANES:
            self._last.popitem(last=False)
        return True

"""Reads the topics of a running installation, and lets the judge look at what its clients were told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.adapters.topic_bounds import bounds, values_between
from services.adapters.topics import names
from services.settings import Settings
from tests.consistency.explained import Judge, LogReading, read_log
from tests.consistency.observed import ObservedCall
from tests.loops import run

LOOKS_FOR = 1.0


async def values(settings: Settings, topic: str, starts: Mapping[int, int]) -> dict[int, list[tuple[int, bytes]]]:
    """By partition: (offset, value) from its start on, in order. Partitions that have no more are not asked: three brokers with
    TLS take a second to connect to for each of 32."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for partition, (first, end) in (await bounds(settings, topic)).items():
        start = max(first, starts.get(partition, 0))
        if start < end:
            read = found[partition] = []
            async for some in values_between(settings, topic, partition, start, end):
                read += [(each.offset, each.value) for each in some]
    return found


async def values_of_first(settings: Settings, topic: str, start: int = 0) -> list[tuple[int, bytes]]:
    """Those of the first partition: `events` and `alerts` have no other."""
    return (await values(settings, topic, {0: start})).get(0, [])


async def decisions(
    settings: Settings, starts: dict[int, int] | None = None
) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """By the call's id: those from `starts` on, by partition, which are then behind what was read."""
    starts = {} if starts is None else starts
    found: dict[str, list[Mapping[str, Any]]] = {}
    for partition, read in (await values(settings, names(settings).decisions, starts)).items():
        for offset, value in read:
            document = orjson.loads(value)
            found.setdefault(document["call"]["id"], []).append(document)
            starts[partition] = offset + 1
    return found


def judged(settings: Settings, calls: Sequence[ObservedCall]) -> list[str]:
    """What the log and the decisions do not explain of these calls."""
    log = read_log(run(values_of_first(settings, names(settings).events)))
    return Judge(log, run(decisions(settings)), settings.fresh_for + LOOKS_FOR).judge(calls)


class RunningJudge:
    """Judges one load after another on the same installation, and reads each record once. To read all of them after each of twenty
    faults took most of a run's time. Brokers that lose what they acknowledged may give an offset twice: then ask `judged`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log = LogReading()
        self._calls: set[str] = set()
        self._next_event = 0
        self._next_decisions: dict[int, int] = {}

    def judged(self, calls: Sequence[ObservedCall]) -> list[str]:
        """`calls` were all made since the last time."""
        return Judge(self._log.found, self._read(), self._settings.fresh_for + LOOKS_FOR).judge(calls)

    def on_record(self) -> set[str]:
        """The ids of all calls that have a record by now."""
        self._read()
        return self._calls | self._log.found.effects.keys()

    def _read(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What came since the last time. Returns the decisions of it, as `decisions` does."""
        read = run(values_of_first(self._settings, names(self._settings).events, self._next_event))
        self._log.take(read)
        if read:
            self._next_event = read[-1][0] + 1
        made = run(decisions(self._settings, self._next_decisions))
        self._calls |= made.keys()
        return made

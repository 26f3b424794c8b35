"""The alert worker's spans of calls: from the batch that was read until it is judged, and that is kept."""

from __future__ import annotations

import time

from domain.durations import SECOND_MICROS
from projections.log.entry import EVENTS
from services.traces.ids import JUDGED, REQUEST, WRITER_DECIDED
from services.traces.spans import record_attributes
from services.traces.tracer import OLDEST, TRACES

OLDEST_MICROS = int(OLDEST.total_seconds()) * SECOND_MICROS


class JudgedSpans:
    """The calls of one batch."""

    def __init__(self, topic: str, partition: int) -> None:
        self._tracer = TRACES.tracer
        self._topic, self._partition = topic, partition
        self._began = 0 if self._tracer is None else time.time_ns()
        self._oldest = self._began // 1000 - OLDEST_MICROS
        self._calls: list[tuple[str, int]] = []

    def note(self, call: str, at: int, offset: int) -> None:
        """The record at `offset` is of this call, and was made at this time (microseconds since the epoch)."""
        if self._tracer is not None and at > self._oldest:
            self._calls.append((call, offset))

    def end(self) -> None:
        """The batch is judged."""
        if self._tracer is None:
            return
        ended, above = time.time_ns(), WRITER_DECIDED if self._topic == EVENTS else REQUEST
        said = record_attributes(self._topic, self._partition)
        for call, offset in self._calls:
            if self._tracer.samples(call):
                self._tracer.followed(call, JUDGED, above, self._began, ended, said, offset)

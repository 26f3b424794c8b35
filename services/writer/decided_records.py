"""The writer's span of a call: from its command, or from the time at which it fell due, to the record that is read back."""

from __future__ import annotations

import time

from domain.log.catalogue import WIRE_NAMES
from domain.log.own_commands import OURSELVES
from projections.log.entry import EVENTS
from services.traces.ids import WRITER_AWAITED, WRITER_DECIDED
from services.traces.spans import attributes_of, with_position
from services.traces.tracer import TRACES
from services.writer.step import NewRecord


def now() -> int:
    """When something begins to be decided, in nanoseconds since the epoch; 0 if nobody traces."""
    return 0 if TRACES.tracer is None else time.time_ns()


def trace(record: NewRecord, began: int, position: int) -> None:
    tracer, call = TRACES.tracer, record.call
    if tracer is None or call is None or record.decision is None or not tracer.samples(call.id):
        return
    event = "" if record.event is None else WIRE_NAMES[type(record.event)]
    said = with_position(attributes_of(record.decision, event), EVENTS, 0)
    asked = None if call.principal == OURSELVES else WRITER_AWAITED
    tracer.followed(call.id, WRITER_DECIDED, asked, began, time.time_ns(), said, position)

"""The projector's spans of calls: from the batch that was read to its rows, which are committed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from projections.log.entry import EVENTS, Entry
from services.traces.ids import PROJECTED, REQUEST, WRITER_DECIDED
from services.traces.spans import record_attributes
from services.traces.tracer import Tracer, oldest_traced


def trace(tracer: Tracer, entries: Sequence[Entry], began: int) -> None:
    ended, oldest = time.time_ns(), oldest_traced()
    for entry in entries:
        call = entry.document.get("call")
        if not call or not tracer.samples(call["id"]) or entry.at < oldest:
            continue
        above = WRITER_DECIDED if entry.topic == EVENTS else REQUEST
        said = record_attributes(entry.topic, entry.partition)
        tracer.followed(call["id"], PROJECTED, above, began, ended, said, entry.offset)

"""The spans of this process: it makes them where the call is sampled, and leaves them for the outbox.

`TRACES.tracer` is None where no collector is named, and that is all that traces cost there.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from services.metrics import SPANS_LOST
from services.otlp.messages import TRACES as SIGNAL
from services.otlp.messages import Frame, resource_of
from services.otlp.outbox import Outbox
from services.otlp.sender import BadHeaders, Collector, OtlpSender, headers_in
from services.settings import BadSetting, Settings
from services.traces import ids
from services.traces.ids import SpanPlace
from services.traces.spans import FAILED, SpanKind, TraceSpan

OLDEST = timedelta(minutes=10)
"""Whoever reads records that are older reads the past again, and its calls have their traces or never had one."""
KINDS = {
    SpanPlace.DECISION_SENT: SpanKind.PRODUCER,
    SpanPlace.WRITER_AWAITED: SpanKind.PRODUCER,
    SpanPlace.WRITER_DECIDED: SpanKind.CONSUMER,
    SpanPlace.PROJECTED: SpanKind.CONSUMER,
    SpanPlace.JUDGED: SpanKind.CONSUMER,
}
NAMES = {
    SpanPlace.DECISION_SENT: "send decision",
    SpanPlace.WRITER_AWAITED: "await writer",
    SpanPlace.WRITER_DECIDED: "decide",
    SpanPlace.PROJECTED: "project",
    SpanPlace.JUDGED: "judge",
}
RAISED, NOTIFIED = "alert", "notify"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """A message about an alert, by a notifier's name, and the number of the attempt to send it."""

    alert: str
    notifier: str
    attempt: int


class Tracer:
    """`begin` and `answered` are the API's, around a request; a span of a request that is not under way here, or of none, is the
    first of its trace."""

    def __init__(self, outbox: Outbox, ratio: float) -> None:
        self._outbox = outbox
        self._least = ids.least_sampled(ratio)
        self._under_way: set[str] = set()

    def samples(self, call: str) -> bool:
        """Whether this call is traced: every process says the same of it."""
        return ids.end_of(call) >= self._least and len(call) == ids.CALL_ID

    def begin(self, call: str) -> None:
        """A request came, and has this id."""
        if self.samples(call):
            self._under_way.add(call)

    def is_under_way(self, call: str) -> bool:
        return call in self._under_way

    def answered(self, call: str, name: str, seconds: float, said: msgspec.Raw, *, failed: bool) -> None:
        """The request that has begun under this id was answered, after so many seconds."""
        self._under_way.discard(call)
        ended = time.time_ns()
        began, own = ended - int(seconds * 1e9), ids.span_of(call, SpanPlace.REQUEST)
        self._add(call, own, "", name, SpanKind.SERVER, began, ended, said, failed=failed)

    def within_request(self, call: str, place: SpanPlace, began: int, said: msgspec.Raw) -> None:
        """What a request waited for, until now. A call that the API makes of its own accord has no request."""
        above = SpanPlace.REQUEST if call in self._under_way else None
        self.behind(call, place, above, began, time.time_ns(), said)

    def behind(
        self, call: str, place: SpanPlace, above: SpanPlace | None, began: int, ended: int, said: msgspec.Raw
    ) -> None:
        """What a process made of a command or record of this call; `above`: None if no call asked for it."""
        parent = "" if above is None else ids.span_of(call, above)
        self._add(call, ids.span_of(call, place), parent, NAMES[place], KINDS[place], began, ended, said)

    def raised(self, call: str, alert: str, began: int, said: msgspec.Raw) -> None:
        """A record of this call raised an alert, which is on its topic now."""
        above, own = ids.span_of(call, SpanPlace.JUDGED), ids.span_of_alert(call, alert)
        self._add(call, own, above, RAISED, SpanKind.PRODUCER, began, time.time_ns(), said)

    def notified(self, call: str, message: AlertMessage, began: int, said: msgspec.Raw, *, failed: bool) -> None:
        """A notifier tried to send a message about an alert that this call raised."""
        own = ids.span_of_alert(call, message.alert, message.notifier, str(message.attempt))
        above = ids.span_of_alert(call, message.alert)
        self._add(call, own, above, NOTIFIED, SpanKind.CLIENT, began, time.time_ns(), said, failed=failed)

    def _add(
        self,
        call: str,
        span: str,
        parent: str,
        name: str,
        kind: SpanKind,
        began: int,
        ended: int,
        said: msgspec.Raw,
        *,
        failed: bool = False,
    ) -> None:
        status = FAILED if failed else None
        self._outbox.add(TraceSpan(ids.trace_of(call), span, name, kind, str(began), str(ended), said, parent, status))

    async def keep_sending(self) -> None:
        await self._outbox.keep_sending()

    async def close(self) -> None:
        await self._outbox.close()


def oldest_traced() -> datetime:
    return datetime.now(UTC) - OLDEST


class ProcessTraces:
    """The tracer of this process, once `begin` was called; None before, and where no collector is named."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self._sending: asyncio.Task[None] | None = None

    def begin(self, settings: Settings, process: str) -> None:
        """Trace calls from now on, as long as the event loop runs, if the settings name a collector. `process` is a kind of
        process in `services.metrics.MEASURED`. Raises BadSetting."""
        if not settings.traces_endpoint or not settings.traces_ratio:
            return
        outbox = Outbox(sender_of(settings), Frame(SIGNAL, resource_of(process)), SPANS_LOST.inc)
        self.tracer = Tracer(outbox, settings.traces_ratio)
        self._sending = asyncio.create_task(self.tracer.keep_sending(), name="traces")

    async def end(self) -> None:
        """Send what waits, for two seconds at most."""
        tracer, self.tracer = self.tracer, None
        if tracer is None or self._sending is None:
            return
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        await tracer.close()


def sender_of(settings: Settings) -> OtlpSender:
    """Raises BadSetting."""
    try:
        collector = Collector(settings.traces_endpoint, headers_in(settings.traces_headers), settings.traces_ca)
        return OtlpSender(collector, SIGNAL)
    except BadHeaders as fault:
        raise BadSetting(f"KEYTRAIL_TRACES_HEADERS: {fault}.") from None
    except OSError as fault:
        raise BadSetting(f"KEYTRAIL_TRACES_CA: {settings.traces_ca} cannot be read ({fault}).") from None


TRACES = ProcessTraces()

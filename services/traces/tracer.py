"""The spans of this process: it makes them where the call is sampled, and leaves them for the outbox.

`TRACES.tracer` is None where no collector is named, and that is all that traces cost there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from services.metrics import SPANS_LOST
from services.named_files import unread
from services.otlp.messages import TRACES as SIGNAL
from services.otlp.outbox import AwayCollector, Outbox
from services.otlp.sender import BadHeaders, Collector, OtlpSender, headers_in
from services.settings import BadSetting, Settings
from services.traces import ids
from services.traces.ids import SpanPlace
from services.traces.spans import LONGEST_ARN, NOTHING_SAID, NOWHERE, RequestSpan, TraceSpan, frame_of

OLDEST = timedelta(minutes=10)
"""Whoever reads records that are older reads the past again, and its calls have their traces or never had one."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """A message about an alert, by a notifier's name, and the number of the attempt to send it."""

    alert: str
    notifier: str
    attempt: int


class Tracer:
    """The API enters each call of KMS, IAM or STS in `under_way`, and ends it by `called`. A question to the audit API has
    `begin`, `ended` and `answered`. Within both there are `decided` and `awaited`. The other processes call `followed`, `raised`
    and `notified`. Times are nanoseconds since the epoch."""

    def __init__(self, outbox: Outbox, ratio: float) -> None:
        self._add = outbox.add
        self._outbox = outbox
        self._least = ids.least_sampled(ratio)
        self.under_way: dict[str, str] = {}
        """By the id of each call that this API worker is answering: the resource that it is about, "" before that is known. The
        API enters its calls here by itself: beside what is not in the processor's caches, one function less is worth it."""

    def samples(self, call: str) -> bool:
        """Whether this call is traced: every process says the same of it."""
        return call[ids.END] >= self._least and len(call) == ids.CALL_ID

    def begin(self, call: str) -> None:
        """A request came, and has this id."""
        self.under_way[call] = ""

    def decided(self, call: str, resources: Sequence[str]) -> None:
        """The record of a call is durable. One that the API makes of its own accord has no request, and so no other span here."""
        if call in self.under_way:
            self.under_way[call] = resources[0] if resources else ""
        elif self.samples(call):
            now = time.time_ns()
            self._add(TraceSpan(call, ids.REQUEST, now, now, NOTHING_SAID))

    def awaited(self, call: str, resources: Sequence[str], began: int, said: msgspec.Raw, position: int) -> None:
        """The writer's record of a call came, for which this worker has waited."""
        above = None
        if call in self.under_way:
            self.under_way[call], above = resources[0] if resources else "", ids.REQUEST
        self._add(TraceSpan(call, ids.WRITER_AWAITED, began, time.time_ns(), said, above, position))

    def ended(self, call: str) -> str | None:
        """The request with this id has its answer. Returns the resource that it was about, None if the call is not traced."""
        about = self.under_way.pop(call, None)
        return about if self.samples(call) else None

    def called(
        self, call: str, service: str, operation: str, status: int, error: str, effect: str, seconds: float
    ) -> None:
        """The call of this id, of KMS, IAM or STS, has its answer, after so many seconds. The others are as in
        `request_attributes`."""
        about = self.under_way.pop(call)
        if call[ids.END] >= self._least:  # ours, so it has the length of an id
            if len(about) > LONGEST_ARN:
                about = ""
            self._add(RequestSpan(call, service, operation, status, error, effect, about, seconds, time.time_ns()))

    def answered(self, call: str, name: str, seconds: float, said: msgspec.Raw, *, failed: bool) -> None:
        """A question to the audit API that took so many seconds, until now."""
        now = time.time_ns()
        self._add(TraceSpan(call, ids.REQUEST, now - int(seconds * 1e9), now, said, None, NOWHERE, name, failed))

    def followed(
        self,
        call: str,
        place: SpanPlace,
        above: SpanPlace | None,
        began: int,
        ended: int,
        said: msgspec.Raw,
        offset: int,
    ) -> None:
        """What a process made of a command or record of this call; `above`: None if no call asked for it."""
        self._add(TraceSpan(call, place, began, ended, said, above, offset))

    def raised(self, call: str, alert: str, began: int, said: msgspec.Raw) -> None:
        """A record of this call raised an alert, which is on its topic now."""
        own = ids.span_of_alert(call, alert)
        self._add(TraceSpan(call, ids.RAISED, began, time.time_ns(), said, ids.JUDGED, own=own))

    def notified(self, call: str, message: AlertMessage, began: int, said: msgspec.Raw, *, failed: bool) -> None:
        """A notifier tried to send a message about an alert that this call raised."""
        own = ids.span_of_alert(call, message.alert, message.notifier, str(message.attempt))
        above, now = ids.span_of_alert(call, message.alert), time.time_ns()
        self._add(TraceSpan(call, ids.NOTIFIED, began, now, said, failed=failed, own=own, parent=above))

    @property
    def away(self) -> AwayCollector | None:
        """Why the collector takes no spans of this process; None if it does."""
        return self._outbox.away

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
        outbox = Outbox(sender_of(settings), frame_of(process), SPANS_LOST.inc)
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
        raise BadSetting(f"KEYTRAIL_TRACES_CA: {unread(Path(settings.traces_ca), fault)}") from None


TRACES = ProcessTraces()

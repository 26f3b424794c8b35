"""A collector of OpenTelemetry: each record is a log record, sent by OTLP/HTTP in JSON. A batch is held for good once the
collector has answered 200, as OTLP/HTTP has it.

The body is the record's line, so that it is the same text in every device. A call's id is the trace's, as for its spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import OtlpDeviceSettings
from services.audit_devices.lines import rendering, text_of
from services.audit_devices.records import DeviceRecord
from services.logs import logger_of
from services.metrics import DEVICE_REFUSED
from services.named_files import unread
from services.otlp.messages import LOGS, Frame, attributes, resource_of
from services.otlp.sender import CollectorAway, NotTaken, OtlpSender

log = logger_of("audit-devices")

INFO, WARN, ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
"""Severity numbers and texts (OpenTelemetry, Logs Data Model, "Severity Fields")."""
MESSAGE_BYTES = 393_216
"""The most bytes of the bodies of one message, and one body more. In the message they take half as many again."""
OF_THE_MESSAGE = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""What a collector answers that will take other messages. After anything else somebody corrects an address or a login."""
_SHOWN = {
    "keytrail.account": "account",
    "keytrail.principal": "principal",
    "keytrail.effect": "effect",
    "rpc.method": "operation",
    "client.address": "source",
}


class LogRecord(msgspec.Struct, rename="camel", omit_defaults=True):
    time_unix_nano: str
    severity_number: int
    severity_text: str
    body: dict[str, str]
    attributes: msgspec.Raw
    trace_id: str = ""
    event_name: str = ""


class OtlpRecord(NamedTuple):
    """A record, and what a message has of it."""

    record: DeviceRecord
    log_record: LogRecord

    @property
    def id(self) -> str:
        return self.record.id


class RefusedPart(NamedTuple):
    """How many records of a message a collector refused, and why, in its own words."""

    number: int
    said: str


class LogRecords:
    """`form`: one of FORMATS."""

    def __init__(self, form: str, region: str) -> None:
        self._rendering = rendering(form, region)

    def log_record(self, record: DeviceRecord) -> LogRecord:
        number, text = ERROR if record.is_gap else WARN if record.refused else INFO
        shown = {name: text_of(value) for name, member in _SHOWN.items() if (value := record.item.get(member))}
        body = self._rendering(record).decode("ascii")
        return LogRecord(
            time_unix_nano=str(_nanoseconds(record.at)),
            severity_number=number,
            severity_text=text,
            body={"stringValue": body},
            attributes=attributes({"log.record.uid": record.id} | shown),
            trace_id=_trace(record.item.get("call_id", "")),
            event_name="keytrail.gap" if record.is_gap else "keytrail.decision",
        )


def _nanoseconds(at: str) -> int:
    """Of a time in whole microseconds. A float of today has no place for them."""
    moment = datetime.fromisoformat(at)
    return (int(moment.timestamp()) * 1_000_000 + moment.microsecond) * 1000


def _trace(call: str) -> str:
    """The 16 bytes of a call's id in hex; "" for an id that is no UUID, as the leader's own calls have."""
    digits = call.replace("-", "")
    return digits if len(digits) == 32 and not set(digits) - set("0123456789abcdef") and int(digits, 16) else ""


class OtlpDevice:
    def __init__(self, settings: OtlpDeviceSettings, region: str) -> None:
        self._settings = settings
        self._records = LogRecords(settings.form, region)
        self._frame = Frame(LOGS, resource_of("audit-devices"))
        self._sender: OtlpSender | None = None
        self._writes = 0
        self._settled: set[str] = set()
        """The ids of the records that the collector has, or refused, of a batch that failed. The next attempt leaves them out: a
        collector that takes some messages at a time would otherwise get the first ones without end, and never the last one."""
        self._taken: LogRecord | None = None
        """The record that the collector took last, since this process began."""
        self._newest: LogRecord | None = None
        """The last record of the batch that is written."""

    async def open(self) -> None:
        await self.close()
        self._writes = 0
        try:
            self._sender = OtlpSender(self._settings.collector(), LOGS)
        except OSError as fault:
            why = unread(Path(self._settings.ca_file), fault)
            raise DeviceFailed(f"our ca_file for {self._settings.url} cannot be used: {why}") from None

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        left = [OtlpRecord(each, self._records.log_record(each)) for each in records if each.id not in self._settled]
        before = len(self._settled)
        try:
            for some in _messages(left):
                self._newest = left[-1].log_record
                await self._send(some)
        except DeviceFailed as fault:
            raise DeviceFailed(str(fault), fault.after, moved_on=len(self._settled) > before) from None
        self._writes += 1
        if left:
            self._settled.clear()
        else:  # a batch may be smaller than the one that failed, and all of it be there
            self._settled.difference_update(each.id for each in records)

    async def _send(self, records: Sequence[OtlpRecord]) -> None:
        """What the collector will take of no sender is counted, and left out: a record that it does not understand must not hold
        up the others."""
        try:
            refused = await self._post([each.log_record for each in records])
        except NotTaken as fault:
            if len(records) > 1:
                half = len(records) // 2
                await self._send(records[:half])
                await self._send(records[half:])
                return
            await self._require_others_taken(fault)
            refused = await self._refused_again(records[0])
        self._settled.update(each.id for each in records)
        if refused.number:
            self._tell_refused(records, refused)

    def _tell_refused(self, records: Sequence[OtlpRecord], refused: RefusedPart) -> None:
        """The log alone says later which records the collector lacks. Of a part of a message nobody knows more than its ends."""
        DEVICE_REFUSED.labels(self._settings.name).inc(refused.number)
        first, last = records[0].record, records[-1].record
        if len(records) > 1:
            log.error(
                "a collector refused records of a message, which are not sent again",
                device=self._settings.name,
                count=refused.number,
                of=len(records),
                first=first.id,
                last=last.id,
                said=refused.said,
            )
            return
        log.error(
            "a collector refused a record, which is not sent again",
            device=self._settings.name,
            id=first.id,
            topic=first.item.get("topic"),
            partition=first.item.get("partition"),
            offset=first.item.get("first" if first.is_gap else "offset"),
            said=refused.said,
        )

    async def _post(self, records: Sequence[LogRecord]) -> RefusedPart:
        """What the collector refused. Raises NotTaken where fewer or other records may be taken; DeviceFailed."""
        assert self._sender is not None, "open comes first"
        try:
            answer = await self._sender.post(self._frame.around(records))
        except CollectorAway as fault:
            raise DeviceFailed(f"{self._settings.url}: {fault}", fault.after or 0.0) from None
        except NotTaken as fault:
            if fault.status in OF_THE_MESSAGE:
                raise
            raise DeviceFailed(f"{self._settings.url}: {fault}") from None
        if answer.strange:  # a proxy's page of maintenance, for instance: nobody holds these records
            raise DeviceFailed(f"{self._settings.url}: {answer.strange}")
        if not answer.refused:
            self._taken = records[-1]
        return RefusedPart(min(answer.refused, len(records)), answer.said)

    async def _require_others_taken(self, refused: NotTaken) -> None:
        """Raises DeviceFailed unless the collector takes another record now. A server may answer 400 to every message, such as a
        port of TLS to one in the clear: then each record would be left out. What it took a moment ago proves nothing, and neither
        does a message without records: OpenTelemetry's own collector takes it while what is behind it refuses everything, and
        Loki refuses it always. So it gets a record twice, which the id tells. The one that it took last is tried first, so that
        the order stays; but a collector may refuse that too, for its age."""
        for each in (self._taken, self._newest):
            if each is not None:
                with suppress(NotTaken):
                    if not (await self._post([each])).number:
                        return
        raise DeviceFailed(
            f"{self._settings.url}: {refused} to every record that it was tried with: look what listens there, whether it speaks "
            "TLS, and what the collector's log says"
        )

    async def _refused_again(self, record: OtlpRecord) -> RefusedPart:
        """Of no record if the collector takes this one now: it was refused before others were taken again."""
        try:
            return await self._post([record.log_record])
        except NotTaken as fault:
            return RefusedPart(1, f"{fault}: {fault.said}" if fault.said else str(fault))

    async def kept(self) -> int:
        return self._writes

    async def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()


def _messages(records: Sequence[OtlpRecord]) -> Iterator[Sequence[OtlpRecord]]:
    held: list[OtlpRecord] = []
    size = 0
    for each in records:
        held.append(each)
        size += len(each.log_record.body["stringValue"])
        if size >= MESSAGE_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held

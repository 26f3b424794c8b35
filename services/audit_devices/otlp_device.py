"""A collector of OpenTelemetry: each record is a log record, sent by OTLP/HTTP in JSON. A batch is held for good once the
collector has answered 200.

The body is the record's line, so that it is the same text in every device. A call's id is the trace's, as for its spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

import msgspec

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import OtlpDeviceSettings
from services.audit_devices.lines import rendering, text_of
from services.audit_devices.records import DeviceRecord
from services.logs import logger_of
from services.metrics import DEVICE_REFUSED
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
        self._took_one = False
        """Whether the collector has taken a message since `open`."""

    async def open(self) -> None:
        await self.close()
        self._writes, self._took_one = 0, False
        try:
            self._sender = OtlpSender(self._settings.collector(), LOGS)
        except OSError as fault:
            raise DeviceFailed(f"its certificates cannot be read: {fault}") from None

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        for some in _messages([self._records.log_record(each) for each in records]):
            await self._send(some)
        self._writes += 1

    async def _send(self, records: Sequence[LogRecord]) -> None:
        """What the collector will take of no sender is counted, and left out: a record that it does not understand must not hold
        up the others."""
        try:
            refused = min(await self._post(records), len(records))
        except NotTaken as fault:
            if fault.status not in OF_THE_MESSAGE:
                raise DeviceFailed(f"{self._settings.url}: {fault}") from None
            if len(records) > 1:
                half = len(records) // 2
                await self._send(records[:half])
                await self._send(records[half:])
                return
            await self._require_collector()
            refused = 1
        if refused:
            DEVICE_REFUSED.labels(self._settings.name).inc(refused)
            log.error(
                "a collector refused records, which are not sent again", device=self._settings.name, count=refused
            )

    async def _post(self, records: Sequence[LogRecord]) -> int:
        """How many the collector refused. Raises NotTaken, DeviceFailed."""
        assert self._sender is not None, "open comes first"
        try:
            refused = await self._sender.post(self._frame.around(records))
        except CollectorAway as fault:
            raise DeviceFailed(f"{self._settings.url}: {fault}", fault.after or 0.0) from None
        self._took_one = True
        return refused

    async def _require_collector(self) -> None:
        """Raises DeviceFailed if it is not the record that is wrong. A collector takes a message without records (OTLP
        Specification). Others answer 400 to every message, such as a port of TLS to one in the clear: then each record would be
        left out."""
        if self._took_one:
            return
        try:
            await self._post([])
        except NotTaken as fault:
            raise DeviceFailed(
                f"{self._settings.url}: {fault} to every message, also to one without records: look what listens there, and "
                "whether it speaks TLS"
            ) from None

    async def kept(self) -> int:
        return self._writes

    async def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()


def _messages(records: Sequence[LogRecord]) -> Iterator[Sequence[LogRecord]]:
    held: list[LogRecord] = []
    size = 0
    for each in records:
        held.append(each)
        size += len(each.body["stringValue"])
        if size >= MESSAGE_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held

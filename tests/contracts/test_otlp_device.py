"""What a device for a collector promises besides: a record that the collector refuses holds up no other, and a server that refuses
everything is not taken for a collector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import OtlpDeviceSettings
from services.audit_devices.otlp_device import MESSAGE_BYTES, OtlpDevice
from services.audit_devices.records import DeviceRecord
from services.metrics import DEVICE_REFUSED
from services.otlp.sender import LONGEST_ANSWER
from tests.collector import CollectorServer, Reply

RECORDS = [
    DeviceRecord(str(number), "2026-11-29T09:00:00.000000Z", {"id": str(number), "call_id": "c"}) for number in range(9)
]


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    with CollectorServer() as server:
        yield server


@pytest.fixture
async def device(collector: CollectorServer) -> AsyncIterator[OtlpDevice]:
    found = OtlpDevice(OtlpDeviceSettings(name=f"d-{uuid4().hex}", url=collector.url), "us-east-1")
    await found.open()
    yield found
    await found.close()


def ids_in(message: dict[str, Any]) -> list[str]:
    records = message["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    return [each["attributes"][0]["value"]["stringValue"] for each in records]


def ids(collector: CollectorServer) -> list[str]:
    return [id for each in collector.taken for id in ids_in(each.message)]


def refusing(status: int, *refused: str) -> Callable[[dict[str, Any]], Reply]:
    """A collector that refuses each message with one of these records, and takes every other."""
    return lambda message: Reply(status) if set(ids_in(message)) & set(refused) else Reply()


def refusing_records(status: int) -> Callable[[dict[str, Any]], Reply]:
    """A collector that takes messages without records alone."""
    return lambda message: Reply(status) if ids_in(message) else Reply()


def in_messages_of_their_own(records: Sequence[DeviceRecord]) -> list[DeviceRecord]:
    return [replace(each, item=each.item | {"x": "x" * MESSAGE_BYTES}) for each in records]


def refused(device: OtlpDevice) -> float:
    name = device._settings.name
    [metric] = DEVICE_REFUSED.collect()
    return sum(each.value for each in metric.samples if each.labels["device"] == name and each.name.endswith("_total"))


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_record_that_a_collector_refuses_is_passed_over(
    device: OtlpDevice, collector: CollectorServer, status: int
) -> None:
    await device.write(RECORDS[:1])
    collector.judge = refusing(status, "1", "5")
    await device.write(RECORDS[1:])
    assert list(dict.fromkeys(ids(collector))) == list("0234678"), "in their order"
    assert (await device.kept(), refused(device)) == (2, 2)


def at(record: DeviceRecord, **place: Any) -> DeviceRecord:
    return replace(record, item=record.item | {"topic": "decisions", "partition": 2} | place)


def refusals_told(logs: Sequence[Mapping[str, Any]], device: OtlpDevice) -> list[dict[str, Any]]:
    names = {"event", "log_level", "device"}
    return [
        {name: value for name, value in each.items() if name not in names}
        for each in logs
        if each["event"].startswith("a collector refused ") and each["device"] == device._settings.name
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"code":3,"message":"the line is too long"}', "it answered 400: the line is too long"),
        (b"too old\n", "it answered 400: too old"),
        (b"\x1b]0;\xe2\x80\xaex\xff", "it answered 400: \\x1b]0;\\u202ex\ufffd"),
        (b"y" * 3 * LONGEST_ANSWER, f"it answered 400: {'y' * 300}"),
        (b"", "it answered 400"),
    ],
)
async def test_the_log_says_which_record_a_collector_refused_and_why(
    device: OtlpDevice, collector: CollectorServer, body: bytes, said: str
) -> None:
    """Nothing else would: the record is not sent again, and the metric only counts."""
    collector.judge = lambda message: Reply(400, body=body) if "1" in ids_in(message) else Reply()
    with capture_logs() as logs:
        await device.write([RECORDS[0], at(RECORDS[1], offset=7), RECORDS[2]])
    assert refusals_told(logs, device) == [{"id": "1", "topic": "decisions", "partition": 2, "offset": 7, "said": said}]


async def test_the_log_says_where_the_gap_is_that_a_collector_refused(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    gap = DeviceRecord("g", RECORDS[0].at, {"id": "g", "type": "gap", "topic": "decisions", "partition": 2, "first": 5})
    collector.replies = [Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"1"}}')]
    with capture_logs() as logs:
        await device.write([gap])
    assert refusals_told(logs, device) == [{"id": "g", "topic": "decisions", "partition": 2, "offset": 5, "said": ""}]


async def test_the_log_says_in_which_message_a_collector_refused_records(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """The collector counts them, and names none."""
    collector.replies = [Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too\\nold"}}')]
    with capture_logs() as logs:
        await device.write(RECORDS)
    assert refusals_told(logs, device) == [{"count": 2, "of": 9, "first": "0", "last": "8", "said": "too\\nold"}]


@pytest.mark.parametrize("first", [0, 1, 2])
async def test_one_record_that_is_refused_holds_up_no_other_of_the_first_batch(
    device: OtlpDevice, collector: CollectorServer, first: int
) -> None:
    """The collector has taken nothing yet: another record of the batch shows that it takes any."""
    collector.judge = refusing(400, str(first))
    await device.write(RECORDS[:3])
    assert set(ids(collector)) == {"0", "1", "2"} - {str(first)}
    assert (await device.kept(), refused(device)) == (1, 1)


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_server_that_refuses_everything_is_given_the_records_again(
    device: OtlpDevice, collector: CollectorServer, taken: int, status: int
) -> None:
    """A port of TLS answers 400 to every request in the clear, and a proxy may answer so once the collector behind it is gone: no
    record may be passed over for that, however much the collector had taken before."""
    await device.write(RECORDS[:taken])
    collector.judge = lambda message: Reply(status)
    for _ in range(2):
        with pytest.raises(DeviceFailed, match=f"answered {status} to every record that it was tried with"):
            await device.write(RECORDS[taken:])
        await device.open()
    assert (ids(collector), await device.kept(), refused(device)) == (list("0")[:taken], 0, 0)
    collector.judge = lambda message: Reply()
    await device.write(RECORDS[taken:])
    assert (ids(collector), await device.kept()) == (list("012345678"), 1)


async def test_a_collector_that_takes_empty_messages_alone_is_given_the_records_again(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """OpenTelemetry's own answers a message without records by itself, also while what is behind it refuses everything."""
    await device.write(RECORDS[:1])
    collector.judge = refusing_records(400)
    with pytest.raises(DeviceFailed, match="answered 400 to every record"):
        await device.write(RECORDS[1:])
    assert (await device.kept(), refused(device)) == (1, 0)


async def test_a_collector_that_takes_no_message_without_records_is_one_too(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """Loki answers 422 to those."""
    collector.judge = lambda message: refusing(422, "0")(message) if ids_in(message) else Reply(422)
    await device.write(RECORDS)
    assert (set(ids(collector)), refused(device)) == (set("12345678"), 1)


async def test_a_collector_that_refuses_from_the_middle_of_a_batch_on_loses_nothing(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """One that is restarted behind TLS, for instance: what it took of this batch says nothing about what it takes now."""
    large = in_messages_of_their_own(RECORDS)
    collector.replies = [Reply(), Reply()]
    collector.judge = lambda message: Reply(400)
    with pytest.raises(DeviceFailed, match="answered 400 to every record"):
        await device.write(large)
    assert (await device.kept(), refused(device)) == (0, 0)
    await device.open()
    collector.judge = lambda message: Reply()
    await device.write(large)
    assert (ids(collector), refused(device)) == (list("012345678"), 0)


async def test_a_record_that_was_refused_in_a_moment_of_trouble_is_held(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    await device.write(RECORDS[:1])
    collector.replies = [Reply(400)] * 4  # eight records, four, two, the first one
    await device.write(RECORDS[1:])
    assert (list(dict.fromkeys(ids(collector))), refused(device)) == (list("012345678"), 0)


async def test_a_collector_that_counts_wrong_counts_no_more_than_it_was_given(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    collector.replies = [Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"%b"}}' % (b"9" * 400))]
    await device.write(RECORDS)
    assert (await device.kept(), refused(device)) == (1, len(RECORDS))


@pytest.mark.parametrize("status", [429, 503])
async def test_a_collector_with_a_limit_gets_each_record_once(
    device: OtlpDevice, collector: CollectorServer, status: int
) -> None:
    """It takes two messages at a time. Each attempt began at the first record again, and so none ever reached the last one."""
    batch = in_messages_of_their_own(RECORDS)
    for attempt in range(1, 5):
        collector.replies = [Reply(), Reply(), Reply(status, (("Retry-After", "7"),))]
        with pytest.raises(DeviceFailed) as fault:
            await device.write(batch)
        assert (fault.value.after, fault.value.moved_on, len(ids(collector))) == (7, True, 2 * attempt)
        await device.open()
    collector.replies = []
    await device.write(batch)
    assert (ids(collector), await device.kept()) == (list("012345678"), 1)


async def test_what_a_failed_attempt_left_is_taken_from_the_batches_that_come(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """After a failure the records may come in other batches: by their ids the device knows which ones the collector has."""
    one = in_messages_of_their_own(RECORDS)
    collector.replies = [Reply(), Reply(), Reply(), Reply(503)]
    with pytest.raises(DeviceFailed):
        await device.write([one[0], one[2], one[4], one[6]])
    await device.open()
    await device.write(one[:1])
    await device.write(one[1:6])
    await device.write(one[6:])
    assert (list(ids(collector)), await device.kept()) == (list("024135678"), 3)


async def test_a_record_that_comes_again_later_is_given_again(device: OtlpDevice, collector: CollectorServer) -> None:
    """The worker has a reason for it: brokers that lost records, or a position that was not kept."""
    one = in_messages_of_their_own(RECORDS)
    collector.replies = [Reply(), Reply(503)]
    with pytest.raises(DeviceFailed):
        await device.write(one[:3])
    await device.write(one[:3])
    await device.write(one[:3])
    assert ids(collector) == list("012012")


async def test_an_attempt_that_brought_nothing_forward_says_so(device: OtlpDevice, collector: CollectorServer) -> None:
    """Then the worker waits longer each time."""
    collector.replies = [Reply(503)]
    with pytest.raises(DeviceFailed) as fault:
        await device.write(RECORDS)
    assert not fault.value.moved_on


@pytest.mark.parametrize(
    "reply", [Reply(202, body=b""), Reply(200, (("Content-Type", "text/html"),), b"<html>We are back soon</html>")]
)
async def test_a_page_in_the_collectors_place_holds_no_records(
    device: OtlpDevice, collector: CollectorServer, reply: Reply
) -> None:
    """A proxy's page of maintenance comes with 200 too."""
    collector.replies = [reply]
    with pytest.raises(DeviceFailed, match=f"it answered {reply.status}.* no answer of OTLP/HTTP"):
        await device.write(RECORDS)
    assert await device.kept() == 0
    collector.taken.clear()
    await device.write(RECORDS)
    assert (ids(collector), await device.kept()) == (list("012345678"), 1)


async def test_a_long_refusal_of_a_message_holds_up_no_other_record(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    quoted = b"x" * 2 * LONGEST_ANSWER
    collector.judge = lambda message: Reply(400, body=quoted) if "4" in ids_in(message) else Reply(body=b"{%b" % quoted)
    await device.write(RECORDS)
    assert (set(ids(collector)), refused(device)) == (set("01235678"), 1)


async def test_a_ca_file_that_cannot_be_read_is_named_and_no_server(tmp_path: Path) -> None:
    """A device opens it again after each failure."""
    lost = tmp_path / "none"
    settings = OtlpDeviceSettings(name=f"d-{uuid4().hex}", url="https://localhost:4318", ca_file=str(lost))
    with pytest.raises(DeviceFailed) as told:
        await OtlpDevice(settings, "us-east-1").open()
    assert str(told.value) == (
        f"our ca_file for https://localhost:4318 cannot be used: {lost} cannot be read: No such file or directory"
    )

"""What a device for a collector promises besides: a record that the collector refuses holds up no other, and a server that refuses
everything is not taken for a collector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import OtlpDeviceSettings
from services.audit_devices.otlp_device import OtlpDevice
from services.audit_devices.records import DeviceRecord
from services.metrics import DEVICE_REFUSED
from tests.collector import CollectorServer, Reply

RECORDS = [
    DeviceRecord(str(number), "2026-11-29T09:00:00.000000Z", {"id": str(number), "call_id": "c"}) for number in range(8)
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


def ids(collector: CollectorServer) -> list[str]:
    found = [each.message["resourceLogs"][0]["scopeLogs"][0]["logRecords"] for each in collector.taken]
    return [record["attributes"][0]["value"]["stringValue"] for records in found for record in records]


def refused(device: OtlpDevice) -> float:
    name = device._settings.name
    [metric] = DEVICE_REFUSED.collect()
    return sum(each.value for each in metric.samples if each.labels["device"] == name and each.name.endswith("_total"))


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_record_that_a_collector_refuses_is_passed_over(
    device: OtlpDevice, collector: CollectorServer, status: int
) -> None:
    collector.replies = [Reply(status)] * 4  # eight records, four, two, the first one
    await device.write(RECORDS)
    assert (ids(collector), await device.kept(), refused(device)) == (list("1234567"), 1, 1)


async def test_a_server_that_refuses_everything_is_given_the_records_again(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    """A port of TLS answers 400 to every request in the clear: no record may be passed over for that."""
    collector.replies = [Reply(400)] * 5
    with pytest.raises(DeviceFailed, match="answered 400 to every message"):
        await device.write(RECORDS)
    assert (ids(collector), await device.kept(), refused(device)) == ([], 0, 0)
    await device.open()
    await device.write(RECORDS)
    assert (ids(collector), await device.kept()) == (list("01234567"), 1)


async def test_a_collector_that_counts_wrong_counts_no_more_than_it_was_given(
    device: OtlpDevice, collector: CollectorServer
) -> None:
    collector.replies = [Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"%b"}}' % (b"9" * 400))]
    await device.write(RECORDS)
    assert (await device.kept(), refused(device)) == (1, len(RECORDS))

"""What Prometheus learns of one audit device."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from services.audit_devices.records import DeviceRecord
from services.metrics import DEVICE_FAILURES, DEVICE_LAG, DEVICE_MISSED, DEVICE_RECORDS, DEVICE_REFUSED, DEVICE_SECONDS

MEASURE_EVERY = 1.0


class DeviceProgress:
    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._records, self._failures = DEVICE_RECORDS.labels(name), DEVICE_FAILURES.labels(name)
        self._missed, self._lag, self._seconds = (
            DEVICE_MISSED.labels(name),
            DEVICE_LAG.labels(name),
            DEVICE_SECONDS.labels(name),
        )
        DEVICE_REFUSED.labels(name)  # at zero, so that an alarm on its growth sees the first one
        self._waiting = False
        self._newest = clock()
        """When the newest record was decided that the device has taken."""

    def took(self, records: Sequence[DeviceRecord]) -> None:
        self._records.inc(len(records))
        self._newest = datetime.fromisoformat(records[-1].at).timestamp()

    def waits(self, count: int) -> None:
        self._waiting = count > 0
        self._lag.set(count)
        self.measure()

    def failed(self) -> None:
        self._failures.inc()

    def missed(self, count: int) -> None:
        self._missed.inc(count)

    def measure(self) -> None:
        self._seconds.set(max(0.0, self._clock() - self._newest) if self._waiting else 0.0)

    async def keep_measuring(self) -> None:
        """The age of what waits grows while a device takes nothing."""
        while True:
            self.measure()
            await asyncio.sleep(MEASURE_EVERY)

"""Runs every audit device in a task of its own: one that hangs or refuses delays no other, and no call."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from domain.log.chain import Chain
from domain.ports import reason_of
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now
from services.adapters.postgres import INTERRUPTED, Pool
from services.adapters.topics import log_topic
from services.audit_devices import feed as feeds
from services.audit_devices.device import Device, DeviceFailed
from services.audit_devices.devices_file import (
    NOW,
    DeviceSettings,
    FileDeviceSettings,
    OtlpDeviceSettings,
    SyslogDeviceSettings,
)
from services.audit_devices.feed import DeviceBatch, DeviceFeed, DeviceStart, RecordsRemoved
from services.audit_devices.file_device import FileDevice
from services.audit_devices.lines import rendering
from services.audit_devices.otlp_device import OtlpDevice
from services.audit_devices.positions import DevicePositions
from services.audit_devices.progress import DeviceProgress
from services.audit_devices.syslog_device import SyslogDevice
from services.logs import logger_of
from services.otlp.sender import LONGEST_ASKED
from services.projector.store import ReadTo
from services.rendering import utc
from services.runtime.processes import pause_after
from services.runtime.task_group import until_one_fails
from services.settings import Settings

log = logger_of("audit-devices")

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
KEEP_EVERY = 5.0
"""Seconds after which a position is kept though no record came: Keytrail writes about itself twice a second while calls come."""


def pause(attempts: int) -> float:
    """Seconds until the next attempt: twice as long each time, up to a quarter of a minute, and never in step with others."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts, 10)) * random.uniform(0.75, 1.0)  # noqa: S311  # no secret


def device_of(settings: DeviceSettings, region: str) -> Device:
    match settings:
        case FileDeviceSettings():
            return FileDevice(settings, rendering(settings.form, region))
        case SyslogDeviceSettings():
            return SyslogDevice(settings, region)
        case OtlpDeviceSettings():
            return OtlpDevice(settings, region)
    raise TypeError(settings)


class DeviceWorker:
    """One device at work. Every method runs in the task of `run`."""

    def __init__(
        self,
        settings: Settings,
        device: Device,
        own: DeviceSettings,
        feed: DeviceFeed,
        positions: DevicePositions,
        now: Chain,
    ) -> None:
        self._settings, self._device, self._own = settings, device, own
        self._feed, self._positions = feed, positions
        self._now = now
        self.progress = DeviceProgress(own.name)
        self._written: deque[tuple[int, ReadTo]] = deque()
        """Batches that the device was given and does not hold for good yet: the number of each, and how far it reaches."""
        self._number = 0
        self._passed: ReadTo | None = None
        """How far it has read past the last batch, without a record for the device."""
        self._held: ReadTo | None = None
        """A position that Postgres has not confirmed. While there is one, the device is given nothing: the row may say less, and
        each start from there would write the same records again, in a file until rotation had removed all others."""
        self._fault = ""
        """Why the device took nothing last; "" once it has taken something."""
        self._attempts = 0
        """How often it failed since it last moved on."""
        self._kept_at = self._opened_at = 0.0

    async def run(self) -> None:
        """Follow the topics for ever. Raises OutOfRange and Unreadable, which another try would not cure."""
        try:
            await self._follow()
        finally:
            await self._feed.close()
            await self._device.close()

    async def _follow(self) -> None:
        while True:
            after = 0.0
            try:
                start = await self._start()
                self.progress.waits(start.waiting)
                await self._device.open()
                self._opened_at = time.monotonic()
                await self._begin(start)
                while True:
                    await self._go_on()
            except DeviceFailed as fault:
                await self._tell(str(fault))
                after = min(fault.after, LONGEST_ASKED)
                if fault.moved_on:
                    self._attempts = 0
            except RecordsRemoved as fault:  # the next start finds how many
                log.warning(
                    "an audit device looks what the topics still have", device=self._own.name, reason=str(fault)
                )
            except INTERRUPTED as fault:
                if self._held is not None:
                    await self._tell_unkept(fault)
                else:
                    log.warning(
                        "an audit device was interrupted; trying again", device=self._own.name, reason=repr(fault)
                    )
            await asyncio.sleep(max(after, pause(self._attempts)))
            self._attempts += 1

    async def _start(self) -> DeviceStart:
        if self._held is not None:
            await self._hold(self._held)
        reached = await self._positions.read(self._now.authority.retired)
        if reached is not None:
            start = await feeds.start_after(self._settings, reached, self._feed.keys)
            if not start.gaps and not start.again and start.reached.last != reached.last:
                # Otherwise a partition that is replaced before the device has read more would not be known for another one.
                await self._hold(start.reached)
            return start
        begins_now = self._own.begin == NOW
        start = await (feeds.start_now(self._settings, self._now) if begins_now else feeds.first_start(self._settings))
        # Otherwise it would begin later after each failure, until it has taken something, and not say what is missing.
        await self._hold(start.reached)
        return start

    async def _begin(self, start: DeviceStart) -> None:
        self._written.clear()
        self._number, self._passed = 0, None
        for topic, number in start.again:
            log.warning(
                "a partition no longer holds what an audit device read last: its brokers lost records, or it was replaced; it is "
                "read again from its first record on",
                device=self._own.name,
                partition=f"{topic}/{number}",
            )
        if start.gaps:
            at = utc(datetime.now(UTC))
            for each in start.gaps:
                log.error(
                    "Kafka removed records before an audit device had confirmed them",
                    device=self._own.name,
                    partition=each.partition,
                    first=each.first,
                    next=each.next,
                )
            await self._write(DeviceBatch([each.record(at) for each in start.gaps], start.reached))
            self.progress.missed(sum(each.count for each in start.gaps))
        await self._feed.open(start.reached, self._now)

    async def _go_on(self) -> None:
        batch = await self._feed.next()
        self._now = self._feed.newest_chain
        waiting = await self._feed.waiting()
        self.progress.waits(waiting + len(batch.records))
        if batch.records:
            await self._write(batch)
        elif batch.passed:
            self._passed = batch.reached
        if self._passed is not None and time.monotonic() > self._kept_at + KEEP_EVERY:
            self._written.append((self._number, self._passed))
            self._passed = None
        await self._keep()
        if time.monotonic() > self._opened_at + LONGEST_WAIT:
            await self._be_well()
        self.progress.waits(waiting)
        if not waiting:
            await asyncio.sleep(pause_after(batch.passed))

    async def _write(self, batch: DeviceBatch) -> None:
        await self._device.write(batch.records)
        self._number += 1
        self._passed = None
        self._written.append((self._number, batch.reached))
        self._fault = ""
        self.progress.took(batch.records)

    async def _keep(self) -> None:
        """Keep the position of what the device holds for good."""
        kept, reached = await self._device.kept(), None
        while self._written and self._written[0][0] <= kept:
            reached = self._written.popleft()[1]
        if reached is not None:
            await self._hold(reached)
            self._kept_at, self._attempts = time.monotonic(), 0

    async def _hold(self, reached: ReadTo) -> None:
        """Keep a position in Postgres, now or at the next start. Raises INTERRUPTED."""
        self._held = reached
        await self._positions.keep(reached, self._fault)
        self._held = None

    async def _be_well(self) -> None:
        """The device has not failed for a while, though it may have had nothing to take."""
        self._attempts = 0
        if self._fault:
            self._fault = ""
            await self._positions.tell("")

    async def _tell(self, fault: str) -> None:
        self._fault = fault
        log.error(
            "an audit device does not take records; they wait on Kafka",
            device=self._own.name,
            attempts=self._attempts + 1,
            reason=fault,
        )
        await self._count(fault)

    async def _tell_unkept(self, fault: BaseException) -> None:
        """The device works, so this is no fault to keep with the next position: that one says that Postgres takes positions."""
        log.error(
            "the position of an audit device cannot be kept; the device gets no records until it is, and they wait on Kafka",
            device=self._own.name,
            attempts=self._attempts + 1,
            reason=repr(fault),
        )
        await self._count(f"its position cannot be kept in Postgres: {reason_of(fault)}")

    async def _count(self, fault: str) -> None:
        self.progress.failed()
        try:
            await self._positions.tell(fault)
        except INTERRUPTED as interrupted:
            log.warning("the fault of an audit device could not be kept", reason=repr(interrupted))


async def run(
    settings: Settings,
    pool: Pool,
    partitions: int,
    keys: VaultKeyring,
    log_name: str,
    wanted: Sequence[DeviceSettings],
    made: Callable[[DeviceSettings, str], Device] = device_of,
) -> None:
    """Run until it is stopped. Raises OutOfRange, Unreadable, UNREACHABLE."""
    now = await chain_now(log_topic(settings), pool, keys)
    log.info("audit devices", names=[each.name for each in wanted])
    works = []
    for each in wanted:
        feed = DeviceFeed(settings, partitions, keys)
        positions = DevicePositions(pool, keys, log_name, each.name)
        worker = DeviceWorker(settings, made(each, settings.region), each, feed, positions, now)
        works += [worker.run(), worker.progress.keep_measuring()]
    await until_one_fails(*works)

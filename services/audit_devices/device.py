"""What every audit device promises its worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.audit_devices.records import DeviceRecord


class DeviceFailed(Exception):
    """The device did not take the records, or lost some that it had taken. They are written again from its position on. `after`:
    the seconds that it asks to be left alone for. `moved_on`: whether it has more of them now, and remembers which."""

    def __init__(self, why: str, after: float = 0.0, *, moved_on: bool = False) -> None:
        super().__init__(why)
        self.after, self.moved_on = after, moved_on


class Device(Protocol):
    async def open(self) -> None:
        """Be ready for records. It is called again after each failure. Raises DeviceFailed."""
        ...

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        """Take the next records, in this order. Raises DeviceFailed."""
        ...

    async def kept(self) -> int:
        """How many calls of `write` since `open` are done for good. Never more than were made; for a device without
        acknowledgements it lags behind. Raises DeviceFailed."""
        ...

    async def close(self) -> None: ...

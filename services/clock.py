"""The clock that times decisions and records: the machine's, or in tests one that is ahead of it; and the one that says how long
ago something was.

Signatures, deadlines and freshness always use the machine's clock.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from services.settings import BadSetting, Settings

TEST_CLOCK = "KEYTRAIL_TEST_CLOCK"
"""Set by `keytrail up --test-clock` for its children; without it no offset is accepted."""


_LASTING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lasting() -> float:
    """Seconds since some moment, for what is believed only so long. Unlike `time.monotonic` it goes on while the host is
    suspended: by the latter, what is hours old on resume is as fresh as before."""
    return time.clock_gettime(_LASTING)


@dataclass(frozen=True, slots=True)
class Clock:
    """`offset` is in microseconds."""

    offset: int = 0

    def now(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000 + self.offset


def clock_of(settings: Settings) -> Clock:
    """Raises BadSetting if there is an offset outside of a test."""
    if settings.clock_offset and TEST_CLOCK not in os.environ:
        raise BadSetting("KEYTRAIL_CLOCK_OFFSET is for `keytrail up --test-clock` alone.")
    return Clock(settings.clock_offset * 1_000_000)

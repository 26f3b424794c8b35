"""The clock that decisions and records are timed by: the machine's, or for tests one that is ahead of it.

Signatures, deadlines and freshness are timed by the machine's own clock, whatever is set here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from services.settings import BadSetting, Settings

TEST_CLOCK = "KEYTRAIL_TEST_CLOCK"
"""Set by `keytrail up --test-clock` for its children: an offset is taken from nobody else."""


@dataclass(frozen=True, slots=True)
class Clock:
    """`offset` is in microseconds."""

    offset: int = 0

    def now(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000 + self.offset


def clock_of(settings: Settings) -> Clock:
    """Raises BadSetting for an offset outside of a test."""
    if settings.clock_offset and TEST_CLOCK not in os.environ:
        raise BadSetting("KEYTRAIL_CLOCK_OFFSET is for `keytrail up --test-clock` alone.")
    return Clock(settings.clock_offset * 1_000_000)

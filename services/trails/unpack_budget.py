"""How much the files of an import may unpack to. Compressed texts within compressed texts make millions of records of a few
hundred bytes, and the reader, the topic and the database would have to take them all.

The budget grows with what is read of the file itself, so no file of CloudTrail is too large. Its records have ids that nothing
can compress: a file of them seldom shrinks to less than a fiftieth.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

BASE = 16 << 20
"""How many bytes any file may unpack to."""
RATIO = 200
"""How many bytes each byte of a file may unpack to."""
RECORD = 256
"""How many bytes a record counts as. A record that says who called, and what for, is longer."""

PACKED_AGAIN = 16
"""What each byte counts that has to be unpacked again. Compressed text hardly shrinks, but may consist of nothing but headers
of gzip."""


class TooMuch(OSError):
    """The file unpacks to more than it may. It ends there, as where it cannot be read."""


@dataclass(slots=True)
class UnpackBudget:
    """`read`: how many bytes of the file itself were read; `spent`: how many it was unpacked to."""

    read: int = 0
    spent: int = 0

    @property
    def left(self) -> int:
        return BASE + RATIO * self.read - self.spent

    def spend(self, count: int) -> None:
        """Raises TooMuch."""
        self.spent += count
        if self.left < 0:
            raise TooMuch(
                f"it unpacks to more than {BASE >> 20} MiB and {RATIO} times its length; the rest is left out"
            )


class CountedFile(io.RawIOBase):
    """A file whose bytes count as read."""

    def __init__(self, file: io.FileIO, budget: UnpackBudget) -> None:
        self._file, self._budget = file, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's name for it is private
        count = self._file.readinto(buffer) or 0
        self._budget.read += count
        return count

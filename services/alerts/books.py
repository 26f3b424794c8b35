"""What one process knows of the tables where alerts are counted, and nobody can change in Postgres: the keys, the era that
they are of, and how far each partition was judged.

An era begins when the tables are emptied. Its name is in every MAC, so that a row of an era that is over is nobody's; and eras
are in order, so that one which was put back shows. Within an era no partition goes back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.trail.authenticity import COUNT, POSITION, KeyMissing
from domain.trail.row_sets import Field, RowSet
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection

Part = tuple[str, int]
"""(topic, partition): `events` or `decisions`, as the projections name them."""
_ORIGIN = "SELECT log, era, mac FROM alerting.origin"


class Elsewhere(Exception):
    """Another worker has judged these records meanwhile, or has begun everything anew."""


class Changed(Exception):
    """Somebody else wrote here: everything has to be judged anew."""


class Books:
    """Of one process. `log` is the log's id."""

    def __init__(self, keys: VaultKeyring, log: str, era: str = "") -> None:
        self.keys = keys
        self.log = log
        self.era = era
        self.furthest: dict[Part, int] = {}
        """The most that was committed of each partition, as far as this process saw."""
        self._rows = RowSet(keys, COUNT)

    # -- eras ---------------------------------------------------------------------------------------------------------

    def begin(self, *known: str) -> str:
        """The origin's MAC of an era that begins now; those that are known are over."""
        last = max([self.era, *known])
        moment = max(time.time_ns() // 1000, int(last[:20] or 0) + 1)
        self._turn(f"{moment:020d}-{os.urandom(16).hex()}")
        return self.keys.mac(POSITION, "alerting origin", self.log, self.era)

    async def read(self, connection: Connection) -> None:
        """Take over the era that the tables are of. Raises Changed; Elsewhere where it is another one than before."""
        rows = await connection.fetch(_ORIGIN)
        if len(rows) != 1:
            raise Changed("nothing says which log was counted of")
        log, era, mac = rows[0]
        await self.keys.know_that_of(mac)
        if log != self.log or not self.keys.holds(mac, POSITION, "alerting origin", log, era):
            raise Changed("what says which log was counted of is not what Keytrail wrote")
        if era < self.era:
            raise Changed("rows of a time that is over were put back")
        if era != self.era:
            began = bool(self.era)
            self._turn(era)
            if began:
                raise Elsewhere("another worker has begun everything anew")

    def _turn(self, era: str) -> None:
        self.era = era
        self.furthest = {}

    # -- positions ----------------------------------------------------------------------------------------------------

    def mac(self, fields: Sequence[Any]) -> str:
        """Of a partition's row."""
        return self.keys.mac(POSITION, "alerting", self.era, *map(str, fields))

    async def total(self, row: Any) -> int:
        """The sum that a partition's row keeps. Raises Changed, of one of another era too."""
        *fields, mac = row
        await self.keys.know_that_of(mac)  # another process may have rotated them
        if not self.keys.holds(mac, POSITION, "alerting", self.era, *map(str, fields)):
            raise Changed(f"the position of {row['topic']}/{row['partition']} is not what Keytrail wrote")
        return self._rows.total(row["total"])

    def saw(self, part: Part, next: int, before: Mapping[Part, int]) -> None:
        """How far a partition is judged; `before` is what was known when Postgres was asked. Raises Changed."""
        if next < before.get(part, 0):
            raise Changed(f"the position of {part[0]}/{part[1]} went back from {before[part]} to {next}")
        if next > self.furthest.get(part, 0):
            self.furthest[part] = next

    def committed(self, part: Part, next: int) -> None:
        """This process moved a partition on."""
        self.furthest[part] = next

    def hidden(self, total: int) -> str:
        return self._rows.hidden(total)

    # -- what they counted --------------------------------------------------------------------------------------------

    def sealed(self, table: str, fields: Sequence[Field]) -> tuple[str, int]:
        """The MAC and the number of a row to write."""
        return self._rows.sealed(self.era, table, *fields)

    async def number(self, table: str, row: Iterable[Any]) -> int:
        """Of a row with its MAC as the last field. Raises Changed, of a row of another era too."""
        *fields, mac = row
        await self.keys.know_that_of(mac)
        try:
            found = self._rows.number(mac, self.era, table, *fields)
        except KeyMissing:
            found = None
        if found is None:
            raise Changed(f"a row of {table} is not what Keytrail wrote: {fields[:3]}")
        return found

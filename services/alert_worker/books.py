"""What one process knows about the tables of alert counts, and nobody can change in Postgres: the keys, the era of the tables,
and how far each partition was judged.

An era begins when the tables are emptied. Every MAC covers the era's name, so a row of an earlier era is not accepted. Eras are
in order, so an earlier era that somebody restores is noticed. Within an era no partition goes back.

All rows of an era are under one key: that of the origin's row, whatever other keys a process has or lacks. When the key is
rotated, the rows are sealed again (rotation.py), as another era that goes on from the same counts. Its name ends like the name
of the era before, and its key is newer. From then on a row under the older key is not accepted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.log.authenticity import COUNT, POSITION, key_of_row
from domain.log.row_sets import Field, RowSet
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection

LogPartition = tuple[str, int]
"""(topic, partition): `events` or `decisions`, as the projections name them."""
_ORIGIN = "SELECT log, era, mac FROM alerting.origin"


class JudgedElsewhere(Exception):
    """Another worker has judged these records meanwhile, or has begun everything again."""


class RowsChanged(Exception):
    """Somebody else wrote here: everything has to be judged again."""


class Books:
    """The books of one process. `log` is the log's id; `key` names the key of everything in the era."""

    def __init__(self, keys: VaultKeyring, log: str, era: str = "", key: str = "") -> None:
        self.keys = keys
        self.log = log
        self.era = era
        self.key = key or keys.newest
        self.furthest: dict[LogPartition, int] = {}
        """How far each partition was committed, as far as this process saw."""
        self._rows = RowSet(keys, COUNT)
        self._rows.under = self.key

    # -- eras ---------------------------------------------------------------------------------------------------------

    def begin(self, *known: str) -> str:
        """Begin a new era, later than the `known` ones. Returns the MAC of its origin's row."""
        self._turn(_era_after(max([self.era, *known]), os.urandom(16).hex()), self.keys.newest)
        return self.origin()

    def origin(self) -> str:
        """The MAC of the origin's row."""
        return self.keys.mac(POSITION, "alerting origin", self.log, self.era, under=self.key)

    def under_newest(self) -> Books:
        """The books of an era that goes on from the same counts under the newest key."""
        found = Books(self.keys, self.log, _era_after(self.era, _counts(self.era)), self.keys.newest)
        found.furthest = self.furthest
        return found

    async def read(self, connection: Connection, at_first: str = "") -> None:
        """Take over the era of the tables. Raises RowsChanged; JudgedElsewhere if it is not the era that was known before.

        `at_first`: the era that was known when the transaction began, if the transaction sees everything as it was then.
        """
        rows = await connection.fetch(_ORIGIN)
        if len(rows) != 1:
            raise RowsChanged("nothing says which log was counted of")
        log, era, mac = rows[0]
        await self.keys.know_that_of(mac)
        if log != self.log or not self.keys.holds(mac, POSITION, "alerting origin", log, era):
            raise RowsChanged("what says which log was counted of is not what Keytrail wrote")
        if at_first and era == at_first != self.era:
            raise JudgedElsewhere("another era has begun meanwhile")
        key = key_of_row(mac)
        if era < self.era:
            raise RowsChanged("rows of a time that is over were put back")
        if self.era and self.keys.rank(key) < self.keys.rank(self.key):
            raise RowsChanged("what says which log was counted of is under a key that was replaced")
        if era != self.era:
            anew = bool(self.era) and not goes_on(self.era, era)
            self._turn(era, key)
            if anew:
                raise JudgedElsewhere("another worker has begun everything anew")

    def turn_to(self, other: Books) -> None:
        """The rows now belong to the other books."""
        self._turn(other.era, other.key)

    def _turn(self, era: str, key: str) -> None:
        if not goes_on(self.era, era):
            self.furthest = {}
        self.era, self.key = era, key
        self._rows.under = key

    # -- positions ----------------------------------------------------------------------------------------------------

    def mac(self, fields: Sequence[Any]) -> str:
        """The MAC of a partition's row."""
        return self.keys.mac(POSITION, "alerting", self.era, *map(str, fields), under=self.key)

    def total(self, row: Any) -> int:
        """The sum that a partition's row keeps. Raises RowsChanged, also for a row of another era."""
        *fields, mac = row
        if not self.keys.holds(mac, POSITION, "alerting", self.era, *map(str, fields), under=self.key):
            raise RowsChanged(f"the position of {row['topic']}/{row['partition']} is not what Keytrail wrote")
        return self._rows.total(row["total"])

    def saw(self, part: LogPartition, next: int, before: Mapping[LogPartition, int]) -> None:
        """Note how far a partition is judged. `before` is what was known when Postgres was asked. Raises RowsChanged."""
        if next < before.get(part, 0):
            raise RowsChanged(f"the position of {part[0]}/{part[1]} went back from {before[part]} to {next}")
        if next > self.furthest.get(part, 0):
            self.furthest[part] = next

    def committed(self, part: LogPartition, next: int) -> None:
        """This process moved a partition on."""
        self.furthest[part] = next

    def hidden(self, total: int) -> str:
        return self._rows.hidden(total)

    # -- the rows of counts -------------------------------------------------------------------------------------------

    def sealed(self, table: str, fields: Sequence[Field]) -> tuple[str, int]:
        """The MAC and the number of a row to write."""
        return self._rows.sealed(self.era, table, *fields)

    def number(self, table: str, row: Iterable[Any]) -> int:
        """The number of a row whose last field is its MAC. Raises RowsChanged, also for a row of another era."""
        *fields, mac = row
        found = self._rows.number(mac, self.era, table, *fields)
        if found is None:
            raise RowsChanged(f"a row of {table} is not what Keytrail wrote: {fields[:3]}")
        return found


def goes_on(era: str, later: str) -> bool:
    """Whether `later` is the same era, or the same counts sealed again as another era."""
    return era <= later and _counts(era) == _counts(later)


def _era_after(last: str, counts: str) -> str:
    moment = max(time.time_ns() // 1000, int(last[:20] or 0) + 1)
    return f"{moment:020d}-{counts}"


def _counts(era: str) -> str:
    """The part of an era's name that stays the same when its rows are sealed again."""
    return era.partition("-")[2]

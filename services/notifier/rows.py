"""The rows of one notifier, and whether they are ours: each has a MAC, and a number in the sum of all of them.

All of them are under one key, that of the cursor's row. After a rotation of the key of records they are sealed again, in the
transaction that proves them. From then on a row under the former key is not accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from domain.log.authenticity import TOLD, KeyMissing, key_of_row
from domain.log.row_sets import Field, RowSet, added
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection
from services.notifier.marks import Proved
from services.rendering import utc

CURSOR = (
    "SELECT log, number, since, settled, serial, total, last, mac FROM notifying.cursors WHERE notifier = $1 FOR UPDATE"
)
WAITING = "SELECT number, id, message, lowest, since, mac FROM notifying.outbox WHERE notifier = $1"
DEAD = "SELECT number, id, message, lowest, mac FROM notifying.dead WHERE notifier = $1"
STORMS = "SELECT rule, document, mac FROM notifying.storms WHERE notifier = $1"
KEYS = {WAITING: "number", DEAD: "number", STORMS: 'rule COLLATE "C"'}
"""The column that orders each table's rows, in the same order as Python compares its values."""
_TAKEN_AWAY = {
    WAITING: "DELETE FROM notifying.outbox WHERE notifier = $1 AND number = $2",
    DEAD: "DELETE FROM notifying.dead WHERE notifier = $1 AND number = $2",
    STORMS: "DELETE FROM notifying.storms WHERE notifier = $1 AND rule = $2",
}
_SEALED = {
    WAITING: "UPDATE notifying.outbox SET mac = $3 WHERE notifier = $1 AND number = $2",
    DEAD: "UPDATE notifying.dead SET mac = $3 WHERE notifier = $1 AND number = $2",
    STORMS: "UPDATE notifying.storms SET mac = $3 WHERE notifier = $1 AND rule = $2",
}
NO_END = 1 << 63
"""An offset that no topic reaches."""
ROWS = 200
"""Rows that are read at once when all are proved."""
Fields = Callable[[Any], tuple[Field, ...]]
ODD = (AttributeError, TypeError, ValueError, OverflowError)
"""What a row raises that holds NULL, or a time outside the calendar, where we never write such values."""


@dataclass(frozen=True, slots=True)
class CursorRow:
    """The cursor's row. `number`: the last offset that was taken in. `settled`: everything below this offset was sent when
    all rows were last proved. `serial`: the next row's number. `total`: the sum of the other rows. `last`: the digest of the
    value at `number`, "" if it is not known. `key`: the name of the row's key."""

    log: str
    number: int
    since: datetime
    settled: int
    serial: int
    total: int
    last: str = ""
    key: str = ""

    @property
    def proved(self) -> Proved:
        return Proved(self.settled, self.since, self.key)

    def but(self, *numbers: int) -> CursorRow:
        """The cursor after some rows were added (their numbers in the sum) and some removed (the negatives)."""
        return replace(self, total=added(self.total, *numbers))


class NotifierRows:
    """The rows of the notifier with this name."""

    def __init__(self, keys: VaultKeyring, name: str) -> None:
        self._keys = keys
        self._name = name
        self._set = RowSet(keys, TOLD)

    def use(self, key: str) -> None:
        """From now on rows have to be under this key; "" for any key."""
        self._set.under = key

    def sealed(self, kind: str, *fields: Field) -> tuple[str, int]:
        """The MAC to keep with a row, and its number in the sum."""
        return self._set.sealed(kind, self._name, *fields)

    def sealed_cursor(self, held: CursorRow) -> tuple[str, str]:
        """The sum to keep in the cursor's row, hidden, and the row's MAC."""
        total = self._set.hidden(held.total)
        return total, self._keys.mac(TOLD, *self.cursor(held, total), under=held.key)

    def cursor(self, held: CursorRow, total: str) -> tuple[Field, ...]:
        known = (held.last,) if held.last else ()  # rows of earlier versions have no digest
        return ("cursor", self._name, held.log, held.number, utc(held.since), held.settled, held.serial, total, *known)

    def message(self, row: Any) -> tuple[Field, ...]:
        return ("outbox", self._name, row["number"], row["id"], row["message"], row["lowest"], utc(row["since"]))

    def dead(self, row: Any) -> tuple[Field, ...]:
        return ("dead", self._name, row["number"], row["id"], row["message"], row["lowest"])

    def storm(self, row: Any) -> tuple[Field, ...]:
        return ("storm", self._name, row["rule"], row["document"])

    def ours(self, fields: Fields, row: Any) -> int | None:
        """A row's number in the sum; None if somebody else wrote the row."""
        try:
            return self._set.number(row["mac"], *fields(row))
        except (KeyMissing, *ODD):
            return None

    def authentic(self, row: Any) -> CursorRow | None:
        """The cursor's row; None if somebody else wrote it."""
        found = shown(row)
        try:
            if not self._keys.holds(row["mac"], TOLD, *self.cursor(found, row["total"])):
                return None
        except ODD:
            return None
        return replace(found, total=self._set.total(row["total"]))

    async def take_away(self, connection: Connection, strange: Sequence[tuple[str, Any]]) -> None:
        for question, key in strange:
            await connection.execute(_TAKEN_AWAY[question], self._name, key)

    async def sealed_anew(self, connection: Connection) -> FoundRows:
        """Seal all rows, which were proved just now, under the newest key."""
        found = FoundRows()
        self.use(self._keys.newest)
        for question, fields in ((WAITING, self.message), (STORMS, self.storm), (DEAD, self.dead)):
            sealed = []
            async for row in connection.cursor(question, self._name, prefetch=ROWS):
                mac, number = self._set.sealed(*fields(row))
                sealed.append((self._name, row[0], mac))
                found.take(question, row, number)
            await connection.executemany(_SEALED[question], sealed)
        return found

    async def dead_anew(self, connection: Connection, key: str) -> tuple[int, int]:
        """Seal the dead letters under the newest key. Returns their sum, and a number above all of theirs. Dead letters that
        are not ours, or under an older key than `key`, are removed."""
        total, serial, strange, sealed = 0, 0, [], []
        self.use("")
        async for row in connection.cursor(DEAD, self._name, prefetch=ROWS):
            if self.ours(self.dead, row) is None or self._keys.rank(key_of_row(row["mac"])) < self._keys.rank(key):
                strange.append(row["number"])
            else:
                sealed.append(row)
        self.use(self._keys.newest)
        for row in sealed:
            mac, number = self._set.sealed(*self.dead(row))
            await connection.execute(_SEALED[DEAD], self._name, row["number"], mac)
            total, serial = added(total, number), max(serial, row["number"] + 1)
        await connection.execute(
            "DELETE FROM notifying.dead WHERE notifier = $1 AND number = ANY($2::bigint[])", self._name, strange
        )
        return total, serial

    async def found(self, connection: Connection) -> FoundRows | None:
        """All rows; None if one is there twice, because somebody removed the table's primary key."""
        found = FoundRows()
        for question, fields in ((WAITING, self.message), (STORMS, self.storm), (DEAD, self.dead)):
            before = None
            async for row in connection.cursor(f"{question} ORDER BY {KEYS[question]}", self._name, prefetch=ROWS):
                number = self.ours(fields, row)
                if number is None:
                    found.strange.append((question, row[0]))
                    continue
                if before is not None and row[0] <= before:
                    return None
                before = row[0]
                found.take(question, row, number)
        return found


@dataclass(slots=True)
class FoundRows:
    """The rows that are ours, and those that somebody else added. `lowest`: the first offset of the messages and storms that
    are not sent yet. `messages` and `storms`: each row's number in the sum, by its key, in the order of the keys."""

    total: int = 0
    lowest: int = NO_END
    messages: dict[int, int] = field(default_factory=dict)
    storms: dict[str, int] = field(default_factory=dict)
    strange: list[tuple[str, Any]] = field(default_factory=list)

    def take(self, question: str, row: Any, number: int) -> None:
        self.total = added(self.total, number)
        if question == WAITING:
            self.messages[row["number"]] = number
            self.lowest = min(self.lowest, row["lowest"])
        elif question == STORMS:
            self.storms[row["rule"]] = number
            if (first := orjson.loads(row["document"])["lowest"]) >= 0:
                self.lowest = min(self.lowest, first)


def shown(row: Any) -> CursorRow:
    """A cursor's row as anybody can read it, without the sum."""
    key = key_of_row(row["mac"])
    return CursorRow(row["log"], row["number"], row["since"], row["settled"], row["serial"], 0, row["last"], key)


def not_after(beginning: Proved, row: Any) -> Proved:
    """Where a notifier goes on if its cursor's row is an earlier version's. That row has no MAC, so anybody may have written
    it. So nothing is left out that a new notifier, which begins at `beginning`, would send."""
    try:
        utc(row["since"])
        return Proved(max(0, min(row["number"] + 1, beginning.settled)), min(row["since"], beginning.since))
    except ODD:
        return beginning

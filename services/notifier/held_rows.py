"""The messages of one notifier that wait, and the storms that it holds back: in its tables, and as this process knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from domain.ports import Unavailable
from services.adapters.postgres import Connection, Pool
from services.logs import logger_of
from services.notifier.rows import DEAD, STORMS, WAITING, CursorRow, Fields, FoundRows, NotifierRows
from services.notifier.storms import Message, Storm
from services.rendering import utc

log = logger_of("notifier")

AT_ONCE = 100
"""Dead letters that are tried again in one transaction."""


class LedgerChanged(Unavailable):
    """The tables are not as this process left them. Everything is proved before it goes on."""


class HeldRows:
    """The rows that wait or are held back. Each write changes the sum in the cursor's row: each method returns the cursor
    with the new sum."""

    def __init__(self, rows: NotifierRows, name: str) -> None:
        self._rows = rows
        self._name = name
        self.messages: dict[int, int] = {}
        """The messages that wait, the next one first: each message's number, and its row's number in the sum."""
        self.storms: dict[str, int] = {}
        """The storms that are held back: by group, the row's number in the sum."""

    def hold(self, found: FoundRows) -> None:
        """Take over the rows that were found when all were proved."""
        self.messages, self.storms = found.messages, found.storms

    def forget(self) -> None:
        self.messages.clear()
        self.storms.clear()

    async def next_message(self, pool: Pool, behind: int = 0) -> Any:
        """The row of the next message, or of the one at this place behind it; None if no message waits there. Raises
        LedgerChanged."""
        number = next(islice(self.messages, behind, None), None)
        if number is None:
            return None
        row = await pool.fetchrow(f"{WAITING} AND number = $2", self._name, number)
        if row is None or self.number(self._rows.message, row) != self.messages[number]:
            raise self.changed("a message that waits")
        return row

    async def storm_texts(self, connection: Connection) -> dict[str, str]:
        """The documents of the storms that are held back, by group. Raises LedgerChanged."""
        rows = await connection.fetch(STORMS, self._name)
        if {row["rule"]: self.number(self._rows.storm, row) for row in rows} != self.storms:
            raise self.changed("what is held back")
        return {row["rule"]: row["document"] for row in rows}

    async def write_storms(
        self,
        connection: Connection,
        cursor: CursorRow,
        storms: Mapping[str, Storm],
        before: Mapping[str, str],
    ) -> CursorRow:
        for rule in before.keys() - storms.keys():
            await connection.execute("DELETE FROM notifying.storms WHERE notifier = $1 AND rule = $2", self._name, rule)
            cursor = cursor.but(-self.storms.pop(rule))
        for rule, storm in storms.items():
            text = orjson.dumps(storm.document()).decode()
            if text == before.get(rule):
                continue
            mac, number = self._rows.sealed("storm", rule, text)
            await connection.execute(
                "INSERT INTO notifying.storms VALUES ($1, $2, $3, $4) ON CONFLICT (notifier, rule) DO UPDATE SET "
                "document = excluded.document, mac = excluded.mac",
                self._name, rule, text, mac,
            )  # fmt: skip
            cursor = cursor.but(number, -self.storms.get(rule, 0))
            self.storms[rule] = number
        return cursor

    async def put(
        self, connection: Connection, cursor: CursorRow, messages: Sequence[Message], now: datetime
    ) -> CursorRow:
        """Put messages after those that wait."""
        rows, numbers = [], []
        for at, each in enumerate(messages, cursor.serial):
            row = (at, each.id, orjson.dumps(each.message).decode(), each.lowest)
            mac, number = self._rows.sealed("outbox", *row, utc(now))
            rows.append((self._name, *row, now, mac))
            numbers.append(number)
            self.messages[at] = number
        if rows:
            await connection.executemany(
                "INSERT INTO notifying.outbox (notifier, number, id, message, lowest, since, mac) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (notifier, number) DO UPDATE SET id = excluded.id, "
                "message = excluded.message, lowest = excluded.lowest, since = excluded.since, mac = excluded.mac",
                rows,
            )
        return replace(cursor.but(*numbers), serial=cursor.serial + len(rows))

    async def try_again(self, connection: Connection, cursor: CursorRow, now: datetime) -> CursorRow:
        rows = await connection.fetch(f"{DEAD} AND again ORDER BY number LIMIT {AT_ONCE}", self._name)
        for row in rows:
            cursor = cursor.but(-self.number(self._rows.dead, row))
        if not rows:
            return cursor
        await connection.execute(
            "DELETE FROM notifying.dead WHERE notifier = $1 AND number = ANY($2::bigint[])",
            self._name, [row["number"] for row in rows],
        )  # fmt: skip
        messages = [Message(row["id"], orjson.loads(row["message"]), row["lowest"]) for row in rows]
        return await self.put(connection, cursor, messages, now)

    async def take_away(self, connection: Connection, cursor: CursorRow, number: int) -> CursorRow:
        """Remove a message that does not wait any more. It counts as gone whether or not somebody removed its row meanwhile."""
        await connection.execute("DELETE FROM notifying.outbox WHERE notifier = $1 AND number = $2", self._name, number)
        return cursor.but(-self.messages.pop(number))

    def number(self, fields: Fields, row: Any) -> int:
        """A row's number in the sum. Raises LedgerChanged if somebody else wrote the row."""
        number = self._rows.ours(fields, row)
        if number is None:
            raise self.changed(f"a row ({fields.__name__})")
        return number

    def changed(self, what: str) -> LedgerChanged:
        log.error(
            "somebody else changed what a notifier holds; all of it is proved now", notifier=self._name, what=what
        )
        return LedgerChanged(f"{what} of {self._name} was changed by somebody else")

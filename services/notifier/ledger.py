"""The state of one notifier: how far alerts were sent, what is held back in a storm, which messages wait, which were given up.

Taking in alerts and writing their messages is one transaction, so the notifier loses nothing and writes nothing twice. A message
may still be delivered twice, under the same id, if its acknowledgement was lost.

Nothing is believed just because it is in Postgres. Each row carries a MAC. The cursor's row holds the sum of all the others
(domain/log/row_sets). Only this process writes the rows, and it knows the MAC that it wrote last. It also knows which messages
wait and what is held back. Otherwise a row that is there whenever all rows are proved, but not when it is asked for, would hide
its message for ever.

All rows are proved at the start and then once a minute. If anything differs, an error is logged. Then all alerts are sent again
from a mark on: the last proof says that everything before it was sent. That mark is on Kafka too (marks.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import orjson

from domain.alerts.severities import SEVERITIES
from domain.ports import Unavailable
from services.adapters.alerts_file import Notifier
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection, Pool
from services.logs import logger_of
from services.notifier import outbox
from services.notifier.held_rows import HeldRows, LedgerChanged
from services.notifier.marks import Mark, Proved
from services.notifier.outbox import Waiting
from services.notifier.raised_alerts import RaisedAlert
from services.notifier.rows import CURSOR, CursorRow, NotifierRows, not_after, shown
from services.notifier.storms import gathered, storm_from

log = logger_of("notifier")

NO_TABLES = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
"""Postgres raises these before the first start, and for the tables of an earlier version."""
LATE = timedelta(days=1)
"""An alert is not raised longer after its record than this."""


def begins(end: int, now: datetime) -> Proved:
    """Where a notifier begins that is new now, while the topic ends at `end`: that leaves out what was raised before. The time
    leaves out only what is raised again from long ago. An alert has its record's time, by the writer's clock, so with the
    notifier's own start instead it would miss what is raised since, if alert workers or that clock are behind."""
    return Proved(end, now - LATE)


class Ledger:
    """`log_name` is the log's id. `end` gives the offset that the next alert will have. `beginning` is where a new notifier
    begins: it does not send alerts that were raised before, nor alerts of records from long before that are raised again
    (after a restore the whole log is judged again)."""

    def __init__(
        self,
        pool: Pool,
        keys: VaultKeyring,
        notifier: Notifier,
        log_name: str,
        mark: Mark,
        end: Callable[[], Awaitable[int]],
        beginning: Proved,
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._rows = NotifierRows(keys, notifier.name)
        self._held = HeldRows(self._rows, notifier.name)
        self._notifier, self._name, self._log = notifier, notifier.name, log_name
        self._mark = mark
        self._end, self._beginning = end, beginning
        self._lock = asyncio.Lock()
        self._cursor: CursorRow | None = None
        self._macs: set[str] = set()
        """The MACs that the cursor's row may have: two if it is not known whether the second was committed."""
        self._mac = ""
        """The last of these MACs."""
        self._next: list[CursorRow] = []
        """The cursor once the transaction is committed, if it was changed."""
        self._proved: Proved | None = None
        self._times = 0
        """How often it began again: an earlier message is not among its rows any more."""

    # -- what the worker calls ----------------------------------------------------------------------------------------

    async def next(self) -> int:
        """The offset of the next alert to take in. Raises INTERRUPTED."""
        async with self._lock:
            return (await self._known()).number + 1

    async def last(self) -> str:
        """The digest of the value before that offset, as it was taken in; "" if it is not known. Raises INTERRUPTED."""
        async with self._lock:
            return (await self._known()).last

    async def take_in(self, start: int, end: int, alerts: Sequence[RaisedAlert], now: datetime, last: str = "") -> None:
        """Write the messages: for alerts that were raised at the offsets from `start` up to `end`, for storms whose time is
        over, and for dead letters that are tried again. Accounts make no difference: people who may configure the
        installation may see all alerts. `last` is the digest of the value before `end`. Raises INTERRUPTED, also if the next
        offset to take in is not `start`."""
        least = SEVERITIES.index(self._notifier.least)
        async with self._moving() as (connection, cursor):
            if cursor.number + 1 != start:
                raise Unavailable(f"{self._name} goes on from @{cursor.number + 1}, and not from @{start}")
            cursor = self._begun_by(cursor, now)
            wanted = [each for each in alerts if each.rank >= least and not each.suppressed]
            old, since = [each.offset for each in wanted if each.at < cursor.since], cursor.since
            found = [(each.offset, each.alert) for each in wanted if each.at >= cursor.since]
            texts = await self._held.storm_texts(connection)
            storms = {rule: storm_from(orjson.loads(text)) for rule, text in texts.items()}
            messages = gathered(self._name, storms, found, self._notifier.group_seconds, now)
            cursor = await self._held.write_storms(connection, cursor, storms, texts)
            cursor = await self._held.put(connection, cursor, messages, now)
            cursor = await self._held.try_again(connection, cursor, now)
            await self._keep(connection, replace(cursor, number=end - 1, last=last if end > start else cursor.last))
        if old:
            log.warning(
                "alerts were left out: their records are too old for this notifier",
                notifier=self._name,
                count=len(old),
                first=old[0],
                since=since.isoformat(),
            )

    async def head(self, behind: int = 0) -> Waiting | None:
        """The next message, or the one that waits at this place behind it; None if there is no such one. Raises
        INTERRUPTED."""
        async with self._lock:
            await self._known()
            try:
                row = await self._held.next_message(self._pool, behind)
            except LedgerChanged:
                self._cursor = None
                raise
            if row is None:
                return None
            found = orjson.loads(row["message"])
            return Waiting(row["number"], row["id"], found, row["since"], row, self._times)

    async def delivered(self, waiting: Waiting) -> None:
        async with self._moving() as (connection, cursor):
            await self._keep(connection, await self._gone(connection, cursor, waiting))

    async def failed(self, waiting: Waiting, fault: str) -> None:
        await self._pool.execute(
            "UPDATE notifying.outbox SET attempts = least(attempts, 1000000) + 1, fault = $3 "
            "WHERE notifier = $1 AND number = $2",
            self._name, waiting.number, fault[:500],
        )  # fmt: skip

    async def given_up(self, waiting: Waiting, fault: str) -> None:
        """Turn the message into a dead letter."""
        async with self._moving() as (connection, cursor):
            if not self._waits(waiting):
                return
            attempts = await connection.fetchval(
                "SELECT least(attempts, 1000000) + 1 FROM notifying.outbox WHERE notifier = $1 AND number = $2",
                self._name, waiting.number,
            )  # fmt: skip
            cursor = await self._gone(connection, cursor, waiting)
            row = (waiting.number, waiting.id, waiting.row["message"], waiting.row["lowest"])
            mac, number = self._rows.sealed("dead", *row)
            await connection.execute(
                "INSERT INTO notifying.dead VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), false, $9) "
                "ON CONFLICT (notifier, number) DO UPDATE SET id = excluded.id, message = excluded.message, "
                "lowest = excluded.lowest, again = false, mac = excluded.mac",
                self._name, *row, waiting.since, attempts or 1, fault[:500], mac,
            )  # fmt: skip
            await self._keep(connection, cursor.but(number))

    async def prove(self) -> None:
        """Check every row, and note how far everything was sent. Raises INTERRUPTED."""
        async with self._lock:
            end = await self._end()  # first: without Kafka nothing is proved, and what waits in Postgres is still sent
            self._cursor = None
            proved = (await self._known(end)).proved
        await self._mark.keep(proved)

    async def begin_again(self, first: int, reason: str) -> None:
        """Begin again at another offset, since the topic does not go on from where this notifier was. Raises INTERRUPTED."""
        log.error(reason, notifier=self._name, first=first)
        async with self._lock:
            known = await self._known()
            async with self._pool.acquire() as connection, connection.transaction():
                cursor = await self._anew(connection, Proved(first, known.since, known.key), known.serial)
            self._settle(cursor)
        await self._mark.keep(cursor.proved)

    # -- one transaction ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _moving(self) -> AsyncIterator[tuple[Connection, CursorRow]]:
        """A transaction that begins from what this process wrote last. Raises INTERRUPTED."""
        async with self._lock:
            cursor = await self._known()
            self._next.clear()
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    row = await connection.fetchrow(CURSOR, self._name)
                    if row is None or row["mac"] not in self._macs or shown(row) != replace(cursor, total=0):
                        raise self._held.changed("how far it has been told")
                    yield connection, cursor
            except BaseException:
                self._cursor = None  # it is not known whether it was committed
                raise
            if self._next:
                self._settle(self._next[-1], proved=False)

    async def _keep(self, connection: Connection, cursor: CursorRow) -> None:
        """Write the cursor that holds when the transaction is committed."""
        if cursor == self._cursor:
            return
        total, mac = self._rows.sealed_cursor(cursor)
        self._macs.add(mac)
        self._next.append(cursor)
        self._mac = mac
        await connection.execute(
            "INSERT INTO notifying.cursors VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (notifier) DO UPDATE SET "
            "log = excluded.log, number = excluded.number, since = excluded.since, settled = excluded.settled, "
            "serial = excluded.serial, total = excluded.total, mac = excluded.mac, last = excluded.last",
            self._name, cursor.log, cursor.number, cursor.since, cursor.settled, cursor.serial, total, mac, cursor.last,
        )  # fmt: skip

    def _settle(self, cursor: CursorRow, *, proved: bool = True) -> None:
        """The transaction was committed."""
        self._cursor, self._macs = cursor, {self._mac}
        if proved:
            self._proved = cursor.proved

    async def _gone(self, connection: Connection, cursor: CursorRow, waiting: Waiting) -> CursorRow:
        return await self._held.take_away(connection, cursor, waiting.number) if self._waits(waiting) else cursor

    def _waits(self, waiting: Waiting) -> bool:
        return waiting.times == self._times and waiting.number in self._held.messages

    def _begun_by(self, cursor: CursorRow, now: datetime) -> CursorRow:
        """The cursor, of a notifier that began before now. If it began later, its clock was set back since, and nobody knows when
        it began. A day earlier than now leaves out nothing that is raised from now on, also if alert workers are behind."""
        if cursor.since <= now:
            return cursor
        log.warning(
            "the clock was set back since a notifier began; it goes on as one that began a day ago",
            notifier=self._name,
            began=cursor.since.isoformat(),
        )
        return replace(cursor, since=now - LATE)

    # -- loading and proving ------------------------------------------------------------------------------------------

    async def _known(self, end: int | None = None) -> CursorRow:
        """The cursor, read and proved if this process does not know it. `end` is the topic's, from a caller who has asked for
        it just now. The caller holds the lock. Raises INTERRUPTED."""
        if self._cursor is None:
            try:
                cursor = await self._loaded(end)
            except NO_TABLES:
                await outbox.prepare(self._pool)
                cursor = await self._loaded(end)
            self._settle(cursor)
        assert self._cursor is not None, "it was settled"
        return self._cursor

    async def _loaded(self, end: int | None) -> CursorRow:
        await self._keys.read_again()
        proved = self._proved or await self._mark.read()
        end = await self._end() if end is None else end
        if proved is not None and proved.settled > end:
            proved = None  # of a topic that was in the place of this one
        try:
            async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
                return await self._load(connection, proved)
        except BaseException:
            self._cursor = None
            raise

    async def _load(self, connection: Connection, proved: Proved | None) -> CursorRow:
        row = await connection.fetchrow(CURSOR, self._name)
        if row is None and proved is None:
            first = self._beginning.settled
            log.warning("a notifier begins: it is told of what is raised from now on", notifier=self._name, first=first)
            return await self._anew(connection, self._beginning)
        if row is None:
            return await self._told_again(connection, "how far a notifier has been told was removed", proved)
        if not row["mac"] and proved is None and row["log"] == self._log:
            earlier = not_after(self._beginning, row)
            log.warning(
                "a notifier goes on from where an earlier version was", notifier=self._name, first=earlier.settled
            )
            return await self._anew(connection, earlier)
        cursor = self._rows.authentic(row)
        if cursor is None:
            reason = "how far a notifier has been told was changed by somebody else"
            return await self._told_again(connection, reason, proved or self._beginning)
        if proved is not None and self._keys.rank(cursor.key) < self._keys.rank(proved.key):
            reason = "what a notifier holds is under a key of records that was replaced"
            return await self._told_again(connection, reason, proved)
        if cursor.log != self._log:
            log.warning("a notifier of another log begins anew", notifier=self._name, first=self._beginning.settled)
            return await self._anew(connection, self._beginning)
        if proved is not None and cursor.number + 1 < proved.settled:
            reason = "what a notifier held earlier was put back by somebody else"
            return await self._told_again(connection, reason, proved, cursor.serial)
        if self._macs and row["mac"] not in self._macs:
            log.error(
                "what a notifier held earlier was put back; it is told again of what came since", notifier=self._name
            )
        key = cursor.key if proved is not None and proved.key else ""  # an earlier version's rows are under several
        proved = max(proved or cursor.proved, cursor.proved, key=lambda each: each.settled)
        self._rows.use(key)
        lowest = await self._first_that_waits(connection, cursor)
        if lowest is None:
            reason = "rows of a notifier were changed, added, removed or put back by somebody else"
            return await self._told_again(connection, reason, replace(proved, key=key), cursor.serial)
        self._cursor, self._mac = cursor, row["mac"]
        if key != self._keys.newest:
            cursor = await self._sealed_anew(connection, cursor)
        cursor = replace(cursor, settled=max(proved.settled, min(lowest, cursor.number + 1)))
        await self._keep(connection, cursor)
        return cursor

    async def _first_that_waits(self, connection: Connection, cursor: CursorRow) -> int | None:
        """The first offset of the messages that wait or are held back, or else the next offset to take in. None if the rows
        are not those that this notifier left."""
        found = await self._rows.found(connection)
        if found is None or found.total != cursor.total:
            return None
        if found.strange:
            log.error("rows that somebody else added are taken away", notifier=self._name, rows=len(found.strange))
            await self._rows.take_away(connection, found.strange)
        self._held.hold(found)
        return min(found.lowest, cursor.number + 1)

    async def _sealed_anew(self, connection: Connection, cursor: CursorRow) -> CursorRow:
        found = await self._rows.sealed_anew(connection)
        self._held.hold(found)
        return replace(cursor, total=found.total, key=self._keys.newest)

    async def _told_again(
        self, connection: Connection, reason: str, proved: Proved | None, serial: int = 0
    ) -> CursorRow:
        assert proved is not None, "there is a place to begin at"
        log.error(f"{reason}; alerts are told again", notifier=self._name, first=proved.settled)
        return await self._anew(connection, proved, serial)

    async def _anew(self, connection: Connection, proved: Proved, serial: int = 0) -> CursorRow:
        """Take in and send everything again from an offset on. The dead letters that are ours stay."""
        self._times += 1
        self._cursor = None
        self._held.forget()
        total, least = await self._rows.dead_anew(connection, proved.key)
        await connection.execute("DELETE FROM notifying.outbox WHERE notifier = $1", self._name)
        await connection.execute("DELETE FROM notifying.storms WHERE notifier = $1", self._name)
        last, serial = proved.settled - 1, max(serial, least)
        cursor = CursorRow(self._log, last, proved.since, proved.settled, serial, total, key=self._keys.newest)
        await self._keep(connection, cursor)
        return cursor

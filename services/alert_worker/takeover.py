"""What judging keeps in Postgres: how far each partition is judged, and the counts of the rules.

Positions and counts move in one transaction, and its alerts are on their topic before it is committed. So if a process is killed
at any moment, the counts are right. At worst alerts are sent again, under the same names. Workers on different partitions count
in the same rows, so a window is complete whichever worker reads which partition.

Nothing is believed just because it is in Postgres. Each row has a MAC. Each partition's row has a sum of the rows that its
records added to the other tables and removed from them (domain/log/row_sets). If somebody changes, adds, removes or restores a
row, that shows when the row is read, at a start or once a minute. If all rows are restored together, that shows by what a
process remembers (books.py) and what Kafka has (marks.py). Then everything is judged again.
"""

from __future__ import annotations

import asyncpg

from domain.ports import Unavailable
from services.adapters import skips
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import Connection, Pool
from services.alert_worker.books import Books, RowsChanged, goes_on
from services.alert_worker.marks import Marked, Marks
from services.alert_worker.positions import POSITIONS, JudgedUpTo, proved
from services.alert_worker.schema import TABLES, require_unaltered
from services.logs import logger_of

log = logger_of("alerts")


class LossAccepted(Exception):
    """Records that were judged are lost, and an operator accepted that: everything that is left has to be judged again."""


_STANDS = """
SELECT count(*) FROM information_schema.columns WHERE (table_schema, table_name, column_name) IN
(('alerting', 'origin', 'era'), ('alerting', 'positions', 'total'))
"""
_IS_THERE = "SELECT to_regclass('alerting.positions') IS NOT NULL"


async def prepare(pool: Pool, books: Books, marks: Marks) -> None:
    """Make the tables, and take over their era. If they belong to another log or to an earlier version, they are emptied and
    a new era begins. The same happens if somebody else wrote the rows that say how far everything is judged. `check` looks at
    the other rows beside the judging, since that may take a while. Raises Unavailable."""
    marked = await marks.read()  # before the tables, which can only be further
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.PREPARE_ALERTING)
            if await _is_this_logs(connection, books, marked):
                return
            await connection.execute(_LOCK_FIRST)
            await connection.execute("DROP SCHEMA IF EXISTS alerting CASCADE")
            await connection.execute(TABLES)
            await skips.none_of_judging(connection, books.log)
            mac = books.begin(marked.era if marked is not None else "")
            await connection.execute("INSERT INTO alerting.origin VALUES ($1, $2, $3)", books.log, books.era, mac)
    except asyncpg.DeadlockDetectedError as fault:
        raise Unavailable(f"another worker was at the tables where alerts are counted: {fault}") from fault
    await marks.keep(Marked(books.era, key=books.key))


async def _is_this_logs(connection: Connection, books: Books, marked: Marked | None) -> bool:
    """Whether the tables can be taken over. Logs the reason if not."""
    try:
        why = await _taken_over(connection, books, marked)
    except RowsChanged as fault:
        log.error("somebody else wrote where alerts are counted; everything is judged anew", what=str(fault))
        return False
    if why:
        log.warning("everything is judged anew", why=why)
    return why is None


# As the judging does: it locks a partition's row before anything else.
_LOCK_FIRST = """
DO $$ BEGIN IF to_regclass('alerting.positions') IS NOT NULL THEN
LOCK TABLE alerting.positions IN ACCESS EXCLUSIVE MODE; END IF; END $$
"""


async def _taken_over(connection: Connection, books: Books, marked: Marked | None) -> str | None:
    """None if the tables are this log's; otherwise the reason, "" if there are no tables. Raises RowsChanged."""
    if not await connection.fetchval(_IS_THERE):
        if marked is not None:
            raise RowsChanged("the tables were removed")
        return ""
    if await connection.fetchval(_STANDS) < 2:
        if marked is not None:
            raise RowsChanged("columns were removed")
        return "an earlier version counted, and kept no eras"
    await require_unaltered(connection)
    log_of: list[str] = [row["log"] for row in await connection.fetch("SELECT log FROM alerting.origin")]
    if not log_of:
        return "a worker found something wrong, or somebody else removed what says which log was counted of"
    if log_of != [books.log]:
        return f"the log {log_of[0]} was counted of, and this is {books.log}"
    rows = await connection.fetch(POSITIONS)
    await books.read(connection)
    found, _ = proved(books, rows, {})
    if marked is not None:
        if books.keys.rank(marked.key) > books.keys.rank(books.key):
            raise RowsChanged("what says which log was counted of is under a key that was replaced")
        if marked.era > books.era:
            raise RowsChanged("rows of a time that is over were put back")
    if marked is not None and goes_on(marked.era, books.era):
        for (topic, partition), least in marked.furthest.items():
            if found.get((topic, partition), JudgedUpTo()).next < least:
                raise RowsChanged(f"the position of {topic}/{partition} went back to before {least}")
    return None


async def begin_anew(pool: Pool) -> None:
    """Have everything judged again from the next start on (`prepare`). An alert that was raised before is raised again under
    its name. Nothing is emptied here: that would wait for a worker that judges a policy to the end, and the caller may be
    that worker."""
    async with pool.acquire() as connection, connection.transaction():
        # Made again: a rule or a trigger might keep the row.
        await connection.execute("DROP TABLE IF EXISTS alerting.origin CASCADE")
        await connection.execute(_ORIGIN_TABLE)


_ORIGIN_TABLE = "CREATE TABLE alerting.origin (log text NOT NULL, era text NOT NULL, mac text NOT NULL)"

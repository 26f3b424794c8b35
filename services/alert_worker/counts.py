"""The counts that rules keep: windows, the different things in each window, and which principal used which key."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from domain.alerts.engine.judge import Candidate, Pair
from domain.durations import DAY_SECONDS
from services.adapters.postgres import Pool
from services.alert_worker.books import Books, JudgedElsewhere
from services.alert_worker.positions import FORGOTTEN, LockedPosition, locked
from services.alert_worker.schema import ITEMS, PAIRS, WINDOWS

KEPT_FOR = 30 * DAY_SECONDS
"""Seconds for which windows are kept, by the records' own time. No worker is that far behind."""
REMEMBERED = 100_000
"""How many full windows, and how many known pairs, are remembered in memory."""
FORGOTTEN_AT_ONCE = 5_000

WindowName = tuple[str, str, int]


class _Remembered:
    """Names that need not be looked up in the database again."""

    def __init__(self) -> None:
        self._names: OrderedDict[Any, None] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def add(self, names: Iterable[Any]) -> None:
        self._names.update(dict.fromkeys(names))
        while len(self._names) > REMEMBERED:
            self._names.popitem(last=False)


class Counts:
    """One stream's counting, one transaction at a time. Rows are locked in order, so that two workers wait for each other and
    never deadlock."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget what is known of the tables: somebody emptied them."""
        self._full, self._pairs = _Remembered(), _Remembered()
        self.dropped()

    def committed(self) -> None:
        """The transaction was committed: what it wrote counts now."""
        self._full.add(self._new_full)
        self._pairs.add(self._new_pairs)
        self.dropped()

    def dropped(self) -> None:
        """The transaction was not committed."""
        self._new_full: list[WindowName] = []
        self._new_pairs: list[tuple[str, str]] = []

    def has_all(self, candidates: Sequence[Candidate], pairs: Sequence[Pair]) -> bool:
        """Whether these change nothing, because their windows are full and their pairs are known."""
        return all(each.window_of in self._full for each in candidates) and all(
            (each.principal, each.key) in self._pairs for each in pairs
        )

    async def add(self, held: LockedPosition, found: Sequence[Candidate]) -> list[WindowName]:
        """Count the candidates. Returns the windows that reach their limit with them and had not before. Raises RowsChanged,
        JudgedElsewhere."""
        counted: Counter[WindowName] = Counter()
        thresholds: dict[WindowName, int] = {}
        items: dict[tuple[str, str, int, str], None] = {}
        for each in found:
            name = each.window_of
            if name in self._full:
                continue
            thresholds[name] = each.threshold
            if each.item:
                items[(*name, each.item)] = None
            else:
                counted[name] += 1
        if items:
            counted.update((rule, subject, start) for rule, subject, start, _ in await _new(held, ITEMS, sorted(items)))
        if not counted:
            return []
        names = sorted(counted)
        before = await _counted(held, names)
        counts = [count + counted[name] for name, count in zip(names, before, strict=True)]
        sealed = [held.sealed(WINDOWS, (*name, count)) for name, count in zip(names, counts, strict=True)]
        held.add(*(number for _, number in sealed))
        await held.connection.execute(_COUNT, *_columns(names, 3), counts, [mac for mac, _ in sealed])
        crossed = []
        for name, count, was in zip(names, counts, before, strict=True):
            if count >= thresholds[name]:
                self._new_full.append(name)
                if was < thresholds[name]:
                    crossed.append(name)
        return crossed

    async def new(self, held: LockedPosition, found: Sequence[Pair]) -> list[Pair]:
        """The pairs that were never seen before. Raises RowsChanged, JudgedElsewhere."""
        asked = {
            (each.principal, each.key): each
            for each in reversed(found)
            if (each.principal, each.key) not in self._pairs
        }
        if not asked:
            return []
        new = await _new(held, PAIRS, sorted(asked))
        self._new_pairs += asked
        return [asked[pair] for pair in new]


async def _counted(held: LockedPosition, names: Sequence[WindowName]) -> list[int]:
    """The count of each window so far. Each row is checked, and its number is taken out of the sum."""
    nothing = [held.sealed(WINDOWS, (*name, 0)) for name in names]
    macs = [mac for mac, _ in nothing]
    rows = await held.connection.fetch(_WINDOWS, *_columns(names, 3), macs)
    found = {(row["rule"], row["subject"], row["start"]): row for row in rows}
    before = []
    for name, (mac, _) in zip(names, nothing, strict=True):
        row = found[name]
        before.append(row["count"])
        if row["count"] or row["mac"] != mac:  # a row of 0 was made just now, and is in no sum
            held.add(-held.number(WINDOWS, row))
    return before


async def _new(held: LockedPosition, table: str, names: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Write rows that may exist already. Returns those that did not exist. The others are checked: a row that somebody else
    wrote would keep a new one from being counted."""
    sealed = [held.sealed(table, name) for name in names]
    numbers = dict(zip(names, (number for _, number in sealed), strict=True))
    columns = _columns(names, len(names[0]))
    rows = await held.connection.fetch(_INSERTED[table], *columns, [mac for mac, _ in sealed])
    new = [tuple(row) for row in rows]
    held.add(*(numbers[name] for name in new))
    if len(new) < len(names):
        there = sorted(set(names) - set(new))
        rows = await held.connection.fetch(_THERE[table], *_columns(there, len(names[0])))
        if len(rows) < len(there):
            raise JudgedElsewhere("a row that was there has gone meanwhile")
        for row in rows:
            held.number(table, row)
    return new


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(width)]


_WINDOWS = """
INSERT INTO alerting.windows
SELECT rule, subject, start, 0, mac FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS n (rule, subject, start, mac)
ON CONFLICT (rule, subject, start) DO UPDATE SET count = windows.count
RETURNING rule, subject, start, count, mac
"""
_COUNT = """
UPDATE alerting.windows AS w SET count = n.count, mac = n.mac
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS n (rule, subject, start, count, mac)
WHERE w.rule = n.rule AND w.subject = n.subject AND w.start = n.start
"""
_INSERTED = {
    ITEMS: """
INSERT INTO alerting.items SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING RETURNING rule, subject, start, item
""",
    PAIRS: """
INSERT INTO alerting.pairs SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING RETURNING principal, key
""",
}
_THERE = {
    ITEMS: """
SELECT rule, subject, start, item, mac FROM alerting.items
JOIN unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS n (rule, subject, start, item)
USING (rule, subject, start, item)
""",
    PAIRS: """
SELECT principal, key, mac FROM alerting.pairs
JOIN unnest($1::text[], $2::text[]) AS n (principal, key) USING (principal, key)
""",
}
_GONE = """
DELETE FROM alerting.{table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM alerting.{table} WHERE start < $1 ORDER BY rule, subject, start LIMIT $2 FOR UPDATE
)) RETURNING rule, subject, start, {what}, mac
"""


async def forget(pool: Pool, books: Books, before: int, at_once: int = FORGOTTEN_AT_ONCE) -> None:
    """Remove the windows that began before `before` (seconds since the epoch), `at_once` of them in one transaction. Raises
    RowsChanged, JudgedElsewhere."""
    for table, what in ((WINDOWS, "count"), (ITEMS, "item")):
        question = _GONE.format(table=table, what=what)
        gone = at_once
        while gone == at_once:
            async with pool.acquire() as connection, connection.transaction():
                held = await locked(connection, books, FORGOTTEN)
                rows = await connection.fetch(question, before, at_once)
                gone = len(rows)
                for row in rows:
                    held.add(-held.number(table, row))
                await held.move(held.reached)

"""Questions to `decisions` about a span of positions. Calls are grouped by case, so that each case is decided again only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from projections.decisions.queries import CASES, DECISIONS
from projections.history.arn_holders import HeldArn, columns_of
from projections.log.conditions import QueryConditions
from projections.log.schema import AskedLog

TimeBounds = tuple[datetime | None, datetime | None]
"""From the first time on, and before the second; None: as far as the record goes."""


@dataclass(frozen=True, slots=True)
class CallsOfKey:
    """Calls that concern a key, also as the key with which ReEncrypt encrypts."""

    key: str
    arn: str


@dataclass(frozen=True, slots=True)
class CallsOfAccount:
    """Calls by anybody in an account."""

    account: str


@dataclass(frozen=True, slots=True)
class CallsOfPrincipal:
    """Calls by an identity under the ARNs that it had."""

    held: Sequence[HeldArn]


Whose = CallsOfKey | CallsOfAccount | CallsOfPrincipal


@dataclass(frozen=True, slots=True)
class Touched:
    """Calls of some operations by some principals, or by anyone (None). `sessions`: beginnings of the ARNs of sessions."""

    operations: Sequence[str]
    principals: Sequence[str] | None
    sessions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DecisionSpan:
    """Decisions with a case at the positions after `after` up to `last`.

    `owner`: the account that may see them; "" for all decisions. `within` and `outside` narrow them further.
    """

    after: int
    last: int
    times: TimeBounds = (None, None)
    whose: Whose | None = None
    owner: str = ""
    within: Touched | None = None
    outside: Touched | None = None

    def _conditions(self, *bounds: Any) -> QueryConditions:
        """`bounds` are the query's values before the conditions, from $1 on."""
        found = QueryConditions(*bounds)
        found.add("case_id IS NOT NULL")
        if self.whose is not None:
            _add_whose(found, self.whose)
        if self.owner:
            found.add("{} = ANY(owners)", self.owner)
        _add_times(found, self.times)
        if self.within is not None:
            _add_touched(found, "{}", self.within)
        if self.outside is not None:
            _add_touched(found, "NOT ({})", self.outside)
        return found


def _add_whose(found: QueryConditions, whose: Whose) -> None:
    cases = f"case_id IN (SELECT id FROM {CASES} WHERE {{}})"
    match whose:
        case CallsOfKey():
            found.add(cases.format("key_id = {} OR destination = {}"), whose.key, whose.arn)
        case CallsOfAccount():
            found.add(cases.format("account = {}"), whose.account)
        case CallsOfPrincipal():
            add_callers(found, whose.held)
        case _:
            assert_never(whose)


def add_callers(found: QueryConditions, held: Sequence[HeldArn]) -> None:
    """Requires a case that is an identity's, under one of its ARNs; for a role, one of its sessions. Index: cases_principal."""
    matches = "^@" if any(each.sessions for each in held) else "="
    names = [each.sessions or each.arn for each in held]
    found.add(f"case_id IN (SELECT id FROM {CASES} WHERE principal {matches} ANY({{}}))", names)
    spans = "unnest({}::text[], {}::bigint[], {}::bigint[]) AS held (name, first, until)"
    then = f"principal {matches} held.name AND seen >= held.first AND seen < held.until"
    _, _, first, until = columns_of(held)
    found.add(f"EXISTS (SELECT FROM {spans} WHERE {then})", names, first, until)


def _add_times(found: QueryConditions, times: TimeBounds) -> None:
    since, until = times
    if since is not None:
        found.add("at >= {}", since)
    if until is not None:
        found.add("at < {}", until)


def _add_touched(found: QueryConditions, form: str, touched: Touched) -> None:
    if touched.principals is None:
        found.add(form.format("operation = ANY({})"), touched.operations)
        return
    by = f"case_id IN (SELECT id FROM {CASES} WHERE principal = ANY({{}}) OR principal ^@ ANY({{}}))"
    found.add(form.format(f"operation = ANY({{}}) AND {by}"), touched.operations, touched.principals, touched.sessions)


_GROUP = "case_id, count(*) AS calls, min(at) AS first, max(at) AS last"


async def counted(log: AskedLog, span: DecisionSpan) -> tuple[int, int | None]:
    """How many there are, and the first position at which one was decided. Index: decisions_seen."""
    where = span._conditions(span.after, span.last)
    query = f"SELECT count(*), min(seen) AS first FROM {DECISIONS} WHERE seen > $1 AND seen <= $2 AND {where}"
    count, first = await log.fetchrow(query, *where.values) or (0, None)
    return count, first


async def by_position(log: AskedLog, span: DecisionSpan) -> Any:
    """A cursor over (seen, until, case_id, calls, first, last), one row for each position and case. Index: decisions_seen, in its
    order."""
    where = span._conditions(span.after, span.last)
    query = f"""SELECT seen, seen AS until, {_GROUP} FROM {DECISIONS}
        WHERE seen > $1 AND seen <= $2 AND {where} GROUP BY seen, case_id ORDER BY seen, case_id"""
    return await log.cursor(query, *where.values)


async def by_epoch(log: AskedLog, span: DecisionSpan, epochs: Sequence[int]) -> Any:
    """The same, with one row for each case between two `epochs`, which are positions in order. Every decision of the span is read
    once; many calls make few rows."""
    where = span._conditions(span.after, span.last, list(epochs))
    epoch = "width_bucket(seen, $3::bigint[])"
    query = f"""SELECT min(seen) AS seen, max(seen) AS until, {_GROUP} FROM {DECISIONS}
        WHERE seen > $1 AND seen <= $2 AND {where} GROUP BY {epoch}, case_id ORDER BY {epoch}, case_id"""
    return await log.cursor(query, *where.values)


async def times_of(log: AskedLog, span: DecisionSpan, case: bytes, seen: int, until: int) -> list[Any]:
    """(at, calls) of the calls of a case that were decided at the positions from `seen` to `until`. Index: decisions_seen."""
    where = span._conditions(seen, until, case)
    query = f"""SELECT at, count(*) AS calls FROM {DECISIONS}
        WHERE seen >= $1 AND seen <= $2 AND case_id = $3 AND {where} GROUP BY at"""
    return await log.fetch(query, *where.values)


async def calls_of(log: AskedLog, case: bytes, seen: int, until: int, first: datetime, last: datetime) -> list[Any]:
    """(call_id, at) of each call of a case between two positions and two times, both ends counted. Index: decisions_seen."""
    query = f"""SELECT call_id, at FROM {DECISIONS}
        WHERE seen >= $1 AND seen <= $2 AND case_id = $3 AND at >= $4 AND at <= $5 ORDER BY at, record"""
    return await log.fetch(query, seen, until, case, first, last)


async def all_counted(log: AskedLog, times: TimeBounds) -> int:
    """How many decisions with a case there are in a period."""
    where = QueryConditions()
    where.add("case_id IS NOT NULL")
    _add_times(where, times)
    count: int = await log.fetchval(f"SELECT count(*) FROM {DECISIONS} WHERE {where}", *where.values)
    return count


async def first_seen_since(log: AskedLog, since: datetime) -> int | None:
    """The first position at which a decision was made since a time. Index: decisions_at."""
    query = f"SELECT min(seen) FROM {DECISIONS} WHERE at >= $1 AND case_id IS NOT NULL"
    found: int | None = await log.fetchval(query, since)
    return found


async def partitions(log: AskedLog) -> list[Any]:
    """(origin, first, last, records) of each partition of `decisions`."""
    query = f"""SELECT origin, min(record) AS first, max(record) AS last, count(*) AS records FROM {DECISIONS}
        WHERE origin >= 0 GROUP BY origin ORDER BY origin"""
    return await log.fetch(query)

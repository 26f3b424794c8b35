"""Questions to `history` about who held an ARN when. An ARN is a name: a user who is renamed gets another one, and a user who is
deleted and made again has the one that somebody else had before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.arn import ACCOUNT_ID, parse_arn, root_arn, session_arn
from projections.history.project import STILL
from projections.history.queries import HISTORY
from projections.log.schema import AskedLog

FIRST = -2
"""Before the position that any decision saw."""

# index: history_pkey, then history_arn. A trail may see a caller for the first time in a call, so whoever held an ARN first there
# has the calls from before too.
HELD = f"""
WITH versions AS (
    SELECT h.arn, h.id, h.position, lag(h.id) OVER (PARTITION BY h.arn ORDER BY h.position) AS former FROM {HISTORY} h
    WHERE h.kind = 'identity' AND h.arn = ANY(ARRAY(
        SELECT DISTINCT arn FROM {HISTORY} WHERE kind = 'identity' AND id = ANY($1)
    ))
),
begun AS (
    SELECT arn, id, former, position, lead(position) OVER (PARTITION BY arn ORDER BY position) AS until FROM versions
    WHERE former IS DISTINCT FROM id
)
SELECT id, arn, CASE WHEN former IS NULL AND $2 THEN {FIRST} ELSE position END AS first, coalesce(until, {STILL}) AS until
FROM begun WHERE id = ANY($1) ORDER BY id, position
"""


@dataclass(frozen=True, slots=True)
class HeldArn:
    """An ARN that an identity calls or called under. Of the decisions under it, those are the identity's that saw a position
    from `first` on and before `until`, where the next holder was made. `id`: the identity's unique id; of a root, its account."""

    id: str
    arn: str
    first: int = FIRST
    until: int = STILL

    @property
    def sessions(self) -> str:
        return sessions_of(self.arn)


def sessions_of(arn: str) -> str:
    """The beginning of the ARNs of a role's sessions; "" for anybody else."""
    found = parse_arn(arn)
    if found is None or not found.resource.startswith("role/"):
        return ""
    return session_arn(found.account, found.resource.rpartition("/")[2], "")


def columns_of(held: Sequence[HeldArn]) -> tuple[list[str], list[str], list[int], list[int]]:
    """(ids, ARNs, firsts, untils), for a query that unnests them."""
    ids, arns = [each.id for each in held], [each.arn for each in held]
    return ids, arns, [each.first for each in held], [each.until for each in held]


async def held_arns(log: AskedLog, ids: Iterable[str]) -> list[HeldArn]:
    """The ARNs that these identities have and had, by id and in the order of time. Positions are exact and times are not: the
    worker that decided a call and the writer that renamed its caller have a clock each."""
    asked = sorted(set(ids))
    roots = [HeldArn(id, root_arn(id)) for id in asked if ACCOUNT_ID.fullmatch(id)]
    rows = await log.fetch(HELD, [id for id in asked if not ACCOUNT_ID.fullmatch(id)], log.is_trail)
    return [*roots, *(HeldArn(row["id"], row["arn"], row["first"], row["until"]) for row in rows)]


async def last_holder(log: AskedLog, arn: str) -> str | None:
    """The unique id of the identity that has an ARN, or had it last. Index: history_arn."""
    query = f"SELECT id FROM {HISTORY} WHERE arn = $1 AND kind = 'identity' ORDER BY position DESC LIMIT 1"
    found: str | None = await log.fetchval(query, arn)
    return found

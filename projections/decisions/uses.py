"""Questions to `decisions` about the use of keys, access keys and permissions, and about who used each last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.crypto.uses import USES
from projections.decisions.queries import CASES, DECISIONS
from projections.decisions.spans import add_callers
from projections.history.arn_holders import HeldArn, columns_of
from projections.log.conditions import QueryConditions
from projections.log.schema import AskedLog, Table

# indexes: decisions_key, decisions_destination. It counts every use, and looks for the last ones by their time: sorting a million
# uses takes longer than reading them.
_OF_KEY = "(key_id = $1 OR destination = $2) AND effect = 'allowed'"
LAST_USES = f"""
WITH used AS (
    SELECT operation, count(*) AS calls, max(at) AS last FROM {DECISIONS}
    WHERE {_OF_KEY} AND operation = ANY($3) GROUP BY operation
)
SELECT used.operation, calls, last, found.account, found.principal, found.call_id FROM used, LATERAL (
    SELECT account, principal, call_id FROM {DECISIONS} AS uses
    WHERE {_OF_KEY} AND uses.operation = used.operation AND at = used.last LIMIT 1
) AS found
ORDER BY last DESC
"""


# Only for a trail. It reads the whole table.
DESTINATION = f"""
SELECT destination FROM {DECISIONS} WHERE split_part(destination, ':key/', 2) = split_part($1, '@', 1)
    AND split_part($1, '@', 2) IN ('', split_part(destination, ':', 4)) LIMIT 1
"""


async def destination(log: AskedLog, key_id: str) -> str:
    """The ARN by which calls of a trail name a key as their second one; "" if no call does."""
    return str(await log.fetchval(DESTINATION, key_id) or "")


async def last_uses(log: AskedLog, key_id: str, arn: str) -> list[Any]:
    """For each operation that used a key: how often, when last and by whom."""
    return await log.fetch(LAST_USES, key_id, arn, USES)


# Of a partition without rows, nothing is known until the tables were made: a retention had emptied it.
WHOLE_SINCE = f"""
SELECT max(least(made.at, first.at)) FROM {Table("decisions", "made")} AS made, unnest($1::smallint[]) AS cut (origin)
LEFT JOIN {Table("decisions", "firsts")} AS first USING (origin) WHERE first.record IS DISTINCT FROM 0
"""


async def whole_since(log: AskedLog, cut: Sequence[int]) -> datetime | None:
    """Since when every decision has a row, where the topic no longer has the first ones of `cut`. None: each has one."""
    found: datetime | None = await log.fetchval(WHOLE_SINCE, cut) if cut else None
    return found


LET_IN = f"""
SELECT case_id, count(*) AS calls, max(at) AS last FROM {DECISIONS}
WHERE at >= $1 AND at < $2 AND effect = 'allowed' AND case_id IS NOT NULL AND {{whose}} GROUP BY case_id
"""


async def let_in_with(log: AskedLog, key_id: str, arn: str, since: datetime, until: datetime) -> list[Any]:
    """The cases of calls that a key's policy or grants let in during a period. Indexes: decisions_key, decisions_destination."""
    return await log.fetch(LET_IN.format(whose="(key_id = $3 OR destination = $4)"), since, until, key_id, arn)


async def let_in_of(log: AskedLog, held: Sequence[HeldArn], since: datetime, until: datetime) -> list[Any]:
    """The cases of an identity's calls; for a role, those of all its sessions. Index: cases_principal."""
    whose = QueryConditions(since, until)
    add_callers(whose, held)
    return await log.fetch(LET_IN.format(whose=whose), *whose.values)


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
LAST_USE = f"""
SELECT operation, at, call_id FROM (
    (SELECT operation, at, call_id FROM {DECISIONS}
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT operation, at, call_id FROM {DECISIONS}
     WHERE destination = $2 AND operation = 'ReEncrypt' AND effect = 'allowed' ORDER BY at DESC LIMIT 1)
) uses ORDER BY at DESC LIMIT 1
"""


async def last_use(log: AskedLog, key_id: str, arn: str) -> Any | None:
    """The last call that used a key."""
    return await log.fetchrow(LAST_USE, key_id, arn, USES)


# index: decisions_principal. An access key has one holder, so the holder's ARNs only say where to look.
LAST_USES_OF_ACCESS_KEYS = f"""
SELECT DISTINCT ON (asked.access_key) asked.access_key, last.operation, last.at, last.call_id
FROM unnest($1::text[], $2::text[]) AS asked (principal, access_key), LATERAL (
    SELECT operation, at, call_id FROM {DECISIONS}
    WHERE principal = asked.principal AND access_key = asked.access_key ORDER BY at DESC LIMIT 1
) last ORDER BY asked.access_key, last.at DESC
"""


async def last_uses_of_access_keys(log: AskedLog, access_keys: Sequence[tuple[HeldArn, str]]) -> list[Any]:
    """The last call with each access key; `access_keys` are (an ARN of its holder, id)."""
    principals, names = [held.arn for held, _ in access_keys], [name for _, name in access_keys]
    return await log.fetch(LAST_USES_OF_ACCESS_KEYS, principals, names)


# index: decisions_login
LAST_LOGINS = f"""
SELECT held.id, max(last.at) AS at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS held (id, arn, first, until), LATERAL (
    SELECT at FROM {DECISIONS}
    WHERE principal = held.arn AND operation = 'ConsoleLogin' AND effect = 'allowed'
        AND seen >= held.first AND seen < held.until
    ORDER BY at DESC LIMIT 1
) last GROUP BY held.id
"""


async def last_logins(log: AskedLog, held: Sequence[HeldArn]) -> list[Any]:
    """(id, at): when each user last signed in with a password; no row for one who never did."""
    return await log.fetch(LAST_LOGINS, *columns_of(held))


# indexes: decisions_principal, cases_principal
ACCESSES = f"""
SELECT held.id, operation, max(at) AS at FROM (
    SELECT * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS users (id, arn, first, until)
    UNION ALL SELECT roles.id, called.principal, roles.first, roles.until
    FROM unnest($7::text[], $8::text[], $9::bigint[], $10::bigint[]) AS roles (id, sessions, first, until)
    JOIN (SELECT DISTINCT principal FROM {CASES} WHERE account = $1 AND principal ^@ ANY($8)) AS called
        ON called.principal ^@ roles.sessions
) held JOIN {DECISIONS} ON principal = held.arn AND seen >= held.first AND seen < held.until
WHERE account = $1 AND at >= $2 GROUP BY held.id, operation
"""


async def accesses(log: AskedLog, account: str, held: Sequence[HeldArn], since: datetime) -> list[Any]:
    """(id, operation, at): the last call of each operation by each identity since a time; for a role, by any of its sessions."""
    users, roles = [each for each in held if not each.sessions], [each for each in held if each.sessions]
    ids, _, first, until = columns_of(roles)
    of_roles = (ids, [each.sessions for each in roles], first, until)
    return await log.fetch(ACCESSES, account, since, *columns_of(users), *of_roles)


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
USED_BEFORE = f"""
SELECT greatest(
    (SELECT max(at) FROM {DECISIONS}
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) AND at < $4),
    (SELECT max(at) FROM {DECISIONS}
     WHERE destination = $2 AND operation = 'ReEncrypt' AND effect = 'allowed' AND at < $4)
)
"""


async def used_before(log: AskedLog, key_id: str, arn: str, at: datetime) -> datetime | None:
    """When a key was last used before a time."""
    found: datetime | None = await log.fetchval(USED_BEFORE, key_id, arn, USES, at)
    return found

"""Questions to `decisions` about the use of keys, access keys and permissions, and about who used each last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.crypto.uses import USES
from projections.decisions.queries import CASES, DECISIONS
from projections.log.schema import AskedLog

# indexes: decisions_key, decisions_destination
LAST_USES = f"""
SELECT operation, count(*) AS calls, max(at) AS last, (array_agg(account ORDER BY at DESC))[1] AS account,
    (array_agg(principal ORDER BY at DESC))[1] AS principal, (array_agg(call_id ORDER BY at DESC))[1] AS call_id
FROM {DECISIONS}
WHERE (key_id = $1 OR destination = $2) AND effect = 'allowed' AND operation = ANY($3)
GROUP BY operation ORDER BY last DESC
"""


# Only for a trail. It reads the whole table.
DESTINATION = f"""
SELECT destination FROM {DECISIONS} WHERE split_part(destination, ':key/', 2) = split_part($1, '@', 1)
    AND split_part($1, '@', 2) IN ('', split_part(destination, ':', 4)) LIMIT 1
"""


async def destination(log: AskedLog, key_id: str) -> str:
    """The ARN by which a ReEncrypt in a trail names a key as the key to encrypt with; "" if no call does."""
    return str(await log.fetchval(DESTINATION, key_id) or "")


async def last_uses(log: AskedLog, key_id: str, arn: str) -> list[Any]:
    """For each operation that used a key: how often, when last and by whom."""
    return await log.fetch(LAST_USES, key_id, arn, USES)


# index: decisions_key
LET_IN = f"""
SELECT case_id, count(*) AS calls, max(at) AS last FROM {DECISIONS}
WHERE {{whose}} AND at >= $2 AND at < $4 AND effect = 'allowed' AND case_id IS NOT NULL GROUP BY case_id
"""


async def let_in_with(log: AskedLog, key_id: str, arn: str, since: datetime, until: datetime) -> list[Any]:
    """The cases of calls that a key's policy or grants let in during a period. Indexes: decisions_key, decisions_destination."""
    return await log.fetch(LET_IN.format(whose="(key_id = $1 OR destination = $3)"), key_id, since, arn, until)


async def let_in_of(log: AskedLog, principal: str, session: str, since: datetime, until: datetime) -> list[Any]:
    """The cases of a principal's calls; for a role, those of all its sessions. Index: cases_principal."""
    whose = f"case_id IN (SELECT id FROM {CASES} WHERE principal = $1 OR starts_with(principal, $3))"
    return await log.fetch(LET_IN.format(whose=whose), principal, since, session, until)


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
LAST_USE = f"""
SELECT operation, at, call_id FROM (
    (SELECT operation, at, call_id FROM {DECISIONS}
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT operation, at, call_id FROM {DECISIONS}
     WHERE destination = $2 AND effect = 'allowed' ORDER BY at DESC LIMIT 1)
) uses ORDER BY at DESC LIMIT 1
"""


async def last_use(log: AskedLog, key_id: str, arn: str) -> Any | None:
    """The last call that used a key."""
    return await log.fetchrow(LAST_USE, key_id, arn, USES)


# index: decisions_principal
LAST_USES_OF_ACCESS_KEYS = f"""
SELECT asked.access_key, last.operation, last.at, last.call_id
FROM unnest($1::text[], $2::text[]) AS asked (principal, access_key), LATERAL (
    SELECT operation, at, call_id FROM {DECISIONS}
    WHERE principal = asked.principal AND access_key = asked.access_key ORDER BY at DESC LIMIT 1
) last
"""


async def last_uses_of_access_keys(log: AskedLog, access_keys: Sequence[tuple[str, str]]) -> list[Any]:
    """The last call with each access key; `access_keys` are (the ARN of its holder, id)."""
    principals, names = [arn for arn, _ in access_keys], [name for _, name in access_keys]
    return await log.fetch(LAST_USES_OF_ACCESS_KEYS, principals, names)


# index: decisions_login
LAST_LOGINS = f"""
SELECT asked.principal, last.at FROM unnest($1::text[], $2::timestamptz[]) AS asked (principal, since), LATERAL (
    SELECT at FROM {DECISIONS}
    WHERE principal = asked.principal AND operation = 'ConsoleLogin' AND effect = 'allowed' AND at >= asked.since
    ORDER BY at DESC LIMIT 1
) last
"""


async def last_logins(log: AskedLog, users: Sequence[tuple[str, datetime]]) -> list[Any]:
    """When each user last signed in with a password; no row for one who never did. `users` are (ARN, since when): an earlier
    user may have had the same ARN."""
    return await log.fetch(LAST_LOGINS, [arn for arn, _ in users], [since for _, since in users])


# indexes: decisions_principal, cases_principal
ACCESSES = f"""
SELECT operation, principal, max(at) AS at FROM {DECISIONS}
WHERE account = $1 AND at >= $4 AND principal IN (
    SELECT unnest($2::text[])
    UNION SELECT DISTINCT principal FROM {CASES}
    WHERE account = $1 AND EXISTS (SELECT FROM unnest($3::text[]) AS role WHERE starts_with(principal, role))
) GROUP BY operation, principal
"""


async def accesses(
    log: AskedLog, account: str, principals: Sequence[str], sessions: Sequence[str], since: datetime
) -> list[Any]:
    """The last call of each operation by each principal since a time. `sessions`: beginnings of the ARNs of sessions."""
    return await log.fetch(ACCESSES, account, list(principals), list(sessions), since)


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
USED_BEFORE = f"""
SELECT greatest(
    (SELECT max(at) FROM {DECISIONS}
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) AND at < $4),
    (SELECT max(at) FROM {DECISIONS} WHERE destination = $2 AND effect = 'allowed' AND at < $4)
)
"""


async def used_before(log: AskedLog, key_id: str, arn: str, at: datetime) -> datetime | None:
    """When a key was last used before a time."""
    found: datetime | None = await log.fetchval(USED_BEFORE, key_id, arn, USES, at)
    return found

"""Questions to `policy_versions`."""

from __future__ import annotations

from typing import Any

from projections.log.schema import AskedLog, Table

POLICY_VERSIONS = Table("policy_versions", "policy_versions")
# index: primary key
NEWEST = f"SELECT * FROM {POLICY_VERSIONS} WHERE key_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3"
# index: primary key
PAGE = f"SELECT * FROM {POLICY_VERSIONS} WHERE key_id = $1 AND version > $2 ORDER BY version LIMIT $3"


async def page(log: AskedLog, key_id: str, after: int, limit: int) -> list[Any]:
    """The next versions of a key's policy, oldest first."""
    return await log.fetch(PAGE, key_id, after, limit)


async def newest(log: AskedLog, key_id: str, before: int, limit: int) -> list[Any]:
    """The versions of a key's policy before this one, newest first."""
    return await log.fetch(NEWEST, key_id, before, limit)

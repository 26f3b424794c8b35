"""Questions to `policy_versions`."""

from __future__ import annotations

from typing import Any

from projections.log.schema import AskedLog, Table

POLICY_VERSIONS = Table("policy_versions", "policy_versions")
# index: primary key
PAGE = f"SELECT * FROM {POLICY_VERSIONS} WHERE key_id = $1 AND version > $2 ORDER BY version LIMIT $3"


async def page(log: AskedLog, key_id: str, after: int, limit: int) -> list[Any]:
    """The next versions of a key's policy, oldest first."""
    return await log.fetch(PAGE, key_id, after, limit)

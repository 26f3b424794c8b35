"""Questions to `policy_versions`."""

from __future__ import annotations

from typing import Any

# index: primary key
PAGE = "SELECT * FROM p_policy_versions.policy_versions WHERE key_id = $1 AND version > $2 ORDER BY version LIMIT $3"


async def page(pool: Any, key_id: str, after: int, limit: int) -> list[Any]:
    """The next versions of a key's policy, oldest first."""
    return list(await pool.fetch(PAGE, key_id, after, limit))

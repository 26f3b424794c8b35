"""Questions to `keys`."""

from __future__ import annotations

from typing import Any

# index: keys_account
PAGE = "SELECT * FROM p_keys.keys WHERE account = $1 AND key_id > $2 ORDER BY key_id LIMIT $3"
# index: primary key
ONE = "SELECT * FROM p_keys.keys WHERE key_id = $1 AND account = $2"


async def page(pool: Any, account: str, after: str, limit: int) -> list[Any]:
    """The next keys of an account after a key id."""
    return list(await pool.fetch(PAGE, account, after, limit))


async def one(pool: Any, account: str, key_id: str) -> Any | None:
    return await pool.fetchrow(ONE, key_id, account)

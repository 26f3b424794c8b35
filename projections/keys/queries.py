"""Questions to `keys`."""

from __future__ import annotations

from typing import Any

from projections.log.schema import AskedLog, Table

KEYS = Table("keys", "keys")
# index: keys_account
PAGE = f"SELECT * FROM {KEYS} WHERE account = $1 AND key_id > $2 ORDER BY key_id LIMIT $3"
# index: primary key
ONE = f"SELECT * FROM {KEYS} WHERE key_id = $1 AND account = $2"


async def page(log: AskedLog, account: str, after: str, limit: int) -> list[Any]:
    """The next keys of an account after a key id."""
    return await log.fetch(PAGE, account, after, limit)


async def one(log: AskedLog, account: str, key_id: str) -> Any | None:
    return await log.fetchrow(ONE, key_id, account)

"""Which versions have sessions on the database, by the sessions' names.

So an operator sees the processes of an earlier version. A session ends with its process, however that ends. A table in which
processes enter themselves would have to be cleared after each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain.log.levels import FIRST, LEVEL
from services.adapters.postgres import SESSION_NAME, Pool

_NAMED = re.compile(re.escape(SESSION_NAME.rstrip("0123456789")) + "([0-9]{1,9})")
_SESSIONS = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend'
"""


async def of_older_versions(pool: Pool) -> int:
    """How many sessions are of a version that does not know LEVEL. Raises asyncpg's errors."""
    return count_older([row["application_name"] for row in await pool.fetch(_SESSIONS)])


def count_older(names: Iterable[str]) -> int:
    return sum(_level_of(each) < LEVEL for each in names)


def _level_of(name: str) -> int:
    if not name:
        return FIRST  # Keytrail 0.1.0 gave its sessions no name
    found = _NAMED.fullmatch(name)
    return int(found[1]) if found else LEVEL  # of psql and its like

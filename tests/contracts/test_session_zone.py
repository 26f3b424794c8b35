"""The days by which calls are counted, in a database of somebody who set another zone."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from projections.decisions.queries import EXPRESSIONS
from services.adapters.postgres import connect
from services.settings import Settings


async def test_days_are_those_of_utc_whatever_zone_the_database_has(database: Settings) -> None:
    """Given a call that is made on the next day in the database's zone."""
    name = urlsplit(database.postgres).path.removeprefix("/")
    pool = await connect(database)
    await pool.execute(f"ALTER DATABASE {name} SET timezone TO 'Asia/Kolkata'")
    await pool.close()
    pool = await connect(database)
    day = await pool.fetchval(
        f"SELECT {EXPRESSIONS['day']} FROM (SELECT timestamptz '2026-11-20 20:00Z' AS at) AS calls"
    )
    await pool.close()
    assert day == datetime(2026, 11, 20, tzinfo=UTC)

"""One state of the projections, which stays the same while a question is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.adapters.postgres import connect_alone
from services.settings import Settings


@dataclass(slots=True)
class Still:
    """`last`: every projection has the log up to this position."""

    log: AskedLog
    last: int
    history: int


@asynccontextmanager
async def still(settings: Settings) -> AsyncIterator[Still]:
    """Opens a separate connection: a question over years may take minutes, and the pool's connections are for short questions.

    Raises Unavailable.
    """
    connection = await connect_alone(settings)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            log = AskedLog(connection)
            yield Still(log, await decisions.reached(log), await history.reached(log))
    finally:
        await connection.close(timeout=2)

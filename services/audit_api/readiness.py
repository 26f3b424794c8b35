"""Waits until the projections can answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from projections.registry import PROJECTIONS
from services.adapters.postgres import INTERRUPTED, Pool
from services.kms_api.live_state import BEGIN_DEADLINE
from services.projector.store import are_made


async def wait_for_projections(pool: Pool) -> None:
    """Returns when the projections have their tables, after BEGIN_DEADLINE, or at once if Postgres cannot be reached. So a
    question about the past just after the very first start waits for the projector, and is not refused."""
    with suppress(*INTERRUPTED):  # also TimeoutError
        async with asyncio.timeout(BEGIN_DEADLINE):
            while not await are_made(pool, PROJECTIONS.values()):  # noqa: ASYNC110  # another process makes them
                await asyncio.sleep(0.05)

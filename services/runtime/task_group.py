"""Pieces of work side by side that end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Run all of them. If one fails, or the caller is cancelled, the others are cancelled and waited for. So none of them
    goes on and, for example, starts something after the caller has stopped everything. Raises what the first one to fail
    raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None

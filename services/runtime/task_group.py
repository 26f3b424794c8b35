"""Work side by side that ends together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Where one part fails, or the caller is cancelled, the others are cancelled and waited for: none of them goes on, say,
    to start something when whoever stops it has looked already. Raises what the first to fail raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None

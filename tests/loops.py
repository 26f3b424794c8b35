"""Runs a question to the brokers in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def run(question: Coroutine[Any, Any, Answer]) -> Answer:
    """As asyncio.run, but a connection that is still saying goodbye at the end is broken off.

    aiokafka closes the connection by which it looks for a cluster, and waits for none of that. In TLS a broker has to answer, and
    one that has just been started again takes a while. The loop would end before, and Python warn that a socket is open.
    """

    async def whole() -> Answer:
        try:
            return await question
        finally:
            transports: Any = getattr(asyncio.get_running_loop(), "_transports")  # noqa: B009  # typeshed has no such name
            for each in list(transports.values()):
                each.abort()
            await asyncio.sleep(0)

    return asyncio.run(whole())

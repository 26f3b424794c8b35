"""Makes and compares hashes of passwords: Argon2id with 19 MiB, two passes and one lane (OWASP, Password Storage Cheat
Sheet; RFC 9106).

One hash takes some 20 ms of a core and 19 MiB. So a worker makes one at a time, in a thread that gives way to the event
loop, and lets few wait.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.kms_api.errors import Throttled

MOST_WAITING = 64
NICENESS = 10
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
BUSY = "Too many passwords are being compared; try again."

Hashed = TypeVar("Hashed")


def _give_way() -> None:
    with suppress(OSError):  # a thread's own priority is Linux's; elsewhere the thread competes like any other
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class PasswordHashes:
    """One worker's hashing."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords", initializer=_give_way)
        self._waiting = 0

    async def made(self, password: str) -> str:
        """A hash in the PHC string format. Raises Throttled."""
        return await self._beside(lambda: HASHER.hash(password))

    async def fits_any(self, held: list[str], password: str) -> bool:
        """Whether this is the password of one of the hashes. Raises Throttled."""
        return await self._beside(lambda: any(_fits(each, password) for each in held))

    async def _beside(self, work: Callable[[], Hashed]) -> Hashed:
        """Raises Throttled."""
        if self._waiting >= MOST_WAITING:
            raise Throttled(BUSY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _fits(held: str, password: str) -> bool:
    try:
        return HASHER.verify(held, password)
    except (VerificationError, InvalidHashError):
        return False

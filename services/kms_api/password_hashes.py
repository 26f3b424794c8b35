"""Makes and compares hashes of passwords: Argon2id with 19 MiB, two passes and one lane (OWASP, Password Storage Cheat
Sheet; RFC 9106).

One hash takes some 20 ms of a core and 19 MiB. So a worker makes one at a time, in a thread that gives way to the event
loop, and lets few wait. Each account that sets passwords has a row of its own, and so has each address that signs in. The
rows take turns, hash by hash: who asks for many waits for the own ones alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.kms_api.errors import Throttled
from services.shares import Shares

MOST_WAITING, MOST_IN_A_ROW = 64, 16
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
BUSY = "Too many passwords are being compared; try again."

Hashed = TypeVar("Hashed")


class PasswordHashes:
    """One worker's hashing. `whose` names the row: an account's id, or the address of somebody who signs in."""

    def __init__(self) -> None:
        self._turns = Shares("passwords", 1)
        self._waiting = Counter[str]()

    async def made(self, whose: str, password: str) -> str:
        """A hash in the PHC string format. Raises Throttled."""
        return await self._in_turn(whose, lambda: HASHER.hash(password))

    async def fits_any(self, whose: str, held: Sequence[str], password: str) -> bool:
        """Whether this is the password of one of the hashes. Raises Throttled."""
        for each in held:
            if await self._in_turn(whose, partial(_fits, each, password)):
                return True
        return False

    async def _in_turn(self, whose: str, work: Callable[[], Hashed]) -> Hashed:
        """Raises Throttled."""
        if self._waiting[whose] >= MOST_IN_A_ROW or self._waiting.total() >= MOST_WAITING:
            raise Throttled(BUSY)
        self._waiting[whose] += 1
        try:
            return await self._turns.run(whose, work)
        finally:
            self._waiting[whose] -= 1
            if not self._waiting[whose]:
                del self._waiting[whose]


def _fits(held: str, password: str) -> bool:
    try:
        return HASHER.verify(held, password)
    except (VerificationError, InvalidHashError):
        return False

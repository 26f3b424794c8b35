"""Questions whose filters may make Postgres read many rows: how many of them hold a connection at a time.

The worker's calls, its vault and all its questions share one pool of connections. A filter such as `message=*x*` holds one for
up to five seconds. So these questions have half of the pool, and the other half is always there for what an index answers at
once. They wait in line, and the accounts and principals take turns, so that whoever asks for much waits only for himself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.adapters.postgres import Pool
from services.audit_api.request import AuditRequest
from services.kms_api import errors

OF_PRINCIPAL = 2
"""How many of one principal are answered at a time."""
LONGEST_WAIT = 5.0
"""Seconds that a question waits for its turn."""
MOST_WAITING, MOST_WAITING_ALTOGETHER = 8, 64
"""How many of one principal, and of all, wait."""
_LATER = "Too many questions with filters are being answered; try again."


@dataclass(frozen=True, slots=True, eq=False)
class _InLine:
    account: str
    principal: str
    turn: asyncio.Future[None]


class FilteredQuestions:
    def __init__(self, pool: Pool) -> None:
        self._at_once = pool.get_max_size() // 2
        self._of_account = max(1, self._at_once - 1)  # there is always one for another account
        self._line: list[_InLine] = []
        self._accounts: Counter[str] = Counter()
        self._principals: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, request: AuditRequest) -> AsyncIterator[None]:
        """Waits for a place and takes it. Raises WireError if too many wait already, or if it takes too long."""
        waiting = sum(each.principal == request.caller.principal for each in self._line)
        if waiting >= MOST_WAITING or len(self._line) >= MOST_WAITING_ALTOGETHER:
            raise errors.not_now(_LATER)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._taken(request)
        except TimeoutError:
            raise errors.not_now(_LATER) from None
        try:
            yield
        finally:
            self._leave(request.account, request.caller.principal)

    @asynccontextmanager
    async def turn(self, request: AuditRequest) -> AsyncIterator[None]:
        """Waits for a place however long it takes: for one part of a long answer, whose number is bounded (LongQuestions)."""
        await self._taken(request)
        try:
            yield
        finally:
            self._leave(request.account, request.caller.principal)

    async def _taken(self, request: AuditRequest) -> None:
        own = _InLine(request.account, request.caller.principal, asyncio.get_running_loop().create_future())
        self._line.append(own)
        self._go_on()
        try:
            await own.turn
        except asyncio.CancelledError:
            if own in self._line:
                self._line.remove(own)
            else:  # its turn came in the same moment
                self._leave(own.account, own.principal)
            raise

    def _leave(self, account: str, principal: str) -> None:
        self._accounts -= Counter([account])  # which forgets a name at 0
        self._principals -= Counter([principal])
        self._go_on()

    def _go_on(self) -> None:
        while (first := self._next()) is not None:
            self._line.remove(first)
            self._accounts[first.account] += 1
            self._principals[first.principal] += 1
            first.turn.set_result(None)

    def _next(self) -> _InLine | None:
        """Among those with the least under way, by account and then by principal, the one that has waited longest."""
        if self._accounts.total() >= self._at_once:
            return None
        may = [
            each
            for each in self._line
            if not each.turn.done()  # its caller has just gone away
            and self._accounts[each.account] < self._of_account
            and self._principals[each.principal] < OF_PRINCIPAL
        ]
        return min(may, key=lambda each: (self._accounts[each.account], self._principals[each.principal]), default=None)

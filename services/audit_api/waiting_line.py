"""A line of questions that wait for one of a few places. Accounts and principals take turns, so that an account or principal
with many questions waits only for its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.audit_api.request import AuditRequest
from services.kms_api import errors

LONGEST_WAIT = 5.0
"""Seconds that a question waits for its turn."""


@dataclass(frozen=True, slots=True)
class LinePlaces:
    """How many questions are answered at a time: of all, of one account and of one principal. And how many wait: of one
    principal, and of all."""

    at_once: int
    of_account: int
    of_principal: int
    waiting_of_principal: int = 8
    waiting: int = 64


@dataclass(frozen=True, slots=True, eq=False)
class _InLine:
    account: str
    principal: str
    turn: asyncio.Future[None]


class WaitingLine:
    """`later` is what a question is told whose turn does not come."""

    def __init__(self, places: LinePlaces, later: str) -> None:
        self._places, self._later = places, later
        self._line: list[_InLine] = []
        self._accounts: Counter[str] = Counter()
        self._principals: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, request: AuditRequest) -> AsyncIterator[None]:
        """Waits for a place and takes it. Raises WireError if too many wait already, or if it takes too long."""
        of_principal = sum(each.principal == request.caller.principal for each in self._line)
        if of_principal >= self._places.waiting_of_principal or len(self._line) >= self._places.waiting:
            raise errors.not_now(self._later)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._taken(request)
        except TimeoutError:
            raise errors.not_now(self._later) from None
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
        if self._accounts.total() >= self._places.at_once:
            return None
        may = [
            each
            for each in self._line
            if not each.turn.done()  # its caller has just gone away
            and self._accounts[each.account] < self._places.of_account
            and self._principals[each.principal] < self._places.of_principal
        ]
        return min(may, key=lambda each: (self._accounts[each.account], self._principals[each.principal]), default=None)

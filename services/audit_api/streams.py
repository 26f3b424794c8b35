"""Streams of events: how many one worker keeps open, when they end, and the one look at the projection that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from services.audit_api.request import AuditRequest
from services.audit_api.waiting_line import LinePlaces
from services.kms_api import errors

PLACES = LinePlaces(at_once=100, of_account=80, of_principal=20)
"""How many streams one worker has at a time. None waits: a stream may last for days. A page of the console has one."""
FRESH = 0.05
"""Seconds for which what one stream found out is good for the others."""


class Streams:
    """`stopping` says whether this worker is about to end, so that the streams end themselves. `look` reads the number of the
    newest alert."""

    def __init__(self, stopping: Callable[[], bool], look: Callable[[], Awaitable[int]]) -> None:
        self.stopping = stopping
        self._look = look
        self._looking: asyncio.Task[None] | None = None
        self._newest, self._look_at = -1, 0.0
        self._taken: list[AuditRequest] = []

    @contextmanager
    def place(self, request: AuditRequest) -> Iterator[None]:
        """Takes a place in the moment in which it is looked for, so that of many at once no more get one than there are. Raises
        WireError."""
        of_account = [each for each in self._taken if each.account == request.account]
        of_principal = [each for each in of_account if each.caller.principal == request.caller.principal]
        for who, taken, most in (
            ("you have", of_principal, PLACES.of_principal),
            ("your account has", of_account, PLACES.of_account),
            ("this worker takes", self._taken, PLACES.at_once),
        ):
            if len(taken) >= most:
                raise errors.not_now(f"The {most} streams that {who} at a time are open already; try again.")
        self._taken.append(request)
        try:
            yield
        finally:
            self._taken = [each for each in self._taken if each is not request]

    async def newest(self) -> int:
        """The number of the newest alert, as it was a moment ago. However many streams ask, the database is asked by one.
        Raises INTERRUPTED."""
        if self._looking is None and asyncio.get_running_loop().time() >= self._look_at:
            self._looking = asyncio.create_task(self._look_once())
        if self._looking is not None:
            await asyncio.shield(self._looking)
        return self._newest

    async def _look_once(self) -> None:
        try:
            self._newest = await self._look()
        finally:
            self._looking, self._look_at = None, asyncio.get_running_loop().time() + FRESH

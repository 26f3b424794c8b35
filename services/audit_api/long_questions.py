"""Questions that take long: how many are answered at a time, and how much work each may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from services.audit_api.request import AuditRequest
from services.kms_api import errors
from services.kms_api.errors import WireError
from services.questions.snapshot import Still
from services.questions.source import Source
from services.settings import Settings
from services.shares import QUESTIONS, breathe

AT_ONCE, ALTOGETHER = 2, 8
"""How many long questions of one account, and of all accounts, one worker answers at a time. They share its processor
with every call."""
MOST_STEPS = 100_000_000
"""The most steps of one answer (domain/policy_analysis/budget): some minutes."""
P = ParamSpec("P")
T = TypeVar("T")


class LongQuestions:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, account: str) -> AsyncIterator[None]:
        """Takes one of the places. Raises WireError if the account already has all of its own, or if all are taken."""
        if self._places[account] >= AT_ONCE or self._places.total() >= ALTOGETHER:
            raise errors.not_now(f"{AT_ONCE} such questions are being answered already; try again.")
        self._places[account] += 1
        try:
            yield
        finally:
            self._places[account] -= 1
            if not self._places[account]:
                del self._places[account]

    @asynccontextmanager
    async def snapshot(self, request: AuditRequest, source: Source) -> AsyncIterator[Still]:
        """Takes a place, and reads one unchanging state of the projections while it has that place. Raises WireError,
        Unavailable."""
        async with self.place(request.account), source.still(self._settings) as found:
            yield found

    async def compute(self, request: AuditRequest, function: Callable[P, T], *given: P.args, **options: P.kwargs) -> T:
        """Calls a pure function outside the event loop, in the asking account's turn. Raises WireError if it takes too
        many steps."""

        def work() -> T:
            with spending(Budget(MOST_STEPS, breathe)):
                return function(*given, **options)

        try:
            return await QUESTIONS.run(request.account, work)
        except OutOfSteps:
            message = f"The answer takes more than {MOST_STEPS} steps; ask of less."
            raise WireError(400, "LimitExceededException", message) from None

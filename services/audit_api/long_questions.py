"""Questions that take long: how many are answered at a time, and how much work each may take."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ParamSpec, TypeVar

from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from services.audit_api.request import AuditRequest
from services.audit_api.waiting_line import LinePlaces, WaitingLine
from services.kms_api.errors import WireError
from services.questions.snapshot import Still
from services.questions.source import Source
from services.settings import Settings
from services.shares import QUESTIONS, breathe

OF_PRINCIPAL, OF_ACCOUNT, ALTOGETHER = 2, 3, 8
"""How many long questions of one principal, of one account, and of all accounts, one worker answers at a time. They share its
processor with every call. No principal can have all places of its account, nor an account all of them."""
MOST_STEPS = 100_000_000
"""The most steps of one answer (domain/policy_analysis/budget): some minutes."""
P = ParamSpec("P")
T = TypeVar("T")


class LongQuestions:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._line = WaitingLine(
            LinePlaces(ALTOGETHER, OF_ACCOUNT, OF_PRINCIPAL),
            "As many such questions as this worker takes of one principal or account are being answered already; try again.",
        )

    def place(self, request: AuditRequest) -> AbstractAsyncContextManager[None]:
        """Waits for one of the places and takes it. Raises WireError if it takes too long."""
        return self._line.place(request)

    @asynccontextmanager
    async def snapshot(self, request: AuditRequest, source: Source) -> AsyncIterator[Still]:
        """Waits for a place, and reads one unchanging state of the projections while it has that place. Raises WireError,
        Unavailable."""
        async with self.place(request), source.still(self._settings) as found:
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

"""Routes that ask about the past as a whole: answers of `services/questions` over one state of the projections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from services.api import errors
from services.api.errors import WireError
from services.questions.rechecking import recheck
from services.questions.snapshot import Still, still
from services.settings import Settings

if TYPE_CHECKING:
    from services.api.audit import Asked, Audit

AT_ONCE = 2
"""Long questions that one worker answers at a time: they share its processor with every call."""


class Questions:
    """The routes' functions, beside those of Audit."""

    def __init__(self, audit: Audit, settings: Settings) -> None:
        self._audit = audit
        self._settings = settings
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def _still(self) -> AsyncIterator[Still]:
        """Raises WireError, Unavailable."""
        if self._places.locked():
            raise errors.not_now(f"{AT_ONCE} such questions are being answered now; try again.")
        async with self._places, still(self._settings) as found:
            yield found

    async def recheck(self, asked: Asked) -> AsyncIterator[dict[str, Any]]:
        if not self._audit.hosts(asked):
            raise WireError(
                403, "AccessDeniedException", "Decisions of every account are rechecked: the first account's."
            )
        return self._rechecked(await self._audit.moment(asked, "since"))

    async def _rechecked(self, since: datetime | None) -> AsyncIterator[dict[str, Any]]:
        async with self._still() as found:
            async for each in recheck(found, self._settings.region, since):
                yield each

"""Routes that an auditor begins with: why one call was decided as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.access.audience import Told
from services.adapters.postgres import Pool
from services.api.present import Present
from services.api.questions import Questions
from services.questions.past_call import explained
from services.settings import Settings

if TYPE_CHECKING:
    from services.api.asked import Asked
    from services.api.audit import Audit


class Reviewing:
    """The routes' functions, beside those of Audit."""

    def __init__(self, audit: Audit, questions: Questions, settings: Settings, present: Present, pool: Pool) -> None:
        self._audit = audit
        self._questions = questions
        self._settings = settings
        self._present = present
        self._pool = pool

    async def explain_call(self, asked: Asked) -> Told:
        """Raises WireError, AccessRefused. It shows a decision, so it asks for that too."""
        await self._audit.require(asked, "keytrail:ReadDecisions")
        call = asked.request.path_params["call"]
        async with self._questions.answering():
            return await explained(self._pool, self._settings.region, asked.audience, call, self._present.position)

"""What is asked: our own log, or a trail from elsewhere that stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.history import queries as history
from projections.log.schema import AskedLog, Schema
from services.adapters.postgres import Pool
from services.adapters.trail_topics import BadName, schema_of
from services.audit_api.explaining import bad
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.questions.source import Source
from services.settings import Settings

if TYPE_CHECKING:
    from services.audit_api.asked import Asked


class Sources:
    def __init__(self, settings: Settings, present: LiveState, pool: Pool) -> None:
        self._settings, self._present, self._pool = settings, present, pool

    async def of(self, asked: Asked) -> Source:
        """What `trail` names, our own log where it names none. Raises WireError."""
        name, account = asked.text("trail"), asked.caller.account
        if not name:
            return Source(AskedLog(self._pool), account, self._settings.region, self._present.position)
        if account != self._settings.account_id:
            raise WireError(403, "AccessDeniedException", "A trail is read by the first account's principals alone.")
        try:
            schema = schema_of(name)
        except BadName as fault:
            raise bad(str(fault)) from None
        if not await self._pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.decisions"):
            raise WireError(
                404, "NotFoundException", f"There is no trail {name}; keytrail import cloudtrail makes one."
            )
        trail = AskedLog(self._pool, Schema(schema))
        return Source(trail, "", self._settings.region, await history.reached(trail))

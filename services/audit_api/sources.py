"""What a question is about: our own log, or a trail from elsewhere that was imported beside it."""

from __future__ import annotations

from datetime import UTC, datetime

from projections.history import queries as history
from projections.log.schema import AskedLog, Schema
from services.adapters.postgres import Pool
from services.adapters.trail_topics import BadName, schema_of
from services.audit_api.faults import denied, invalid, missing
from services.audit_api.request import AuditRequest
from services.clock import Clock
from services.kms_api.live_state import LiveState
from services.questions.source import Source
from services.settings import Settings


class Sources:
    def __init__(self, settings: Settings, live: LiveState, pool: Pool, clock: Clock) -> None:
        self._settings, self._live, self._pool, self._clock = settings, live, pool, clock

    async def of(self, request: AuditRequest) -> Source:
        """The trail that `trail` names, or our own log. Raises WireError."""
        name, account = request.text("trail"), request.account
        if not name:
            now = datetime.fromtimestamp(self._clock.now() / 1_000_000, UTC)
            return Source(AskedLog(self._pool), account, self._settings.region, self._live.position, now)
        if account != self._settings.account_id:
            raise denied("Only principals of the first account can read a trail.")
        try:
            schema = schema_of(name)
        except BadName as fault:
            raise invalid(str(fault)) from None
        if not await self._pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.decisions"):
            raise missing(f"There is no trail {name}; keytrail import cloudtrail makes one.")
        trail = AskedLog(self._pool, Schema(schema))
        return Source(trail, "", self._settings.region, await history.reached(trail), None)

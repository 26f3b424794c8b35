"""What is asked: our own log, or a trail from elsewhere that stands beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.authorization.audience import Audience
from projections.history import queries as history
from services.adapters.trail_topics import InTrail
from services.questions.moments import Moment, moment_of
from services.questions.snapshot import Still, still
from services.rendering import utc
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """`pool` answers questions to the projections; `account` is whose keys and people may be told of, "" for everybody's
    (a trail is the installation's own reading of other accounts); `schema` is "" for our own log."""

    pool: Any
    account: str
    region: str
    end: int
    schema: str = ""

    @property
    def is_trail(self) -> bool:
        return bool(self.schema)

    @property
    def audience(self) -> Audience:
        return Audience(self.account)

    async def moment(self, text: str | None) -> Moment:
        """Raises NoSuchMoment, Unavailable."""
        return await moment_of(self.pool, text, self.end)

    async def began(self) -> datetime | None:
        """When the record begins."""
        if self.is_trail:
            return await self._of_trail("min")
        return await history.begins(self.pool)

    async def ended(self) -> datetime | None:
        """When a trail's last record was written: nobody knows what was done after."""
        return await self._of_trail("max")

    async def _of_trail(self, which: str) -> datetime | None:
        # index: calls_at_origin_record_idx
        found: datetime | None = await self.pool.fetchval(
            f"SELECT {which}(at) FROM {self.schema}.calls WHERE origin = 0"
        )
        return found

    async def before_it_began(self, since: datetime | None) -> dict[str, str]:
        """What an answer says where the record begins after the time that it was asked from."""
        began = None if since is None else await self.began()
        return {"began": utc(began)} if began is not None and since is not None and since < began else {}

    @asynccontextmanager
    async def still(self, settings: Settings) -> AsyncIterator[Still]:
        """Raises Unavailable."""
        async with still(settings) as found:
            if not self.schema:
                yield found
                return
            connection = InTrail(found.connection, self.schema)
            yield Still(connection, self.end, self.end)

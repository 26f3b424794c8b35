"""The source of an answer: our own log, or a trail from elsewhere beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from domain.authorization.audience import Audience
from projections.history import queries as history
from projections.log.schema import AskedLog
from projections.trails import queries as trails
from services.questions.moments import Moment, moment_of
from services.questions.snapshot import Still, still
from services.rendering import utc
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """The question is put to `log`. The answer goes to `account`, and is about its keys and people; about everybody's if
    `account` is "" (a trail is the installation's own reading of other accounts). `now` is None for a trail, which tells nothing
    of what came after it."""

    log: AskedLog
    account: str
    region: str
    end: int
    now: datetime | None

    @property
    def is_trail(self) -> bool:
        return self.log.is_trail

    @property
    def audience(self) -> Audience:
        return Audience(self.account)

    async def moment(self, text: str | None) -> Moment:
        """Raises NoSuchMoment, Unavailable."""
        return await moment_of(self.log, text, self.end, self.now)

    async def began(self) -> datetime | None:
        """When the log begins."""
        return await (trails.first_call(self.log) if self.is_trail else history.begins(self.log))

    async def ended(self) -> datetime | None:
        """When a trail's last record was written. Nothing is known of later times."""
        return await trails.last_call(self.log)

    async def before_it_began(self, since: datetime | None) -> dict[str, str]:
        """The member that an answer adds if the log begins later than the time that was asked for."""
        began = None if since is None else await self.began()
        return {"began": utc(began)} if began is not None and since is not None and since < began else {}

    @asynccontextmanager
    async def still(self, settings: Settings) -> AsyncIterator[Still]:
        """Raises Unavailable."""
        async with still(settings) as found:
            if not self.is_trail:
                yield found
                return
            yield Still(AskedLog(found.log.connection, self.log.schema), self.end, self.end)

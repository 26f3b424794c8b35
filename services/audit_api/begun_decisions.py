"""Since when the record of decisions is whole. Nobody knows from it what was called before."""

from __future__ import annotations

from datetime import datetime

from services.audit_api.context import AuditContext
from services.questions.begun_decisions import whole_since
from services.questions.source import Source
from services.rendering import utc


async def decisions_began(audit: AuditContext, source: Source) -> datetime | None:
    """When the log or trail begins, or later, if the first decisions are missing. Raises Unavailable."""
    began = await source.began()
    if source.is_trail:
        return began
    since = await whole_since(audit.settings, audit.bounds, source.log)
    return max((each for each in (began, since) if each is not None), default=None)


async def before_decisions_began(audit: AuditContext, source: Source, since: datetime | None) -> dict[str, str]:
    """The member that an answer about calls adds if it has none, and calls since `since` may be missing. Raises Unavailable."""
    began = await decisions_began(audit, source)
    first = since if since is not None else await source.began()
    return {"began": utc(began)} if began is not None and first is not None and first < began else {}

"""Waits for the read models: a question about everything that is on record must not miss what they have not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from domain.ports import Unavailable
from projections.alerts import queries as alerts
from projections.decisions import queries as decisions
from services.adapters.topics import names
from services.audit_api.context import AuditContext
from services.audit_api.freshness import fresh
from services.questions.moments import LOOK_EVERY, PATIENCE

BoundsByTopic = Mapping[str, Mapping[int, tuple[int, int]]]
"""By topic, for each partition: its first offset, and that of its next record."""


async def changes_read(audit: AuditContext, position: int) -> None:
    """Waits until the decisions have the log up to this position, so that callers see their own latest changes. Raises
    WireError."""

    async def reached() -> bool:
        return await decisions.reached(audit.log) >= position

    await _until(audit, reached)


async def calls_read(audit: AuditContext) -> int:
    """Waits until the decisions have every call that is on the topics now, whoever made it. Returns the position of the newest
    change. Raises WireError."""
    ends, position = await _ends(audit)
    await _calls_read(audit, ends, position)
    return position


async def _ends(audit: AuditContext) -> tuple[BoundsByTopic, int]:
    """Where the topics end now, and the position of the newest change."""
    async with fresh(audit.live):
        return await audit.bounds.now(), audit.live.position


async def _calls_read(audit: AuditContext, ends: BoundsByTopic, position: int) -> None:
    of_decisions = {partition: end for partition, (_, end) in ends[names(audit.settings).decisions].items()}

    async def reached() -> bool:
        read = await decisions.reached_by_partition(audit.log)
        behind = any(read.get(partition, 0) < end for partition, end in of_decisions.items())
        return not behind and await decisions.reached(audit.log) >= position

    await _until(audit, reached)


async def all_read(audit: AuditContext) -> None:
    """Waits until the decisions and the alerts have all that is on their topics now, whoever wrote it. Raises WireError."""
    ends, position = await _ends(audit)
    of_alerts = max(end for _, end in ends[names(audit.settings).alerts].values())
    await _calls_read(audit, ends, position)

    async def reached() -> bool:
        return await alerts.reached(audit.log) >= of_alerts

    await _until(audit, reached)


async def _until(audit: AuditContext, reached: Callable[[], Awaitable[bool]]) -> None:
    async with fresh(audit.live):
        try:
            async with asyncio.timeout(PATIENCE):
                # The projector is another process, so there is no event to wait for.
                while not await reached():  # noqa: ASYNC110  # see above
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise Unavailable("the projections are behind the log") from None

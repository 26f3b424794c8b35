"""What the projections tell to operations of KMS (port Recall)."""

from __future__ import annotations

from domain.keys.key import Key
from domain.ports import Unavailable
from projections.decisions import queries
from services.adapters.postgres import INTERRUPTED, Pool
from services.operations.rows import Use


class ProjectedRecall:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def last_use(self, key: Key) -> Use | None:
        """Raises Unavailable: also while a projection is being built for the first time."""
        try:
            row = await queries.last_use(self._pool, key.id, key.arn)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return None if row is None else Use(row["operation"], round(row["at"].timestamp() * 1_000_000), row["call_id"])

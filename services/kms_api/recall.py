"""What happened in the past, from the projections (the operations' port Recall)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from domain.keys.key import Key
from domain.log.codec import micros_of
from domain.ports import Unavailable
from projections.decisions import uses
from projections.log.schema import AskedLog
from services.adapters.postgres import INTERRUPTED, Pool
from services.kms_api.shapes import operation_names
from services.operations.rows import Accessed, LastUse

SERVICE_OF = {name: service for service in ("kms", "iam", "sts") for name in operation_names(service)}
"""Operation names are unique over the three APIs."""


class ProjectedRecall:
    def __init__(self, pool: Pool) -> None:
        self._log = AskedLog(pool)

    async def last_use(self, key: Key) -> LastUse | None:
        """Raises Unavailable, also while a projection is being built for the first time."""
        try:
            row = await uses.last_use(self._log, key.id, key.arn)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return None if row is None else _use(row)

    async def last_uses_of(self, access_keys: Sequence[tuple[str, str]]) -> dict[str, LastUse]:
        """Raises Unavailable."""
        try:
            rows = await uses.last_uses_of_access_keys(self._log, access_keys)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return {row["access_key"]: _use(row) for row in rows}

    async def last_logins(self, users: Sequence[tuple[str, int]]) -> dict[str, int]:
        """Raises Unavailable."""
        since = [(arn, datetime.fromtimestamp(created / 1_000_000, UTC)) for arn, created in users]
        try:
            rows = await uses.last_logins(self._log, since)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return {row["principal"]: micros_of(row["at"]) for row in rows}

    async def accesses(
        self, account: str, principals: Sequence[str], sessions: Sequence[str], since: int
    ) -> list[Accessed]:
        """Raises Unavailable."""
        moment = datetime.fromtimestamp(since / 1_000_000, UTC)
        try:
            rows = await uses.accesses(self._log, account, principals, sessions, moment)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return [
            Accessed(SERVICE_OF[row["operation"]], row["operation"], row["principal"], micros_of(row["at"]))
            for row in rows
            if row["operation"] in SERVICE_OF
        ]


def _use(row: Any) -> LastUse:
    operation = row["operation"]
    return LastUse(operation, micros_of(row["at"]), row["call_id"], SERVICE_OF.get(operation, ""))

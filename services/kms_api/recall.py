"""What happened in the past, from the projections (the operations' port Recall)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.keys.key import Key
from domain.log.codec import micros_of
from domain.ports import Unavailable
from projections.decisions import uses
from projections.history.arn_holders import HeldArn, held_arns
from projections.log.schema import AskedLog
from services.adapters.postgres import INTERRUPTED, Pool
from services.kms_api.shapes import operation_names
from services.operations.rows import Accessed, LastUse

SERVICE_OF = {name: service for service in ("kms", "iam", "sts") for name in operation_names(service)}
"""Operation names are unique over the three APIs."""


class ProjectedRecall:
    def __init__(self, pool: Pool, whole_since: Callable[[AskedLog], Awaitable[datetime | None]]) -> None:
        self._log = AskedLog(pool)
        self._whole_since = whole_since

    async def last_use(self, key: Key) -> LastUse | None:
        """Raises Unavailable, also while a projection is being built for the first time."""
        try:
            row = await uses.last_use(self._log, key.id, key.arn)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return None if row is None else _use(row)

    async def whole_since(self) -> int:
        """Raises Unavailable."""
        try:
            found = await self._whole_since(self._log)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return 0 if found is None else micros_of(found)

    async def last_uses_of(self, access_keys: Sequence[tuple[str, str]]) -> dict[str, LastUse]:
        """Raises Unavailable."""
        try:
            held = defaultdict[str, list[HeldArn]](list)
            for each in await held_arns(self._log, [holder for holder, _ in access_keys]):
                held[each.id].append(each)
            asked = [(each, name) for holder, name in access_keys for each in held[holder]]
            rows = await uses.last_uses_of_access_keys(self._log, asked)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return {row["access_key"]: _use(row) for row in rows}

    async def last_logins(self, users: Iterable[str]) -> dict[str, int]:
        """Raises Unavailable."""
        try:
            rows = await uses.last_logins(self._log, await held_arns(self._log, users))
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return {row["id"]: micros_of(row["at"]) for row in rows}

    async def accesses(self, account: str, identities: Iterable[str], since: int) -> list[Accessed]:
        """Raises Unavailable."""
        moment = datetime.fromtimestamp(since / 1_000_000, UTC)
        try:
            rows = await uses.accesses(self._log, account, await held_arns(self._log, identities), moment)
        except INTERRUPTED as fault:
            raise Unavailable("the projections do not answer") from fault
        return [
            Accessed(SERVICE_OF[row["operation"]], row["operation"], row["id"], micros_of(row["at"]))
            for row in rows
            if row["operation"] in SERVICE_OF
        ]


def _use(row: Any) -> LastUse:
    operation = row["operation"]
    return LastUse(operation, micros_of(row["at"]), row["call_id"], SERVICE_OF.get(operation, ""))

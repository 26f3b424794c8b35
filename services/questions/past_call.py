"""Finds a past call by its id (the request id that its caller received): its answer and the reasons for it.

For a call across accounts, `Audience` decides what each account sees, as for any call: nothing of the other account's policies.
A caller who was refused sees the same sentence as then.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from domain.arn import parse_arn
from domain.authorization.audience import Audience, Told
from domain.decisions.explained import permissions
from domain.errors import NoSuchEntity
from domain.log.codec import micros_of
from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.history.project import KEY
from projections.log.schema import AskedLog
from services.questions.moments import moment_of
from services.questions.worlds import world_then
from services.rendering import call_of

Naming = Callable[[list[dict[str, Any]]], Awaitable[list[dict[str, Any]]]]
A_CALL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The shape of a call's id. For any other text there is no waiting."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
"""Seconds between one look at the projection and the next: 3.1 in all."""


async def explained(log: AskedLog, region: str, audience: Audience, call: str, end: int, named: Naming) -> Told:
    """The call as `/v1/decisions` shows it, with its `permissions` unless it is across accounts. `named` adds the aliases of its
    key and the names of the identities that it changed.

    Raises NoSuchEntity, also for a call that did not concern the account, NoSuchMoment and Unavailable.
    """
    row = await on_record(log, audience.account, call)
    if row is None:
        raise NoSuchEntity(
            f"No call of this account has the id {call}; `keytrail decisions` lists calls with their ids. A call that was "
            "never decided has no record: one with a wrong signature, and one that was answered by 503."
        )
    (told,) = await named([audience.call(call_of(row))])
    case = await _case(log, row["case_id"])
    if case is None or not audience.case(case)[1]:
        return audience.own(audience.account, told)
    told["permissions"] = case["reasons"]
    if row["seen"] >= 0:
        moment = await moment_of(log, f"@{row['seen']}", end)
        keys = await history.named(log, moment.position, KEY, _keys(case["resources"]))
        world = await world_then(log, region, moment, keys, [audience.account])
        told["permissions"] = permissions(case, world, micros_of(row["at"]))
    return audience.own(audience.account, told)


async def on_record(log: AskedLog, account: str, call: str) -> Any | None:
    """Waits for a call that is not projected yet, since people ask right after they have read an error. It looks less and less
    often, so an id that never existed costs only a few looks."""
    pause = FIRST_PAUSE if A_CALL.fullmatch(call) else LONGEST_PAUSE
    while (row := await decisions.one(log, account, call)) is None and pause < LONGEST_PAUSE:
        await asyncio.sleep(pause)
        pause *= 2
    return row


async def _case(log: AskedLog, name: bytes | None) -> dict[str, Any] | None:
    if name is None:
        return None
    found = await decisions.cases(log, [name])
    case: dict[str, Any] | None = orjson.loads(found[name]) if name in found else None
    return case


def _keys(resources: list[str]) -> list[str]:
    found = [arn for each in resources if (arn := parse_arn(each)) is not None and arn.resource.startswith("key/")]
    return [arn.resource.removeprefix("key/") for arn in found]

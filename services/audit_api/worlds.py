"""The world that a question is asked about: some keys at one moment, and the people of the accounts that it concerns."""

from __future__ import annotations

from typing import Any

from domain.identities.published import AWS
from domain.state.world import World
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.kms_api.live_state import LiveState
from services.questions.moments import Moment
from services.questions.source import Source
from services.questions.worlds import world_then

MOST_KEYS = 10_000
"""At most so many keys of a trail are searched for a principal's permissions."""


async def world_now(live: LiveState, source: Source, key: str | None) -> World:
    """The world now. Of a trail: the world at its end, with this key alone or with all of them."""
    if not source.is_trail:
        return live.world
    moment = await source.moment(None)
    keys = (
        [key]
        if key is not None
        else await history.keys_between(source.log, source.end, source.end, "", MOST_KEYS, source.account)
    )
    return await world_of_keys(source, keys, moment, source.log)


async def world_of_keys(source: Source, keys: list[str], moment: Moment, log: AskedLog) -> World:
    """Those of the keys that existed then, and everybody."""
    rows = await history.named(log, moment.position, "key", keys)
    return await world_then(log, source.region, moment, rows, await _accounts(source))


async def world_of_rows(source: Source, keys: list[Any], moment: Moment) -> World:
    """The keys of these rows of the history, and everybody."""
    return await world_then(source.log, source.region, moment, keys, await _accounts(source))


async def _accounts(source: Source) -> list[str]:
    """Whose people a question is asked about: the account's that asks, or every account's of a trail. Nobody else is in the
    world, so nobody else can be told of."""
    # In a trail's world, the policies that AWS manages belong to AWS.
    return [*await history.accounts(source.log), AWS] if source.is_trail else [source.account]

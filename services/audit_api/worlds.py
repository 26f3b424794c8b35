"""The world of a question: some keys at one moment, and the principals of the accounts that it concerns."""

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
"""The most keys of a trail that are searched for a principal's permissions."""


async def world_now(live: LiveState, source: Source, key: str | None) -> World:
    """The world now. For a trail: the world at its end, with only this key or with all keys."""
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
    """The given keys that existed then, and all principals."""
    rows = await history.named(log, moment.position, "key", keys)
    return await world_then(log, source.region, moment, rows, await _accounts(source))


async def world_of_rows(source: Source, keys: list[Any], moment: Moment) -> World:
    """The keys of these rows of the history, and all principals."""
    return await world_then(source.log, source.region, moment, keys, await _accounts(source))


async def _accounts(source: Source) -> list[str]:
    """The accounts whose principals a question concerns: the asking account or, for a trail, every account of it. The
    world has no others, so no answer can reveal others."""
    # In a trail's world, AWS's managed policies belong to AWS.
    return [*await history.accounts(source.log), AWS] if source.is_trail else [source.account]

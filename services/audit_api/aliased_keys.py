"""The keys that an alias leads to, a part at a time: an account may have 100,000 of them, and the event loop is everybody's."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import AsyncGenerator

from domain.aliases.alias import whole_pattern
from domain.policy.glob import Matcher, compile_parts
from domain.state.world import World
from services.turns import Turn

FEW = 1000
"""Aliases with the same beginning that are looked at by name; with more of them, keys are looked at in the order of their ids."""
AT_ONCE = 1000
"""Key ids in one part: Postgres gets them as one parameter."""
_AFTER_ANY = "\U0010ffff"


async def keys_with_alias(
    world: World, account: str, wanted: str, after: str, first: int
) -> AsyncGenerator[list[str], None]:
    """The ids after `after` of the keys that have such an alias now, in order. `wanted`: with or without alias/; * for any
    characters. The first part has up to `first` ids."""
    whole = whole_pattern(wanted)
    like = compile_parts((text, text == "*") for text in re.split(r"(\*)", whole))  # in linear time
    names, (beginning, star, _) = world.alias_names(account), whole.partition("*")
    begin, end = bisect_left(names, beginning), bisect_left(names, beginning + (_AFTER_ANY if star else "\0"))
    if end - begin <= FEW:
        found = {world.aliases[account, name].key for name in names[begin:end] if like(name)}
        yield sorted(each for each in found if each > after)
        return
    turn, most = Turn(), min(first, AT_ONCE)
    part: list[str] = []
    while some := world.keys_of(account, after, AT_ONCE):
        for key in some:
            if _has(world, key, like):
                part.append(key)
            if len(part) == most:
                yield part
                part, most = [], AT_ONCE
            await turn.give_way()
        after = some[-1]
    if part:
        yield part


def _has(world: World, key: str, like: Matcher) -> bool:
    return any(like(name) for name in world.aliases_of(key))

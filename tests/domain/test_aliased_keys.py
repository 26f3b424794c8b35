"""Which keys an alias leads to, of an account with 100,000 of them: found a part at a time, and nobody waits for the rest."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from domain.aliases.alias import Alias
from domain.state.world import World
from services.audit_api.aliased_keys import AT_ONCE, keys_with_alias
from tests.given import ACCOUNT

MANY = 100_000
IDS = [str(UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)) for number in range(MANY)]
LONGEST_SLICE = 0.05
"""Sorting and sending all of these ids took 0.15 s at once."""


@pytest.fixture(scope="module")
def world() -> World:
    """Every key has an alias with its number, and the first one a second alias."""
    found = World()
    found.key_index.ids.by_owner[ACCOUNT] = sorted(IDS)
    index = found.alias_index
    for number, key in [*enumerate(IDS), ("first", IDS[0])]:
        alias = Alias(ACCOUNT, f"alias/app/{number}", "", key, 0, 0)
        index.by_region.setdefault("", {})[ACCOUNT, alias.name] = alias
        index.names_of_key.add(key, alias.name)
    index.names.by_owner[ACCOUNT] = sorted(name for _, name in found.aliases)
    return found


async def all_parts(world: World, wanted: str, after: str = "", first: int = 100) -> list[list[str]]:
    return [each async for each in keys_with_alias(world, ACCOUNT, wanted, after, first)]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("app/7", [7]),
        ("alias/app/first", [0]),
        ("app/first*", [0]),
        ("app/9999*", [9999, *range(99_990, 100_000)]),
        ("*/first", [0]),
        ("*99999", [99_999]),
        ("app/none", []),
        ("none*", []),
        ("*none", []),
    ],
)
async def test_an_alias_leads_to_its_keys(world: World, wanted: str, numbers: list[int]) -> None:
    found = [key for part in await all_parts(world, wanted) for key in part]
    assert found == sorted(IDS[number] for number in numbers)


async def test_they_come_in_parts_after_a_cursor(world: World) -> None:
    ordered = sorted(IDS)
    parts = await all_parts(world, "*", after=ordered[999])
    assert [key for part in parts for key in part] == ordered[1000:]
    assert len(parts[0]) == 100
    assert max(map(len, parts)) == AT_ONCE


@pytest.mark.parametrize("wanted", ["*", "app/*", "*none"])
async def test_nobody_waits_for_all_of_them(world: World, wanted: str) -> None:
    """The longest time for which the event loop did nothing else."""
    asking = asyncio.create_task(all_parts(world, wanted))
    longest, since = 0.0, time.process_time()
    while not asking.done():
        await asyncio.sleep(0)
        now = time.process_time()
        longest, since = max(longest, now - since), now
    assert longest < LONGEST_SLICE

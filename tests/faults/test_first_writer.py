"""The first writer of a log dies while it begins it: whoever leads next goes on, and the log is at the level that a new one has."""

from __future__ import annotations

import asyncio

import pytest

from domain.log.levels import FIRST, LEVEL
from services.writer.doubts import READ_BACK_DEADLINE
from tests.faults.test_writer_doubts import Term, fold_of
from tests.logs import Log

BEGINNING = 4
"""log.created, log.level-raised, writer.started, and the root user's access key."""


async def led(values: list[bytes]) -> Term:
    """A term of leadership on this log, up to the record of a call."""
    term = Term()
    term.events.values = list(values)
    began = len(values)
    async with asyncio.timeout(READ_BACK_DEADLINE):
        await term.begin()
        while not fold_of(term.events).world.keys:
            async with term.events.grown:
                await term.events.grown.wait()
    term.leading.cancel()
    await asyncio.gather(term.leading, return_exceptions=True)
    assert len(term.events.values) > began
    return term


@pytest.mark.parametrize("written", range(BEGINNING + 1))
async def test_a_log_that_its_first_writer_could_not_finish_is_at_the_newest_level(written: int) -> None:
    """One that died after log.created left a log at the first level, and only `keytrail upgrade finish` mended that."""
    whole = await led([])
    assert fold_of(whole.events).world.level == LEVEL
    term = await led(whole.events.values[:written])
    assert fold_of(term.events).world.level == LEVEL
    assert sum(b"log.level-raised" in each for each in term.events.values) == 1
    assert sum(b"log.created" in each for each in term.events.values) == 1


async def test_a_log_that_a_version_before_began_is_left_at_its_level() -> None:
    """Its processes have to be able to go on reading it until the upgrade is finished."""
    before = Log()
    before.lead("writer-of-before")
    assert fold_of((await led(before.values)).events).world.level == FIRST

"""A clock that was ahead is set back. What a notifier wrote meanwhile holds nothing back until that time comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.durations import DAY_SECONDS, YEAR_DAYS
from services.adapters.postgres import Pool
from services.notifier import outbox
from services.notifier.storms import AT_ONCE
from tests.installation import Installation
from tests.telling import Telling

AHEAD = YEAR_DAYS * DAY_SECONDS


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


async def alerts(telling: Telling) -> list[list[str]]:
    return [ids for _, ids, _ in await telling.told()]


async def test_a_storm_that_began_under_a_clock_that_was_ahead_is_over(pool: Pool) -> None:
    """Every later alert of its rule was held back for a year."""
    telling = await Telling(pool, group_seconds=60).begun()
    for number in range(AT_ONCE + 1):
        await telling.raise_alert(f"a{number}")
    await telling.gather(later=AHEAD)
    assert await alerts(telling) == [[f"a{number}"] for number in range(AT_ONCE + 1)]
    await telling.raise_alert("b")
    await telling.raise_alert("c")
    assert await alerts(telling) == [], "they are held back, for a minute"
    await telling.gather(later=61)
    assert await alerts(telling) == [["b", "c"]]
    await telling.end()


async def test_a_notifier_that_began_under_a_clock_that_was_ahead_sends_what_is_raised(
    pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every alert passed for one of a time before it began, and was left out for good."""
    telling = Telling(pool)
    telling.now += timedelta(seconds=AHEAD)
    telling.start()
    await telling.begun()
    telling.now -= timedelta(seconds=AHEAD, minutes=10)
    await telling.raise_alert("judged late, since alert workers were behind")
    telling.now += timedelta(minutes=10)
    await telling.raise_alert("now")
    assert await alerts(telling) == [["judged late, since alert workers were behind"], ["now"]]
    assert "the clock was set back" in capsys.readouterr().out
    await telling.ledger.prove()
    assert telling.mark.proved is not None
    assert telling.mark.proved.since < outbox.now()
    telling.start()
    telling.now -= timedelta(days=2)
    await telling.raise_alert("judged again after a restore")
    telling.now += timedelta(days=2)
    await telling.raise_alert("later")
    assert await alerts(telling) == [["later"]]
    said = capsys.readouterr().out
    assert "the clock was set back" not in said, "it is stored, and said once"
    assert "[error" not in said
    await telling.end()

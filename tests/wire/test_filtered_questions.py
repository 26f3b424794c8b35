"""Questions that hold up Postgres take at most half of a worker's connections: nobody else waits for them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.attacks.test_sessions import allow, user
from tests.installation import Installation, eventually
from tests.pausing import paused
from tests.wire.test_audit_api import ask, get

SLOW = "/v1/decisions?message=*nobody-said-this*"
REFUSED = "/v1/keys?limit=0"
"""It is on record, as a question that is answered is not."""
WORKERS = ("api-1", "api-2")


async def answers_beside(
    installation: Installation, slow: list[dict[str, str]], quick: str, count: int, answered: int = 0
) -> tuple[list[float], list[tuple[int, Any]]]:
    """While Postgres reads for as long as it may, ask `slow` the slow question, once for each of these callers. How many seconds
    the root user's `count` questions took meanwhile, for the path `quick`, and the slow answers. Postgres reads until `answered`
    of these are there too: on a busy machine forty callers need their time to ask.

    The lock that makes the question slow stops the projector too. So each worker first waits for a call of its own in vain
    (own_writes.py), before anything is timed. A slow question that is refused is such a call."""
    with ThreadPoolExecutor(len(slow) + 1) as threads:
        async with installation.connected() as pool, pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE p_decisions.decisions IN ACCESS EXCLUSIVE MODE")
            for other in WORKERS:
                with paused(installation.process(other)):  # or one worker may take whatever comes
                    assert (await asyncio.to_thread(get, installation, REFUSED))[0] == 400
                    assert (await asyncio.to_thread(get, installation, quick))[0] == 200
            waiting = [threads.submit(get, installation, SLOW, each) for each in slow]
            await asyncio.to_thread(get, installation, quick)
            assert not all(each.done() for each in waiting), "the slow questions are not under way"
            took = []
            for _ in range(count):
                began = time.perf_counter()
                status, answer = await asyncio.get_running_loop().run_in_executor(threads, get, installation, quick)
                took.append(time.perf_counter() - began)
                assert status == 200, answer
            await asyncio.to_thread(eventually, lambda: sum(each.done() for each in waiting) >= answered)
        return took, [each.result() for each in waiting]


@pytest.fixture(scope="module")
def strangers(installation: Installation) -> list[dict[str, str]]:
    """Users who may do nothing but ask for decisions."""
    name = uuid4().hex[:8]
    return [user(installation, f"slow-{name}-{number}", allow(["keytrail:ReadDecisions"])) for number in range(8)]


@pytest.fixture(scope="module")
def quick(installation: Installation) -> str:
    """A question without a filter."""
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    installation.caught_up()
    return f"/v1/keys/{key}"


async def test_slow_questions_hold_up_nobody_else(
    installation: Installation, strangers: list[dict[str, str]], quick: str
) -> None:
    took, slow = await answers_beside(installation, strangers * 4, quick, 8)
    assert max(took) < 0.5, took
    assert {status for status, _ in slow} <= {200, 503}


async def test_who_asks_too_much_is_told_to_try_again(
    installation: Installation, strangers: list[dict[str, str]], quick: str
) -> None:
    """Two workers answer two of one principal at a time, and eight more wait at each."""
    _, slow = await answers_beside(installation, strangers[:1] * 40, quick, 1, answered=20)
    told = [answer["error"]["message"] for status, answer in slow if status == 503]
    assert told.count("Too many questions with filters are being answered; try again.") >= 20
    assert get(installation, SLOW, strangers[0]) == (200, {"items": [], "next": None})


def test_long_questions_of_one_principal_wait_for_their_turn(installation: Installation) -> None:
    """An auditor asked three at once and was told of the third that two were being answered."""
    # Of the last seconds alone: twelve of all that other files have done here would not be answered in time.
    recent = (datetime.now(UTC) - timedelta(seconds=10)).isoformat().replace("+00:00", "Z")
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(ask, installation, f"/v1/recheck?from={recent}") for _ in range(12)]
    assert {each.result()[0] for each in asked} == {200}
    assert [each.result()[1] for each in asked if b'"error"' in each.result()[1]] == []

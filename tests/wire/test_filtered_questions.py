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
"""A question that the worker refuses. Unlike an answered question, a refused one goes on record."""
WORKERS = ("api-1", "api-2")


async def answers_beside(
    installation: Installation, slow: list[dict[str, str]], quick: str, count: int, answered: int = 0
) -> tuple[list[float], list[tuple[int, Any]]]:
    """Ask the slow question once as each caller in `slow`. Meanwhile ask `quick`, the path of a quick question, `count` times as
    the root user. Return how many seconds each quick question took, and the answers to the slow ones.

    A lock on the table of decisions makes the question slow: Postgres cannot answer it while this function holds the lock. The
    function holds it until the quick questions are answered and `answered` of the slow ones are refused: on a busy machine
    forty callers need some time to ask.

    The lock also stops the projector. So a worker that has put something on record waits two seconds for the projector before
    it answers a quick question, but only the first time (own_writes.py). Refused slow questions go on record. So before
    anything is timed, each worker gets a refused question and waits for the projector in vain."""
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
def askers(installation: Installation) -> list[dict[str, str]]:
    """Users who may only read decisions."""
    name = uuid4().hex[:8]
    return [user(installation, f"slow-{name}-{number}", allow(["keytrail:ReadDecisions"])) for number in range(8)]


@pytest.fixture(scope="module")
def quick(installation: Installation) -> str:
    """A question without a filter."""
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    installation.caught_up()
    return f"/v1/keys/{key}"


async def test_slow_questions_hold_up_nobody_else(
    installation: Installation, askers: list[dict[str, str]], quick: str
) -> None:
    took, slow = await answers_beside(installation, askers * 4, quick, 8)
    assert max(took) < 0.5, took
    assert {status for status, _ in slow} <= {200, 503}


async def test_who_asks_too_much_is_told_to_try_again(
    installation: Installation, askers: list[dict[str, str]], quick: str
) -> None:
    """Each of the two workers answers two such questions of a principal at a time, and lets eight more wait. It refuses the rest:
    of forty, at least twenty."""
    _, slow = await answers_beside(installation, askers[:1] * 40, quick, 1, answered=20)
    told = [answer["error"]["message"] for status, answer in slow if status == 503]
    assert told.count("Too many questions with filters are being answered; try again.") >= 20
    assert get(installation, SLOW, askers[0]) == (200, {"items": [], "next": None})


def test_long_questions_of_one_principal_wait_for_their_turn(installation: Installation) -> None:
    """An auditor once asked three at once, and the third was refused because two were being answered."""
    # Only the last seconds: to recheck twelve times whatever other tests have done here would take too long.
    recent = (datetime.now(UTC) - timedelta(seconds=10)).isoformat().replace("+00:00", "Z")
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(ask, installation, f"/v1/recheck?from={recent}") for _ in range(12)]
    assert {each.result()[0] for each in asked} == {200}
    assert [each.result()[1] for each in asked if b'"error"' in each.result()[1]] == []

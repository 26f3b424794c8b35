"""The state on which a trail's calls were judged: if that state has changed, they are judged again."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.arn import root_arn
from domain.log import events
from domain.state.world import World
from services.trails.judged_calls import WHEN, CaseJudge
from services.trails.rows import case_of
from tests.domain.test_cloudtrail import fold, reading
from tests.e2e.test_history import allow
from tests.e2e.test_trails import created, put, record, who
from tests.given import ACCOUNT, a_key, arn, key_id

GRANTEE = f"arn:aws:iam::{ACCOUNT}:user/bob"


def granted(number: int) -> events.GrantCreated:
    grant = f"{number:064x}"
    return events.GrantCreated(
        key_id(1), grant, "", GRANTEE, GRANTEE, "", "", ("Encrypt",), {}, ACCOUNT, root_arn(ACCOUNT), ""
    )


def test_a_key_that_changed_is_never_taken_for_the_one_before() -> None:
    """A key's grants come and go. A new one may take a freed one's place in memory."""
    world = World()
    world.apply(a_key())
    judging = CaseJudge(cast(Any, None), cast(Any, SimpleNamespace(world=world)))
    case = {"resources": [arn(1)]}
    for number in range(1, 200):
        world.apply(granted(number))
        before = judging._reads(case)
        assert before.is_as(judging._reads(case))
        world.apply(granted(1000 + number))
        assert not before.is_as(judging._reads(case))


def test_a_key_that_only_the_request_names_is_looked_at_for_changes() -> None:
    world = World()
    world.apply(a_key())
    judging = CaseJudge(cast(Any, None), cast(Any, SimpleNamespace(world=world)))
    case = {"resources": [f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"], "key": arn(1)}
    before = judging._reads(case)
    world.apply(granted(1))
    assert not before.is_as(judging._reads(case))


MARCH = "2024-03-01T00:00:00Z"
DAYS = [datetime(2024, month, 15, tzinfo=UTC) for month in (1, 2, 4, 5)]


class HereAlready:
    """A replay that is where it is wanted."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def to(self, position: int) -> bool:
        return False


@pytest.mark.parametrize(
    "condition",
    [
        {"DateLessThan": {"aws:CurrentTime": MARCH}},
        {"NumericLessThan": {"aws:EpochTime": str(int(datetime.fromisoformat(MARCH).timestamp()))}},
    ],
    ids=["CurrentTime", "EpochTime"],
)
async def test_calls_before_and_after_a_time_that_a_policy_names_are_judged_apart(condition: dict[str, Any]) -> None:
    """Nothing changed between them, and they are alike. What lets them in holds up to March."""
    world = fold(
        created(1, "2024-01-01T00:00:00Z"),
        put(1, "2024-01-01T01:00:00Z", allow(who()["arn"], "kms:*", Condition=condition)),
    )
    judging = CaseJudge(cast(Any, None), cast(Any, HereAlready(world)))
    found = case_of(reading(record("Decrypt", "2024-01-01T02:00:00Z")))
    assert found is not None
    judging._cases[b"case"] = found

    async def judged(first: int, last: int) -> tuple[str, list[str]]:
        row = {"case_id": b"case", "seen": 1, "first": DAYS[first], "last": DAYS[last]}
        outcome, *_, missing = await judging.explain(row)
        return outcome, missing

    assert await judged(0, 1) == ("explained", [])
    assert await judged(2, 3) == ("unexplained", [])
    # An import judges calls together that are alike and saw the same.
    assert await judged(1, 2) == ("open", [WHEN])
    assert await judged(0, 1) == ("explained", [])

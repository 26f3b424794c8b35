"""The state on which a trail's calls were judged: if that state has changed, they are judged again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from domain.arn import root_arn
from domain.log import events
from domain.state.world import World
from services.trails.judged_calls import CaseJudge
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

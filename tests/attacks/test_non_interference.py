"""Root of account B: what it is told does not depend on what account A does among itself.

Two logs are alike but for some steps of A. Where the calls of B on A's resources are decided alike on both, every answer to
B is the same on both: of every operation, of the audit API's questions, of the rows of its own part of the log, of alerts.
B would have gained whatever differs: whom A has, what its policies say, which keys and grants there are.
"""

from __future__ import annotations

import json
from random import Random

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from tests.attacks.accounts import SECRET, A, Asking, B, C, Doing, Step, Trail, plain

SOAK = settings.default.max_examples > 1000
NOTHING: Step = (A, "DeleteAlias", {"AliasName": "alias/nothing"})
"""Refused, and of A alone: it takes the place of a step, so that positions need no renumbering."""


def script(chance: Random, length: int, secret: int) -> tuple[list[Step], list[Step]]:
    """The same steps with and without A's secret ones, after which A does nothing more."""
    before = [
        step for account, likely in ((B, 1.0), (A, 0.7), (C, 0.3)) for step in Doing(chance, account).furnished(likely)
    ]
    before += [Doing(chance, chance.choice((A, A, B, B, C))).step() for _ in range(length)]
    hidden = [Doing(chance, A).step() for _ in range(secret)]
    after = [Doing(chance, chance.choice((B, B, C))).step() for _ in range(length // 2)]
    return [*before, *hidden, *after], [*before, *[NOTHING] * secret, *after]


# A world does not get simpler by being shorter: it is told whole where it fails, and not shrunk.
@settings(max_examples=600 if SOAK else 40, phases=[Phase.explicit, Phase.generate], deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(4, 30), secret=st.integers(1, 4))
def test_no_answer_to_one_account_changes_by_what_another_does_among_itself(
    seed: int, length: int, secret: int
) -> None:
    one, other = Trail(), Trail()
    steps = script(Random(seed), length, secret)
    asking = Asking(one.world, B), Asking(other.world, B)
    for number, (with_it, without) in enumerate(zip(*steps, strict=True), 1):
        done = one.do(with_it, number), other.do(without, number)
        if with_it == without and with_it[0] == B:
            assert done[0]["decision"]["error"] == done[1]["decision"]["error"], (seed, with_it)
        if with_it != without:
            # What A's resources decide about B's calls is the one thing of A that B can see.
            assume(Asking(one.world, B).decided_by_them() == Asking(other.world, B).decided_by_them())
    asking = Asking(one.world, B), Asking(other.world, B)
    assume(asking[0].decided_by_them() == asking[1].decided_by_them())
    for (question, told), (_, without_it) in zip(asking[0].calls(), asking[1].calls(), strict=True):
        assert told == without_it, (seed, question)
    for (question, told), (_, without_it) in zip(asking[0].routes(), asking[1].routes(), strict=True):
        assert plain(told) == plain(without_it), (seed, question)
        assert SECRET not in json.dumps(plain(told)), (seed, question)
    assert plain(one.told_calls(B)) == plain(other.told_calls(B)), seed
    assert plain(one.alerts) == plain(other.alerts), seed

"""The search itself: against every order of small histories, and on what a real register can and cannot do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consistency.linearizable import RegisterCall, fault_in

FIRST = "0"


def explained(calls: Sequence[RegisterCall]) -> bool:
    """Whether any order of the calls will do: the definition, tried in full."""
    for order in itertools.permutations(calls):
        in_time = all(not later.ended < earlier.began for earlier, later in itertools.combinations(order, 2))
        state = FIRST
        for each in order:
            if each.kind == "read" and each.value != state:
                break
            state = each.value
        else:
            if in_time:
                return True
    return not calls


@st.composite
def histories(draw: st.DrawFn) -> list[RegisterCall]:
    calls = []
    for number in range(draw(st.integers(1, 6))):
        began = draw(st.integers(0, 8))
        ended = began + draw(st.integers(1, 5))
        if draw(st.booleans()):
            lost = draw(st.integers(0, 4)) == 0
            calls.append(RegisterCall("write", str(number), began, math.inf if lost else ended))
        else:
            calls.append(RegisterCall("read", str(draw(st.integers(0, 6))), began, ended))
    return calls


@settings(max_examples=1500, deadline=None)
@given(histories())
def test_the_search_finds_an_order_exactly_where_there_is_one(calls: list[RegisterCall]) -> None:
    assert (fault_in(calls, FIRST) == "") == explained(calls)


def of_a_register(chance: Random, count: int, clients: int) -> list[RegisterCall]:
    """What clients of a real register see: each call has its effect at one moment between its beginning and its end."""
    calls, free, state = [], [0.0] * clients, FIRST
    effects = []
    for number in range(1, count + 1):
        client = chance.randrange(clients)
        began = free[client] + chance.random()
        at = began + chance.random()
        ended = at + chance.random()
        free[client] = ended
        effects.append((at, began, ended, number, chance.random() < 0.5))
    for _, began, ended, number, writes in sorted(effects):
        if writes:
            state = str(number)
        calls.append(RegisterCall("write" if writes else "read", state, began, ended))
    return calls


def test_long_histories_of_a_real_register_are_explained(soak: bool) -> None:
    for seed in range(20 if soak else 5):
        assert fault_in(of_a_register(Random(seed), 2_000, 12), FIRST) == ""


def test_a_read_of_what_was_overwritten_before_it_began_is_found() -> None:
    for seed in range(20):
        calls = of_a_register(Random(seed), 500, 8)
        writes = sorted((each for each in calls if each.kind == "write"), key=lambda each: each.ended)
        old = writes[10]
        since = next(each for each in writes if each.began > old.ended)
        stale = RegisterCall("read", old.value, since.ended + 0.001, since.ended + 0.5)
        assert fault_in([*calls, stale], FIRST)


def test_a_write_without_an_answer_may_have_happened_or_not() -> None:
    lost = RegisterCall("write", "1", 0)
    assert fault_in([lost, RegisterCall("read", "1", 5, 6)], FIRST) == ""
    assert fault_in([lost, RegisterCall("read", "0", 5, 6)], FIRST) == ""
    seen, unseen = RegisterCall("read", "1", 5, 6), RegisterCall("read", "0", 7, 8)
    assert "read" in fault_in([lost, seen, unseen], FIRST)

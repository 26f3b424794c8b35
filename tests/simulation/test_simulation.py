"""The whole system on a virtual clock: every seed's answers are right, the same seed is the same run, and what is broken on purpose is
found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.counts import with_all_in_soak
from tests.simulation.__main__ import many
from tests.simulation.breaks import BREAKS, OF_ALERT_WORKERS, OF_PROJECTORS, broken
from tests.simulation.faults import (
    STROKES,
    STROKES_OF_PROJECTORS,
    Stroke,
    lose_the_tail,
    plan_of,
    set_every_clock,
    stop_a_projector,
)
from tests.simulation.installation import PROJECTIONS_EVERY
from tests.simulation.simulation import ALERTS_EVERY, SOON, shrunk, simulate

SEEDS = 500
WITHIN = 2_000
"""Seeds within which each break has to be found."""
CALLS, FAULTS, ALERTS = 100, 3, 8
TRACES = (
    "from tests.simulation.simulation import simulate; "
    f"print([simulate(seed).trace for seed in ({2 * PROJECTIONS_EVERY}, 1, 2, {2 * PROJECTIONS_EVERY})])"
)
OFTEN = frozenset({"denied-burst", "deletion-scheduled", "disabled-in-use", "first-use", "key-policy-public"})
"""Rules of all kinds that the clients give reason for: on changes, on calls, on counted calls and on first uses."""


def test_every_answer_is_right_whatever_strikes() -> None:
    """`make simulation` runs 20,000 further seeds each time."""
    calls = alerts = 0
    for found, failed in many(0, SEEDS, os.cpu_count() or 1):
        calls, alerts = calls + found.calls, alerts + found.alerts
        assert not failed, f"python -m tests.simulation --seed {failed[0]}"
    assert calls >= CALLS * SEEDS
    assert alerts >= ALERTS * SEEDS / ALERTS_EVERY


def test_every_plan_has_faults_and_every_fault_is_in_some_plan() -> None:
    plans = [plan_of(seed) for seed in range(SEEDS)]
    assert min(map(len, plans)) >= FAULTS
    assert {each.name for plan in plans for each in plan} >= {*STROKES, *STROKES_OF_PROJECTORS}


def test_the_same_seed_is_the_same_run_whatever_order_sets_have() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", TRACES], env={**os.environ, "PYTHONHASHSEED": each}, capture_output=True, check=True
        )
        for each in ("1", "2")
    ]
    first, second = (each.stdout.decode() for each in printed)
    assert first == second
    traces = first.strip("[]\n").split(", ")
    assert traces[0] == traces[3], "a simulation leaves nothing behind for the next one"
    assert len(set(traces)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_calls_flow_while_every_clock_is_wrong(seed: int) -> None:
    """By up to a minute and a half, as the installation's machines are without NTP."""
    outcome = simulate(seed, (Stroke(1.0, set_every_clock.__name__, 0),))
    assert outcome.faults == []
    assert max(each.ended - each.began for each in outcome.calls) < SOON


def test_runs_with_alert_workers_raise_alerts_of_every_kind() -> None:
    raised = [simulate(seed).alerts for seed in range(0, 6 * ALERTS_EVERY, ALERTS_EVERY)]
    assert [each for each in raised if len(OFTEN & each.keys()) < 3] == []
    assert {rule for each in raised for rule in each} >= OFTEN
    assert simulate(1).alerts == {}, "no alert workers, no alerts"


def test_runs_with_projectors_fill_the_tables_of_every_projection() -> None:
    beside_alert_workers, alone = simulate(2 * PROJECTIONS_EVERY).rows, simulate(3 * PROJECTIONS_EVERY).rows
    assert [table for table, count in beside_alert_workers.items() if not count] == ["p_alerts.marks"], (
        "nobody marks any"
    )
    assert [table for table, count in alone.items() if not count] == ["p_alerts.alerts", "p_alerts.marks"]
    assert simulate(1).rows == {}, "no projectors, no rows"


@pytest.mark.parametrize("seed", [0, ALERTS_EVERY])
def test_whoever_judged_what_brokers_then_lost_says_so(seed: int) -> None:
    """Alert workers took all that came afterwards for void, judged nothing any more, and said nothing."""
    outcome = simulate(seed, (Stroke(20.0, lose_the_tail.__name__, 0),))
    assert outcome.faults == []
    assert outcome.alerts["chain-broken"] >= 1


@pytest.mark.parametrize("seed", [225, 405])
def test_a_projector_that_read_what_brokers_then_lost_says_so(seed: int) -> None:
    """It is away for so short a time that the log is longer than before when it reads on. It took all that came for void."""
    plan = (Stroke(19.5, stop_a_projector.__name__, seed), Stroke(20.0, lose_the_tail.__name__, 1))
    outcome = simulate(seed, plan)
    assert outcome.faults == []
    assert [line for line in outcome.story if "is not the one that the projections were read up to" in line]


QUICKLY_FOUND = (
    "rows-apart-from-positions",
    "batches-again",
    "log-not-compared",
    "judged-alone-counts",
    "no-chain",
)
SHRUNK = "no-chain"
"""The one whose story is shrunk outside a soak, too: that takes several times as long as to find them."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", with_all_in_soak(BREAKS, QUICKLY_FOUND))
def test_a_break_is_found_and_its_story_is_short(name: str, soak: bool) -> None:
    with broken(name):
        every = ALERTS_EVERY if name in OF_ALERT_WORKERS else PROJECTIONS_EVERY if name in OF_PROJECTORS else 1
        failing = next(outcome for outcome in map(simulate, range(0, WITHIN, every)) if outcome.faults)
        if soak or name == SHRUNK:
            story = shrunk(failing)
            assert story.faults
            assert len(story.plan) <= len(failing.plan)
    assert not simulate(failing.seed).faults, "without the break, this seed is right"

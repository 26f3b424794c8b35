"""Our checker of histories against somebody else's: porcupine, by Anish Athalye, in Go."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.consistency.explained import register_calls
from tests.consistency.linearizable import RegisterCall, fault_in
from tests.consistency.test_linearizable import FIRST, of_a_register
from tests.foreign.programs import build
from tests.simulation.faults import lose_the_tail, plan_of
from tests.simulation.simulation import simulate

pytestmark = pytest.mark.soak
HISTORIES = 2_000
LONG = 40
SEEDS = 10
SECOND = 1_000_000_000

History = Sequence[RegisterCall]


@pytest.fixture(scope="module")
def porcupine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("porcupine"), Path(__file__).parent / "porcupine") / "porcupine"


def explained_by(porcupine: Path, histories: Iterable[History]) -> list[bool]:
    """What porcupine says of each."""
    lines = [
        json.dumps(
            {
                "first": FIRST,
                "calls": [
                    {
                        "writes": each.kind == "write",
                        "value": each.value,
                        "began": round(each.began * SECOND),
                        "ended": None if math.isinf(each.ended) else round(each.ended * SECOND),
                    }
                    for each in history
                ],
            }
        )
        for history in histories
    ]
    done = subprocess.run([porcupine], input="\n".join(lines), capture_output=True, text=True, check=True)
    return [line == "true" for line in done.stdout.split()]


def drawn(chance: Random) -> list[RegisterCall]:
    """A short history, as likely right as wrong. Beginnings and ends often fall together."""
    calls, written = [], [FIRST]
    for number in range(chance.randint(1, 12)):
        began = chance.randint(0, 12)
        ended = math.inf if chance.random() < 0.1 else began + chance.randint(1, 6)
        if chance.random() < 0.5:
            written.append(str(number))
            calls.append(RegisterCall("write", written[-1], began, ended))
        elif not math.isinf(ended):
            calls.append(RegisterCall("read", chance.choice(written), began, ended))
    return calls


def spoilt(history: list[RegisterCall], chance: Random) -> list[RegisterCall]:
    """With one read that returned something that was written at another time."""
    reads = [place for place, each in enumerate(history) if each.kind == "read"]
    place = chance.choice(reads)
    old, other = history[place], chance.choice(history)
    return [*history[:place], RegisterCall("read", other.value, old.began, old.ended), *history[place + 1 :]]


def both(porcupine: Path, histories: Sequence[History]) -> Iterator[tuple[bool, bool]]:
    return zip((fault_in(each, FIRST) == "" for each in histories), explained_by(porcupine, histories), strict=True)


def test_both_say_the_same_of_short_histories(porcupine: Path) -> None:
    verdicts = list(both(porcupine, [drawn(Random(seed)) for seed in range(HISTORIES)]))
    assert all(ours == theirs for ours, theirs in verdicts)
    assert HISTORIES / 5 < sum(ours for ours, _ in verdicts) < 4 * HISTORIES / 5


def test_both_say_the_same_of_long_histories(porcupine: Path) -> None:
    long = [of_a_register(Random(seed), 400, 8) for seed in range(LONG)]
    whole = list(both(porcupine, long))
    assert whole == [(True, True)] * LONG
    verdicts = list(both(porcupine, [spoilt(each, Random(seed)) for seed, each in enumerate(long)]))
    assert all(ours == theirs for ours, theirs in verdicts)
    assert not all(ours for ours, _ in verdicts)


def test_both_say_the_same_of_what_simulated_clients_saw(porcupine: Path) -> None:
    seeds = [seed for seed in range(SEEDS) if all(each.name != lose_the_tail.__name__ for each in plan_of(seed))]
    whole = [each for seed in seeds for each in register_calls(simulate(seed).calls).values()]
    assert list(both(porcupine, whole)) == [(True, True)] * len(whole)

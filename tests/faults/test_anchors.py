"""Decisions stay complete and become bound, whatever ends: an API worker, the broker or the projector."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.steady import Steady
from tests.installation import Installation, eventually

WITHIN = 60.0
"""Seconds for what takes a few on a quiet machine: a restart of a worker, three seconds of silence, an anchor."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("anchors") / "data", workers=2, own="its broker is killed") as found:
        yield found


def decisions(installation: Installation) -> dict[str, Any]:
    found = installation.verified("--topics-only")
    return {**found["decisions"], "fault": found["fault"]}


def encrypts(steady: Steady, calls: int) -> None:
    eventually(lambda: len(steady.encrypted) > calls, within=WITHIN)


@pytest.mark.soak
@pytest.mark.parametrize("killed", ["api-1", "api-2", "kafka", "projector"])
def test_a_kill_raises_no_false_alarm_and_leaves_nothing_unbound(running: Installation, killed: str) -> None:
    """A group of decisions is under way: it landed but was not acknowledged, or it did not land."""
    answered = 0
    for _ in range(10):
        with Steady(running) as steady:
            encrypts(steady, 50)
            running.process(killed).send_signal(signal.SIGKILL)
            encrypts(steady, len(steady.encrypted) + 50)
        answered += len(steady.encrypted)
    found = eventually(lambda: _bound(running), within=WITHIN)
    assert (found["fault"], found["faults"], found["copies_count"], found["strange_count"]) == ("", [], 0, 0)
    assert found["valid"] >= answered


def _bound(installation: Installation) -> dict[str, Any] | None:
    found = decisions(installation)
    return found if found["not_bound"] == 0 or found["faults"] else None

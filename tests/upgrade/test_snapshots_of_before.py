"""Snapshots of the version before, made by its real code, are used only if they say what this version folds from the same log."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from domain.durations import DAY_MICROS
from domain.log import events
from domain.log.catalogue import CATALOGUE
from domain.state.fold import Fold
from services.adapters import snapshots
from services.writer.step import WriterStep
from tests.contracts.test_snapshots import known
from tests.given import REGION, a_key, key_id
from tests.histories import History
from tests.logs import a_log
from tests.upgrade import every_event
from tests.upgrade.before import VersionBefore

RECORDS = 300
SNAPSHOTS_OF_BEFORE = """
import json, sys
from domain.state.fold import Fold
from services.adapters import snapshots
made = {}
for name, (ends, values) in json.load(sys.stdin).items():
    fold = Fold()
    made[name] = []
    for offset, value in enumerate(values, 1):
        fold.take(offset - 1, bytes.fromhex(value))
        if offset in ends:
            made[name].append([offset, fold.chain.position, fold.chain.head, snapshots.encode(fold).hex()])
print(json.dumps([snapshots.VERSION, made]))
"""


def history(seed: int) -> list[bytes]:
    """A log of random events that can follow each other."""
    found, step = History(Random(seed)), WriterStep(Fold(), "writer")
    while len(found.entries) < RECORDS:
        found.step()
    return [
        step.record(int(each.at.timestamp() * 1_000_000), 0, None, None, each.event).value for each in found.entries
    ]


def after_a_day() -> list[bytes]:
    """A log of somebody who imports material again, and a day later does something else."""
    step, at = WriterStep(Fold(), "writer"), 1_800_000_000_000_000
    key = a_key(origin="EXTERNAL", material="", fingerprint="")
    first, again = (events.MaterialImported(key_id(), "m", row, "f", "", "", "", False, "Enabled") for row in "ab")
    day = [events.LogCreated("the-log", REGION), key, first, again, events.KeyDisabled(key_id())]
    moments = [(at, each) for each in day] + [(at + DAY_MICROS, events.KeyEnabled(key_id()))]
    return [step.record(when, 0, None, None, event).value for when, event in moments]


LOGS: dict[str, list[bytes]] = {
    "after a day": after_a_day(),
    "every event": every_event.values(),
    "calls": a_log().values,
    "random 1": history(1),
    "random 2": history(2),
}


@pytest.fixture(scope="module")
def of_before(before: VersionBefore) -> tuple[int, dict[str, Any]]:
    """(the version of its snapshots, those of each log)"""
    given = {name: [[*range(5, len(log), 5), len(log)], [each.hex() for each in log]] for name, log in LOGS.items()}
    version, made = json.loads(before.run(SNAPSHOTS_OF_BEFORE, json.dumps(given)))
    return version, made


def test_the_first_log_has_every_event_type() -> None:
    assert {name for name, _ in every_event.ORDER} == {row.name for row in CATALOGUE.values()}


@pytest.mark.parametrize("name", LOGS)
def test_a_snapshot_of_the_version_before_says_what_this_version_folds(
    name: str, of_before: tuple[int, dict[str, Any]]
) -> None:
    """If it does not, raise VERSION in services/adapters/snapshots.py. `UPGRADES` says how an earlier snapshot is brought up to
    date. Without a row there, it is not used."""
    version, made = of_before
    if version not in snapshots.known_versions():
        pytest.skip(f"snapshots of version {version} are not used: `keytrail upgrade prepare` makes one")
    fold = Fold()
    for end, position, head, body in made[name]:
        for offset in range(fold.next, end):
            fold.take(offset, LOGS[name][offset])
        if version == snapshots.VERSION:
            assert snapshots.encode(fold).hex() == body, "the version before reads this one's snapshots: raise VERSION"
        upgraded = snapshots.decode(bytes.fromhex(body), position, head, None, version)
        assert known(upgraded) == known(fold), f"after {end} records"
        assert snapshots.encode(upgraded) == snapshots.encode(fold), f"after {end} records"

"""A row of `keys` says what the key itself says, after each event of a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.keys.key import Key, Material, Schedule, created, evolve, living, with_materials
from domain.log.catalogue import CATALOGUE
from domain.log.codec import event_from
from domain.log.events import KeyCreated, KeyDeleted
from projections.keys import project
from projections.log.entry import EVENTS, Entry
from tests.given import REGION, a_key, key_id
from tests.logs import NOW

GOLDEN = Path(__file__).parents[1] / "golden"
COLUMN_OF: dict[str, Callable[[Key], Any]] = {
    "state": lambda key: key.state,
    "description": lambda key: key.description,
    "tags": lambda key: key.tags,
    "policy_version": lambda key: key.policy_version,
    "deletion_at": lambda key: key.deletion,
    "rotation_days": lambda key: key.schedule and key.schedule.period_days,
    "next_rotation_at": lambda key: key.schedule and key.schedule.next,
}
"""The columns that change, and what they are of a key. `expires_at` is not compared: a row keeps it after its
material is deleted."""
OF_KEYS = [row.wire for row in CATALOGUE.values() if row.event in project.OF_KEYS and row.event is not KeyCreated]


def entry_of(wire: str) -> Entry:
    document = json.loads((GOLDEN / f"{wire}.json").read_text())
    return Entry(
        EVENTS, 0, 7, datetime.fromtimestamp(NOW / 1e6, UTC), REGION, {"event": document}, event_from(document)
    )


def keys_before(event: Any) -> list[Key]:
    """Keys on which the event can happen: in each state, with and without its material and a schedule."""
    key = created(a_key(tags={"before": "it"}), REGION, NOW)
    material = getattr(event, "material", "")
    bare = [key, living(key, enabled=False), living(key, deletion=NOW)]
    if material:
        its = Material(material, material, "f", expires=NOW)
        bare += [with_materials(key, (its,)), with_materials(key, (replace(its, stored=""),))]
    return [replace(each, schedule=schedule) for each in bare for schedule in (None, Schedule(90, NOW))]


def test_every_event_of_a_key_moves_the_time_of_its_last_change() -> None:
    """An event that the projection left out would leave a stale row."""
    assert "key.policy-replaced.v2" in OF_KEYS
    for wire in OF_KEYS:
        entry = entry_of(wire)
        (upserts,) = project.changes([entry])
        (row,) = upserts.rows
        assert (row["key_id"], row["changed_at"], row["position"]) == (
            entry.document["event"]["data"]["key"],
            entry.at,
            7,
        )


@pytest.mark.parametrize("wire", OF_KEYS)
def test_a_row_changes_in_each_column_whose_value_the_event_changes(wire: str) -> None:
    entry = entry_of(wire)
    columns = project._columns(entry)
    assert columns is not None
    if isinstance(entry.event, KeyDeleted):
        assert columns["state"] == project.DELETED
        return
    changed = {
        name
        for key in keys_before(entry.event)
        for after in [evolve(entry.event, key, NOW)]
        for name, value in COLUMN_OF.items()
        if value(key) != value(after)
    }
    assert changed - set(columns) == set()


def test_an_event_that_changes_no_column_needs_no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noted:
        key = key_id()

    monkeypatch.setattr(project, "OF_KEYS", frozenset({Noted}))
    entry = replace(entry_of("key.enabled.v1"), event=Noted())
    assert project._columns(entry) == {"key_id": key_id()}
    assert project._columns(replace(entry, event=object())) is None

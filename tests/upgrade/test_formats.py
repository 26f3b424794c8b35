"""What this version writes at the level of the version before, that version knows: its real code says what it knows.

Who adds an event type, or a member of a record, of a command or of an alert, and forgets its level, fails here.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import fields
from typing import Any

import pytest

from domain import errors
from domain.alerts.engine.alert import Alert
from domain.authorization.context import Via
from domain.commands.sign_out import LOGOUT
from domain.log import own_commands
from domain.log.catalogue import CATALOGUE
from domain.log.command import Command
from domain.log.levels import LEVEL, LEVEL_VERSION
from domain.log.record import Call, Decision, Record, Repeat
from domain.log.upcasters import UPCASTERS
from domain.state.callers import Session, SignedIn
from domain.transparency.order import LeafBatch, LeafRun
from services.writer.step import OUR_CHANGES
from tests.upgrade.before import ROOT, VersionBefore, named

KNOWN = """
import json
import subprocess
from dataclasses import fields
try:
    from domain.log.levels import LEVEL
except ImportError:
    LEVEL = 1  # Keytrail 0.1.0 had no levels
from domain.alerts.engine.alert import Alert
from domain.log import own_commands
from domain.log.catalogue import CATALOGUE
from domain.log.command import Command
from domain.log.record import Call, Decision, Record, Repeat
from domain.log.upcasters import UPCASTERS
from domain import errors
from domain.authorization.context import Via
from domain.state.callers import Session, SignedIn
from domain.transparency.order import LeafBatch, LeafRun
from services.writer.step import OUR_CHANGES
WRITTEN = (Record, Call, Via, Session, SignedIn, Decision, Repeat, Command, Alert, LeafBatch, LeafRun)
print(json.dumps({
    "level": LEVEL,
    "events": {name: [each.name for each in fields(row.event)] for name, row in CATALOGUE.items()},
    "older": sorted(UPCASTERS),
    "members": {
        of.__name__: [each.name for each in fields(of)] for of in WRITTEN
    },
    "refusals": sorted(each.kind for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "kind")),
    "commands": sorted([*own_commands._EVENTS, *OUR_CHANGES]),
}))
"""
ASKED_FOR_BY_FINISH = {own_commands.RAISE_LEVEL}
"""Commands that a writer of the version before refuses, and whose sender expects that."""
ASKED_FOR_FROM_THE_LEVEL_ON = {LOGOUT}
"""Commands that no API worker sends before the log is at a level that the writer of the version before does not know
(tests/upgrade/test_rolling.py)."""
WRITTEN_FROM_THE_LEVEL_ON = {"SignedIn": ["session"]}
"""Members that are left out before (tests/domain/test_console_sessions.py)."""

NEVER_BEFORE_THE_LEVEL = {errors.UpgradeUnfinished.kind}
"""Kinds of refusals that only calls for what the level brings can get, and those the version before does not have."""
WRITTEN = (Record, Call, Via, Session, SignedIn, Decision, Repeat, Command, Alert, LeafBatch, LeafRun)
"""Records, commands, alerts and the notary's batches, and what they hold."""


@pytest.fixture(scope="module")
def known(before: VersionBefore) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(before.run(KNOWN, ""))
    return found


def test_every_event_at_its_level_is_one_that_it_knows(known: dict[str, Any]) -> None:
    written = {
        name: [each.name for each in fields(row.event)]
        for name, row in CATALOGUE.items()
        if row.level <= known["level"]
    }
    assert written == {name: members for name, members in known["events"].items() if name in written}
    assert set(known["events"]) <= {*CATALOGUE, *UPCASTERS}, "whatever it wrote is read for ever"


def test_what_it_reads_this_version_reads(known: dict[str, Any]) -> None:
    assert set(known["older"]) <= set(UPCASTERS)


@pytest.mark.parametrize("of", WRITTEN, ids=lambda of: of.__name__)
def test_what_stands_on_the_topics_has_the_members_that_it_knows(known: dict[str, Any], of: Any) -> None:
    """A reader of the version before may refuse one that it does not know. A new member is written from a level on: then
    name it here, with the test that shows it."""
    new = WRITTEN_FROM_THE_LEVEL_ON.get(of.__name__, [])
    assert [each.name for each in fields(of)] == known["members"][of.__name__] + new


def test_refusals_are_of_kinds_that_it_knows(known: dict[str, Any]) -> None:
    """Its API workers answer with a 500 to a record with another kind."""
    kinds = {each.kind for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.Refusal)}
    assert kinds - set(known["refusals"]) <= NEVER_BEFORE_THE_LEVEL


def test_its_writer_knows_what_processes_ask_of_it(known: dict[str, Any]) -> None:
    """API workers are upgraded first. What the writer of the version before does not know is refused until it is replaced."""
    asked = {*own_commands._EVENTS, *OUR_CHANGES} - ASKED_FOR_BY_FINISH - ASKED_FOR_FROM_THE_LEVEL_ON
    assert asked == set(known["commands"])


def test_the_tag_of_the_version_before_is_its_commit() -> None:
    """Where a clone has the tag. The commit is what the tests take, since a clone need not have tags."""
    tag, commit = named()
    asked = ["git", "-C", str(ROOT), "rev-parse", "--quiet", "--verify", f"refs/tags/{tag}^{{commit}}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    assert found in ("", commit)


def test_a_level_that_it_does_not_know_is_brought_by_this_version(known: dict[str, Any]) -> None:
    """The version is what somebody is told to start."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert LEVEL - known["level"] in (0, 1), "one release brings one level at most"
    assert known["level"] == LEVEL or project["version"] == LEVEL_VERSION

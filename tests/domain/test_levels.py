"""The level of the log: what it does not have is not written, and a version that does not know it stops."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import CommandExpired, UpgradeUnfinished
from domain.log import codec
from domain.log.catalogue import LEVELS
from domain.log.command import CLOCKS_APART, Command, encode
from domain.log.events import AliasCreated, DecisionsAnchored, KeyDescribed, LogKeyRotated
from domain.log.levels import FIRST, LEVEL, LEVEL_VERSION, LevelRaised, why_unknown
from domain.log.own_commands import ANCHOR, AUTHENTICATE, RAISE_LEVEL, ROTATE_KEY, ROTATE_TREE_KEY, own_call
from tests.given import key_id
from tests.logs import NOW, SECOND, Log, a_log, command, own

LATER = (FIRST + 1, "0.2.0")


def decided(log: Log, value: bytes) -> Any:
    """The record that a command gets, as a reader sees it."""
    made = log.answer(value)
    assert made is not None
    return codec.record_from(codec.parse(made) or {})


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptions of keys, and another key of records, are what the level after the first one brought."""
    monkeypatch.setitem(LEVELS, KeyDescribed, LATER[0])
    monkeypatch.setitem(LEVELS, LogKeyRotated, LATER[0])


DESCRIBE = ("UpdateKeyDescription", {"KeyId": key_id(1), "Description": "new"})


def test_an_event_of_a_later_level_is_refused_until_the_level_is_raised(newer: None) -> None:
    log = a_log()
    refused = decided(log, command(90, *DESCRIBE))
    assert (refused.event, refused.decision.error["kind"]) == (None, UpgradeUnfinished.kind)
    assert "keytrail upgrade finish" in refused.decision.error["message"]
    assert decided(log, own(log, RAISE_LEVEL, level=LATER[0], version=LATER[1])).event == LevelRaised(*LATER)
    assert decided(log, command(91, *DESCRIBE)).event == KeyDescribed(key_id(1), "new")


def test_other_changes_go_on_meanwhile(newer: None) -> None:
    made = decided(a_log(), command(90, "CreateAlias", {"AliasName": "alias/b", "TargetKeyId": key_id(1)}))
    assert isinstance(made.event, AliasCreated)


def test_what_processes_of_ours_ask_for_waits_too(newer: None) -> None:
    log = a_log()
    assert decided(log, own(log, ROTATE_KEY, authentication_key=log.keys.newest)).event is None


def test_a_level_is_raised_once_and_never_to_one_that_the_writer_does_not_know() -> None:
    log = a_log()
    asked = [(LEVEL + 1, "9.9.9"), (LEVEL, LEVEL_VERSION), (LEVEL, LEVEL_VERSION), (FIRST, "0.1.0")]
    found = [decided(log, own(log, RAISE_LEVEL, level=level, version=version)).event for level, version in asked]
    assert found == [None, LevelRaised(LEVEL, LEVEL_VERSION), None, None]
    assert log.fold().world.level == LEVEL


def test_whoever_asked_for_an_unknown_level_finds_the_refusal_by_the_call() -> None:
    """`keytrail upgrade finish` of a later version waits for it."""
    log = a_log()
    asked = f"own-{log.offset}"
    refused = decided(log, own(log, RAISE_LEVEL, level=LEVEL + 1, version="9.9.9"))
    assert (refused.call.id, refused.decision.error["kind"]) == (asked, UpgradeUnfinished.kind)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        (RAISE_LEVEL, {"level": LEVEL, "version": LEVEL_VERSION}),
        (AUTHENTICATE, {"before": {}}),
        (ROTATE_TREE_KEY, {"verifier_key": "new", "former": "old"}),
    ],
)
def test_what_an_operator_asked_for_has_no_effect_after_its_deadline(
    operation: str, parameters: dict[str, Any]
) -> None:
    """The operator was told that it failed, and may have started processes since then that the change would stop."""
    log = a_log()
    late = NOW - CLOCKS_APART
    refused = decided(log, own(log, operation, not_after=late, **parameters))
    assert (refused.event, refused.decision.error["kind"]) == (None, CommandExpired.kind)
    on_time = decided(log, own(log, operation, not_after=log.now + SECOND, **parameters))
    assert on_time.event is not None


def test_heads_of_decisions_are_anchored_however_late() -> None:
    """They only add evidence, and nobody would ask for the same ones again."""
    log = a_log()
    lanes: list[Any] = []
    made = decided(log, own(log, ANCHOR, not_after=NOW - CLOCKS_APART, worker="w", lanes=lanes))
    assert made.event == DecisionsAnchored("w", lanes)


def test_nobody_else_raises_it() -> None:
    """A caller's command, and one without a MAC of ours."""
    log = a_log()
    assert decided(log, command(90, RAISE_LEVEL, {"level": LEVEL, "version": LEVEL_VERSION})).event is None
    unsealed = encode(Command(own_call("own", RAISE_LEVEL, {"level": LEVEL, "version": LEVEL_VERSION}), {}, NOW * 2))
    assert not log.deciding.is_ours(log.offset, unsealed)
    assert decided(log, unsealed).event is None


def test_a_reader_that_does_not_know_the_level_stops_and_says_which_version_to_start() -> None:
    """The message is what an operator sees who starts the version before again."""
    with pytest.raises(codec.Unreadable) as refused:
        codec.event_from(codec.event_document(LevelRaised(LEVEL + 1, "0.9.0")))
    assert str(refused.value) == why_unknown(LEVEL + 1, "0.9.0")
    assert str(refused.value).endswith("start Keytrail 0.9.0 or a later one")


def test_a_log_without_levels_is_at_the_first() -> None:
    assert a_log().fold().world.level == FIRST

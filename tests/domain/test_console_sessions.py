"""When a console session ends, and which redemption of a code counts. Pure code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.authorization.caller import root_of
from domain.commands.console_codes import RedeemConsoleCode
from domain.errors import AccessRefused, CredentialDisabled
from domain.identities.account import ACTIVE, INACTIVE
from domain.identities.directory import CUT_OFF_WINDOW
from domain.log import events, identity_events
from domain.state.callers import Session, caller_of, session_from
from domain.state.console_sessions import console_session
from domain.state.recent_calls import REPEAT_WINDOW
from domain.state.world import World
from services.adapters import snapshots
from services.exports.cloudtrail import record_of
from tests.given import ACCOUNT, given
from tests.logs import a_log

KEY, USER = "AKIAALICE", "AIDAALICE"
FAR = 10**17


def a_world() -> World:
    world = given().world
    _happen(world, identity_events.UserCreated(ACCOUNT, USER, "alice", "/", {}, ""))
    _happen(world, identity_events.UserAccessKeyCreated(ACCOUNT, USER, KEY))
    return world


def _happen(world: World, event: object) -> None:
    world.position += 1
    world.apply(event)


def _signed_in(world: World) -> Session:
    caller = caller_of(world, KEY, None, world.at)
    return console_session(caller, KEY, None, world.at, 43_200, world.position)


ENDS: dict[str, list[object]] = {
    "deactivated": [
        identity_events.UserAccessKeyChanged(ACCOUNT, USER, KEY, INACTIVE),
        identity_events.UserAccessKeyChanged(ACCOUNT, USER, KEY, ACTIVE),
    ],
    "deleted": [identity_events.UserAccessKeyDeleted(ACCOUNT, USER, KEY)],
    "renamed": [
        identity_events.IdentityMoved(ACCOUNT, "user", USER, "bob", "/"),
        identity_events.IdentityMoved(ACCOUNT, "user", USER, "alice", "/"),
    ],
}


def test_an_update_that_changes_nothing_ends_nothing() -> None:
    world = a_world()
    session = _signed_in(world)
    _happen(world, identity_events.IdentityMoved(ACCOUNT, "user", USER, "alice", "/"))
    assert caller_of(world, "ASIA", session, world.at)


@pytest.mark.parametrize("how", ENDS)
def test_what_ended_stays_ended(how: str) -> None:
    world = a_world()
    session = _signed_in(world)
    assert caller_of(world, "ASIA", session_from(session.document()), world.at).principal.endswith("user/alice")
    for event in ENDS[how]:
        _happen(world, event)
        with pytest.raises(CredentialDisabled, match="The console session has ended"):
            caller_of(world, "ASIA", session, world.at)
    if how != "deleted":
        assert caller_of(world, "ASIA", _signed_in(world), world.at)


def test_a_cut_off_is_forgotten_when_no_session_of_its_time_is_left() -> None:
    world = a_world()
    _happen(world, identity_events.UserAccessKeyChanged(ACCOUNT, USER, KEY, INACTIVE))
    world.at += CUT_OFF_WINDOW + 1
    _happen(world, identity_events.UserAccessKeyCreated(ACCOUNT, USER, "AKIASECOND"))
    _happen(world, identity_events.UserAccessKeyChanged(ACCOUNT, USER, "AKIASECOND", INACTIVE))
    assert list(world.directory.cut_off) == ["AKIASECOND"]


def test_the_document_of_any_other_session_is_as_before() -> None:
    """Cases are named by a hash of what decided them, the session included."""
    assert "console" not in replace(_signed_in(a_world()), console=None).document()


def test_a_code_is_redeemed_once_and_in_time() -> None:
    situation, by = given(), root_of(ACCOUNT)
    world = situation.world
    world.deciding_at = 60_000_000
    situation.when(RedeemConsoleCode("c", 60_000_000), by=by).refused(AccessRefused)
    redeemed = events.ConsoleCodeRedeemed(ACCOUNT, "c")
    situation.when(RedeemConsoleCode("c", 60_000_001), by=by).then(redeemed)
    world.apply(redeemed)
    situation.when(RedeemConsoleCode("c", 60_000_001), by=by).refused(AccessRefused)
    situation.when(RedeemConsoleCode("d", FAR), by=by).then(events.ConsoleCodeRedeemed(ACCOUNT, "d"))
    world.at += REPEAT_WINDOW + 1
    world.apply(events.ConsoleCodeRedeemed(ACCOUNT, "d"))
    assert list(world.recent_calls.codes) == ["d"]


def test_a_code_opens_the_console_after_the_clock_was_set_back() -> None:
    """Time on the log stands still until the clock comes there again. Every code had expired until then."""
    situation, by = given(), root_of(ACCOUNT)
    world = situation.world
    world.at, world.deciding_at = 3600 * 1_000_000, 0
    redeemed = events.ConsoleCodeRedeemed(ACCOUNT, "c")
    situation.when(RedeemConsoleCode("c", 60_000_000), by=by).then(redeemed)
    world.apply(redeemed)
    situation.when(RedeemConsoleCode("c", 60_000_000), by=by).refused(AccessRefused)


def test_a_snapshot_remembers_both() -> None:
    """A process that starts from one would accept a used code, and a session that has ended."""
    log = a_log()
    fold = log.fold()
    fold.world.recent_calls.redeem("c", ACCOUNT, 7)
    fold.world.directory.end_console_sessions(KEY, 3, 7)
    restored = snapshots.decode(snapshots.encode(fold), fold.chain.position, fold.chain.head, log.keys).world
    assert restored.recent_calls.codes == fold.world.recent_calls.codes
    assert restored.directory.cut_off == fold.world.directory.cut_off


def test_an_export_says_that_a_call_came_from_the_console() -> None:
    """CloudTrail user guide, cloudtrail-event-reference-record-contents: only shown where it is true."""
    called = dict.fromkeys(("event_type", "error", "message", "via"))
    called |= {"operation": "CreateUser", "kind": "account-root", "effect": "allowed", "account": ACCOUNT, "source": ""}
    called |= {"at": "2026-11-27T14:09:59.129101Z", "principal": f"arn:aws:iam::{ACCOUNT}:user/alice", "agent": ""}
    called |= {"access_key": "ASIA", "call_id": "c", "resources": [], "parameters": {}}
    session = _signed_in(a_world())
    console, plain = (
        record_of(called | {"session": each.document()}, "us-east-1")
        for each in (session, replace(session, console=None))
    )
    assert console["sessionCredentialFromConsole"] == "true"
    assert "sessionCredentialFromConsole" not in plain

"""Who signs out ends their own console session, for ever, and nothing else. Pure code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.authorization.caller import root_of
from domain.commands.sign_out import LOGOUT, MOST, SignOut
from domain.decisions.again import Again, is_of_signed_out
from domain.errors import AccessRefused, CredentialDisabled, LimitExceeded, UpgradeUnfinished
from domain.identities.directory import CUT_OFF_WINDOW
from domain.identities.mfa_devices import MfaDevice
from domain.log import codec
from domain.log.command import Command, encode
from domain.log.levels import FIRST, LEVEL, LEVEL_VERSION
from domain.log.own_commands import RAISE_LEVEL
from domain.log.record import Call
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state.callers import Session, caller_of, session_from
from domain.state.console_sessions import LONGEST, console_session, passed_on, require_may_sign_out
from domain.state.sign_outs import SignOuts
from domain.state.world import World
from projections.log.schema import AskedLog
from services.adapters import snapshots
from services.kms_api.mfa_proof import proven_by_code
from services.operations.rows import Request
from services.questions.decided_again import DecisionWalk, _Held
from services.questions.replay import Replay
from tests.given import ACCOUNT, OTHER, given
from tests.logs import NOW, SECOND, Log, a_log, call, own

ROOT_KEY = "AKIAONE"
MINE, ANOTHER, ROLES = "ASIAMINE", "ASIAANOTHER", "ASIAROLES"
OUT = ConsoleSignedOut(ACCOUNT, MINE, ACCOUNT)


def signed_in(world: World) -> Session:
    return console_session(caller_of(world, ROOT_KEY, None, world.at), ROOT_KEY, None, world.at, LONGEST, 0)


def test_who_signs_out_ends_their_session_and_nothing_else() -> None:
    situation = given()
    world = situation.world
    mine, another = signed_in(world), signed_in(world)
    assert mine == another, "two sign-ins of one user at one moment: only the access key tells them apart"
    situation.when(SignOut(MINE, ACCOUNT), by=root_of(ACCOUNT)).then(OUT)
    world.apply(OUT)
    with pytest.raises(CredentialDisabled, match=r"^The console session has ended: it was signed out\.$"):
        caller_of(world, MINE, mine, world.at)
    assert caller_of(world, ANOTHER, another, world.at).is_root
    assert caller_of(world, ROOT_KEY, None, world.at).is_root
    assert caller_of(world, MINE, replace(mine, console=None), world.at).is_root, "not one of the console's"


def test_the_sessions_of_roles_that_it_switched_to_end_with_it() -> None:
    """Gained: whoever copied the credential switches to a role before the sign-out, and goes on as the role. Also by way of one
    role to another."""
    world = given().world
    mine = signed_in(world)
    role = replace(mine, console=passed_on(mine, MINE, LEVEL))
    chained = session_from(replace(role, console=passed_on(role, ROLES, LEVEL)).document())
    other_way = replace(mine, console=passed_on(mine, ANOTHER, LEVEL))
    world.apply(OUT)
    for access_key, session in ((ROLES, role), ("ASIACHAINED", chained)):
        with pytest.raises(CredentialDisabled, match="signed out"):
            caller_of(world, access_key, session, world.at)
        assert is_of_signed_out({"access_key": access_key, "session": session.document()}, world)
    assert caller_of(world, ROLES, other_way, world.at)
    for access_key, other in ((ANOTHER, mine), (ROLES, other_way), (MINE, replace(mine, console=None))):
        assert not is_of_signed_out({"access_key": access_key, "session": other.document()}, world)
    assert not is_of_signed_out({"access_key": ROOT_KEY}, world)


def test_a_recheck_asks_again_once_the_session_is_signed_out() -> None:
    """A call that was let in after the sign-out would count as right, since the same call before it was."""
    world, log = given().world, cast(AskedLog, None)  # nothing is fetched
    walk = DecisionWalk(log, Replay(log, world, 0))
    case = {"access_key": MINE, "session": signed_in(world).document()}
    held = _Held(case, Again(True, ()), world.directory.changes)
    assert walk._known(held) is held.again
    world.apply(OUT)
    walk._steps += 1
    assert walk._known(held) is None


def test_a_log_at_the_level_before_gets_sessions_that_the_version_before_can_read() -> None:
    mine = signed_in(given().world)
    assert passed_on(mine, MINE, FIRST) == mine.console
    known_before = {"access_key", "principal", "seen"}
    assert set(replace(mine, console=passed_on(mine, MINE, FIRST)).document()["console"]) == known_before
    assert set(mine.document()["console"]) == known_before, "a console session has its own access key and names none"
    assert passed_on(replace(mine, console=None), MINE, LEVEL) is None


def test_only_a_console_session_signs_out() -> None:
    """An access key has other ways to end, and the session of a role does not end the one that switched to it."""
    mine = signed_in(given().world)
    require_may_sign_out(mine)
    for other in (None, replace(mine, console=None), replace(mine, console=passed_on(mine, MINE, LEVEL))):
        with pytest.raises(AccessRefused):
            require_may_sign_out(other)


def test_twice_is_once_and_the_time_of_the_first_counts() -> None:
    outs = SignOuts()
    outs.end(MINE, ACCOUNT, 5)
    outs.end(MINE, ACCOUNT, 9)
    assert ([each.at for each in outs.ended.values()], outs.of_owner) == ([5], {ACCOUNT: 1})


def test_it_is_forgotten_when_no_clock_takes_the_session_any_more() -> None:
    world = given().world
    world.apply(OUT)
    ended_at = world.at
    assert ended_at + CUT_OFF_WINDOW >= signed_in(world).expires + LONGEST * SECOND, "a clock may be half a day slow"
    world.at = ended_at + CUT_OFF_WINDOW
    world.apply(replace(OUT, access_key=ANOTHER))
    assert MINE in world.sign_outs
    world.at += 1
    world.apply(replace(OUT, access_key="ASIATHIRD"))
    assert list(world.sign_outs.ended) == [ANOTHER, "ASIATHIRD"]
    assert world.sign_outs.of_owner == {ACCOUNT: 2}
    world.at += 2 * CUT_OFF_WINDOW
    world.apply(replace(OUT, access_key=ANOTHER))
    assert (world.sign_outs.ended, world.sign_outs.of_owner) == ({}, {})


@for_all(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(0, CUT_OFF_WINDOW))))
def test_what_is_remembered_is_in_the_order_of_time_and_counted(ends: list[tuple[str, str, int]]) -> None:
    outs, now = SignOuts(), 0
    for access_key, owner, later in ends:
        now += later
        outs.end(access_key, owner, now)
        times, owners = [each.at for each in outs.ended.values()], [each.owner for each in outs.ended.values()]
        assert times == sorted(times)
        assert min(times, default=now) >= now - CUT_OFF_WINDOW
        assert outs.of_owner == {owner: owners.count(owner) for owner in owners}
        later = now + CUT_OFF_WINDOW // 2
        still = [each.owner for each in outs.ended.values() if each.at >= later - CUT_OFF_WINDOW]
        assert [outs.remembered(owner, later) for owner in "xyz"] == [still.count(owner) for owner in "xyz"]


def test_whoever_signs_in_and_out_without_end_fills_no_memory_and_keeps_nobody_else_in() -> None:
    situation = given()
    for number in range(MOST):
        situation.world.apply(ConsoleSignedOut(ACCOUNT, f"ASIA{number}", "AIDALOOP"))
    situation.when(SignOut(MINE, "AIDALOOP")).refused(LimitExceeded, "ends on time")
    situation.when(SignOut(MINE, OTHER)).then(ConsoleSignedOut(ACCOUNT, MINE, OTHER))
    situation.world.apply(ConsoleSignedOut(ACCOUNT, "ASIALATER", OTHER))
    situation.world.at += CUT_OFF_WINDOW
    situation.when(SignOut(MINE, "AIDALOOP")).refused(LimitExceeded, "ends on time")
    situation.world.at += 1
    situation.when(SignOut(MINE, "AIDALOOP")).then(ConsoleSignedOut(ACCOUNT, MINE, "AIDALOOP"))


def test_a_full_memory_keeps_nobody_in_for_more_than_a_day() -> None:
    """Gained: a user whose sessions were signed out MOST times could never sign out again, where nobody else did: only a sign-out
    forgets, and theirs was refused. `deciding_at`: nothing else may have happened on the log either."""
    situation = given()
    for number in range(MOST):
        situation.world.apply(ConsoleSignedOut(ACCOUNT, f"ASIA{number}", "AIDALOOP"))
    situation.when(SignOut(MINE, "AIDALOOP")).refused(LimitExceeded, "ends on time")
    situation.world.deciding_at = situation.world.at + CUT_OFF_WINDOW + 1
    situation.when(SignOut(MINE, "AIDALOOP")).then(ConsoleSignedOut(ACCOUNT, MINE, "AIDALOOP"))


class CodeThatTakesLong:
    """A right code of the caller's device. While it is used up on the log, the session is signed out."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def device_of(self, user: str, serial: str) -> MfaDevice:
        return MfaDevice(ACCOUNT, "mine", "/", 0, "seed", "digest", user)

    async def step_of(self, device: MfaDevice, code: str) -> int:
        return device.used + 1

    async def decide(self, use: Call, made: dict[str, str]) -> None:
        self._world.apply(OUT)

    async def right(self, serial: str) -> None:
        pass


async def test_a_session_that_is_signed_out_while_its_code_is_used_is_refused() -> None:
    """The log would have had a call that was let in after the sign-out, which `recheck` calls wrong."""
    world = given().world
    mine = signed_in(world)
    shown = {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/mine", "TokenCode": "123456"}
    request = Request("AssumeRole", shown, caller_of(world, MINE, mine, world.at), world.at, mine, access_key=MINE)
    called = replace(call(90, "AssumeRole", shown), access_key=MINE)
    used: Any = CodeThatTakesLong(world)
    with pytest.raises(CredentialDisabled, match="signed out"):
        await proven_by_code(request, called, used, used, world)


# -- by the writer ------------------------------------------------------------------------------------------------


def by_session(number: int, session: Session, access_key: str, operation: str, made: dict[str, str]) -> bytes:
    called = replace(call(number, operation, {}), access_key=access_key, session=session.document())
    return encode(Command(called, made, NOW + 3600 * SECOND))


def signs_out(number: int, session: Session, access_key: str = MINE) -> bytes:
    return by_session(number, session, access_key, LOGOUT, {"access_key": access_key, "owner": session.of})


def decided(log: Log, value: bytes) -> Any:
    """The record that a command gets, as a reader sees it."""
    made = log.answer(value)
    assert made is not None
    return codec.record_from(codec.parse(made) or {})


def a_finished_log() -> Log:
    log = a_log()
    log.answer(own(log, RAISE_LEVEL, level=LEVEL, version=LEVEL_VERSION))
    return log


def test_the_record_says_who_when_and_which_session() -> None:
    log = a_finished_log()
    mine = signed_in(log.fold().world)
    record = decided(log, signs_out(90, mine))
    assert (record.event, record.call.access_key, record.at) == (OUT, MINE, log.now)
    assert record.call.session == json.loads(json.dumps(mine.document()))
    (reason,) = record.decision.reasons
    assert (reason["action"], reason["effect"]) == (f"keytrail:{LOGOUT}", "allow")


def test_what_was_under_way_at_the_sign_out_has_no_effect() -> None:
    """Another worker took the call, and had not heard of the sign-out. Nor does a second sign-out add an event."""
    log = a_finished_log()
    mine = signed_in(log.fold().world)
    assert decided(log, signs_out(90, mine)).event == OUT
    made = {"key": "k", "material": "ab" * 32, "fingerprint": "cd" * 32, "public_key": ""}
    for late in (by_session(91, mine, MINE, "CreateKey", made), signs_out(92, mine)):
        record = decided(log, late)
        assert (record.event, record.decision.error["kind"]) == (None, CredentialDisabled.kind)
        assert "signed out" in record.decision.error["message"]
    assert decided(log, signs_out(93, mine, ANOTHER)).event == replace(OUT, access_key=ANOTHER)


def test_a_log_at_the_level_before_has_no_sign_out() -> None:
    log = a_log()
    record = decided(log, signs_out(90, signed_in(log.fold().world)))
    assert (record.event, record.decision.error["kind"]) == (None, UpgradeUnfinished.kind)


def test_a_snapshot_remembers_who_signed_out() -> None:
    """A process that starts from one would let the copy of a session in."""
    log = a_finished_log()
    mine = signed_in(log.fold().world)
    log.answer(signs_out(90, mine))
    log.answer(signs_out(91, mine, ANOTHER))
    fold = log.fold()
    restored = snapshots.decode(snapshots.encode(fold), fold.chain.position, fold.chain.head, log.keys).world
    assert restored.sign_outs == fold.world.sign_outs
    assert list(restored.sign_outs.ended) == [MINE, ANOTHER]
    with pytest.raises(CredentialDisabled, match="signed out"):
        caller_of(restored, MINE, mine, restored.at)

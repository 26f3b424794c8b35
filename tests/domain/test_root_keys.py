"""The access keys of a root user: what a start makes of its settings, what a rotation may do, and what ends with a key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.arn import root_arn
from domain.commands.accounts import ended_root_keys, is_disabled, require_root_key_event, root_credential_events
from domain.errors import CredentialDisabled
from domain.log.codec import rfc3339
from domain.log.events import AccessKeyCreated, AccessKeyDisabled, AccessKeyEnding, AccountCreated
from domain.state.callers import Session, SignedIn, caller_of
from domain.state.world import World
from services.root_credentials.credential_file import kept_or_new
from services.runtime.data_folder import Credentials, Folder
from services.settings import BadSetting, load
from tests.given import ACCOUNT, given

OLD, NEW, THIRD = "AKIAOLD", "AKIANEW", "AKIATHIRD"
MADE = AccessKeyCreated(ACCOUNT, NEW)
DUE = 1_800_000_000_000_000
ENDS = AccessKeyEnding(ACCOUNT, OLD, rfc3339(DUE))
GONE = AccessKeyDisabled(ACCOUNT, OLD)


def world(*happened: object) -> World:
    return given(AccountCreated(ACCOUNT, OLD), *happened).world


def keys(of: World) -> dict[str, str]:
    return dict(of.accounts[ACCOUNT].access_keys)


def test_settings_make_the_first_key_and_a_new_one_replaces_every_other() -> None:
    assert root_credential_events(given().world, "999999999999", OLD) == [AccountCreated("999999999999", OLD)]
    assert root_credential_events(world(MADE), ACCOUNT, THIRD) == [
        AccessKeyCreated(ACCOUNT, THIRD),
        AccessKeyDisabled(ACCOUNT, OLD),
        AccessKeyDisabled(ACCOUNT, NEW),
    ]


@pytest.mark.parametrize("named", [OLD, NEW])
def test_both_stay_while_they_overlap_whichever_of_them_a_machine_names(named: str) -> None:
    assert root_credential_events(world(MADE, ENDS), ACCOUNT, named) == []


def test_one_that_was_disabled_is_not_brought_back() -> None:
    assert root_credential_events(world(MADE, GONE), ACCOUNT, OLD) == []
    assert is_disabled(world(MADE, GONE), ACCOUNT, OLD)
    assert not is_disabled(world(MADE, ENDS), ACCOUNT, OLD)


def test_it_ends_when_it_is_due_and_not_before() -> None:
    overlapping = world(MADE, ENDS)
    assert ended_root_keys(overlapping, DUE - 1) == []
    assert ended_root_keys(overlapping, DUE) == [GONE]
    assert ended_root_keys(world(MADE, ENDS, GONE), DUE) == [], "once"


def test_the_last_key_of_a_root_never_ends_by_itself() -> None:
    assert ended_root_keys(world(ENDS), DUE) == []
    both = world(MADE, ENDS, AccessKeyEnding(ACCOUNT, NEW, rfc3339(DUE)))
    assert ended_root_keys(both, DUE) == []


@pytest.mark.parametrize(
    "asked",
    [
        AccessKeyCreated("999999999999", THIRD),  # there is no such account
        AccessKeyCreated(ACCOUNT, OLD),  # it is there
        AccessKeyCreated(ACCOUNT, NEW),
        AccessKeyDisabled(ACCOUNT, THIRD),
        AccessKeyDisabled(ACCOUNT, NEW),  # it is the only one
        AccessKeyEnding(ACCOUNT, OLD, rfc3339(DUE)),  # it has ended
        AccessKeyDisabled("999999999999", NEW),
    ],
)
def test_what_no_longer_makes_sense_when_it_reaches_the_writer_is_refused(asked: object) -> None:
    with pytest.raises(ValueError, match="access key"):
        require_root_key_event(asked, world(MADE, GONE))


def test_what_makes_sense_is_taken() -> None:
    for asked in (AccessKeyCreated(ACCOUNT, THIRD), ENDS, GONE, AccountCreated("999999999999", THIRD)):
        require_root_key_event(asked, world(MADE))


def test_a_start_does_not_take_a_key_that_another_one_has_replaced(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.keep_replaced([OLD])
    folder.keep_replaced([THIRD])
    folder.keep_credentials(Credentials(NEW, "new"))
    for replaced in (OLD, THIRD):
        settings = load({}, root_access_key_id=replaced, root_secret_access_key="old")
        with pytest.raises(BadSetting, match=f"names {replaced}, which {NEW}, which this folder keeps, has replaced"):
            folder.credentials(settings)
    assert folder.credentials(load({})).access_key_id == NEW
    given_anew = load({}, root_access_key_id=NEW, root_secret_access_key="new")
    assert folder.credentials(given_anew).secret_access_key == "new"


def test_two_rotations_at_once_go_on_with_one_credential(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = {
            each.access_key_id for each in pool.map(lambda _: Folder(tmp_path).next_credentials("us-east-1"), range(8))
        }
        named = {each.access_key_id for each in pool.map(lambda _: kept_or_new(tmp_path / "root.env"), range(8))}
    assert (len(kept), len(named)) == (1, 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["credentials.json.new", "root.env"]


def test_a_file_that_holds_something_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "notes").chmod(0o600)
    with pytest.raises(BadSetting, match="something else"):
        kept_or_new(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "mine"


def test_sessions_end_with_the_key_that_they_came_from_and_others_go_on() -> None:
    def token(access_key: str) -> Session:
        return Session(ACCOUNT, root_arn(ACCOUNT), ACCOUNT, "", 0, DUE, root_key=access_key)

    def console(access_key: str) -> Session:
        came_from = SignedIn(access_key, root_arn(ACCOUNT), 0)
        return Session(ACCOUNT, root_arn(ACCOUNT), ACCOUNT, "", 0, DUE, console=came_from)

    for session in (token(OLD), console(OLD), token(NEW), console(NEW)):
        assert caller_of(world(MADE, ENDS), "ASIA", session, 1).is_root
    for session in (token(OLD), console(OLD)):
        with pytest.raises(CredentialDisabled):
            caller_of(world(MADE, ENDS, GONE), "ASIA", session, 1)
    for session in (token(NEW), console(NEW), token("")):
        assert caller_of(world(MADE, ENDS, GONE), "ASIA", session, 1).is_root

"""Who wrote a record: envelopes, the keys behind them, and what a log says about its own authenticity."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.authenticity import (
    COMMANDS,
    DECISIONS,
    EVENTS,
    KINDS,
    KeyMissing,
    Keyring,
    Parts,
    Seal,
    before_envelope,
    commitment,
    key_id,
    key_of,
)
from domain.log.authority import Authority, authority_from
from domain.log.chain import digest
from domain.log.codec import canonical
from domain.log.events import LogAuthenticated, LogKeyRetired, LogKeyRotated
from domain.log.lane import Decided, Lane, Lanes, Reached, Tails, place_of
from domain.log.parts import former_parts_of, parts_of
from domain.state.fold import Fold
from domain.verification.decisions import DecisionsReport, Verifier
from tests.given import ACCOUNT, OTHER
from tests.keys import OTHER as STRANGERS
from tests.keys import ROOT, keyring
from tests.logs import Log, a_log, changed

LOG = "the-log"
SEAL = Seal(ROOT, key_id(ROOT), EVENTS, LOG)
DOCUMENTS = st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.none(), min_size=1)


@given(DOCUMENTS)
def test_an_envelope_is_hmac_sha_256_as_the_standard_library_has_it(document: dict[str, Any]) -> None:
    """RFC 2104 over kind, log and the digest of everything before the MAC, under a key derived as in SP 800-108."""
    value, _ = SEAL.sealed(canonical(document))
    key = hmac.digest(ROOT, b"\0\0\0\1keytrail events\0the-log\0\0\1\0", "sha256")
    start = value.rindex(b'"mac":"') + len(b'"mac":"')
    expected = hmac.digest(key, b"keytrail\0events\0the-log\0" + sha256(value[:start]).digest(), "sha256")
    assert b64decode(value[start:-3] + b"=") == expected
    assert json.loads(value)["auth"]["alg"] == "HS256"


@given(DOCUMENTS)
def test_a_sealed_value_is_json_that_holds_and_says_its_digest(document: dict[str, Any]) -> None:
    value, found = SEAL.sealed(canonical(document))
    assert json.loads(value) == {**document, "auth": json.loads(value)["auth"]}
    assert (SEAL.holds(value), found, key_of(value)) == (True, digest(value), key_id(ROOT))
    assert SEAL.digest(value) == found


@given(DOCUMENTS, st.data())
def test_every_changed_byte_is_noticed(document: dict[str, Any], data: st.DataObject) -> None:
    value, _ = SEAL.sealed(canonical(document))
    at = data.draw(st.integers(0, len(value) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda other: other != value[at]))
    changed = value[:at] + bytes([byte]) + value[at + 1 :]
    assert (SEAL.holds(changed), SEAL.digest(changed)) == (False, None)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_sealed_value_hold_nothing_and_end_nothing(value: bytes) -> None:
    assert not SEAL.holds(value)
    key_of(value)
    assert before_envelope(value) == value


@given(st.binary())
def test_bytes_that_are_not_ours_come_back_as_they_were(value: bytes) -> None:
    sealed = SEAL.behind(value)
    assert (SEAL.holds(sealed), before_envelope(sealed)) == (True, value)


def test_a_value_authentic_on_one_kind_of_topic_or_log_is_void_elsewhere() -> None:
    value, _ = SEAL.sealed(b'{"a":1}')
    others = [Seal(ROOT, key_id(ROOT), kind, LOG) for kind in KINDS if kind != EVENTS]
    others += [Seal(ROOT, key_id(ROOT), EVENTS, "another"), Seal(STRANGERS, key_id(ROOT), EVENTS, LOG)]
    assert [each.holds(value) for each in others] == [False] * len(others)


def test_a_row_is_bound_to_its_kind_and_to_where_each_field_ends() -> None:
    keys = keyring()
    mac = keys.mac("position", "ab", "c", 1)
    assert keys.holds(mac, "position", "ab", "c", 1)
    assert not keys.holds(mac, "position", "a", "bc", 1)
    assert not keys.holds(mac, "snapshot", "ab", "c", 1)
    assert not keyring(STRANGERS).holds(mac, "position", "ab", "c", 1)
    assert not keys.holds(None, "position", "ab", "c", 1)
    assert not keys.holds("nonsense", "position", "ab", "c", 1)
    assert not keys.holds(mac.partition(":")[0] + ":\xe9", "position", "ab", "c", 1)


# -- parts --------------------------------------------------------------------------------------------------------------


def leaf(salt: bytes, part: bytes) -> bytes:
    return sha256(b"\0" + salt + part).digest()


def test_a_part_is_shown_with_its_salt_and_the_other_leaves() -> None:
    """The basis for the issue "Proof": one part with its salt and two leaves give the commitment in the envelope."""
    parts = Parts(b'{"caller":1}', b'{"resource":2}', b'{"rest":3}')
    value, _ = SEAL.sealed(b'{"a":1}', parts)
    salts = SEAL.salts(parts.rest)
    one, two, three = salts[:16], salts[16:32], salts[32:]
    committed = b64decode(json.loads(value)["parts"] + "=")
    siblings = (leaf(two, parts.resource), leaf(three, parts.rest))
    assert committed == sha256(b"\1" + leaf(one, parts.caller) + siblings[0] + siblings[1]).digest()
    assert committed == commitment(salts, parts)
    assert len({one, two, three}) == 3


REASON = {"action": "kms:Decrypt", "resource": f"arn:aws:kms:us-east-1:{OTHER}:key/k", "effect": "allow"}


def across(account: str) -> dict[str, Any]:
    by = {"kind": "identity-policy", "policy": "secret-of-the-caller"}
    delegation = {"kind": "key-policy", "policy": "secret-of-the-key"}
    call = {"id": "c", "operation": "Decrypt", "account": account, "principal": "p", "agent": "agent-of-the-caller"}
    inputs = {
        "context": {"aws:principaltag/team": ["tag-of-the-caller"]},
        "resources": {"k": {"tag": "tag-of-the-key"}},
    }
    reasons = [REASON | {"by": by, "delegation": delegation}]
    error = {"kind": "access", "message": "because no identity-based policy"}
    decision = {
        "effect": "refused",
        "kind": "x",
        "reasons": reasons,
        "resources": [REASON["resource"]],
        "error": error,
        "inputs": inputs,
    }
    return {"v": 1, "seen": 4, "call": call, "decision": decision}


def test_across_accounts_neither_part_reveals_the_other_accounts_own() -> None:
    parts = parts_of(across(ACCOUNT), canonical)
    assert parts is not None
    of_caller, of_key = (b"secret-of-the-caller", b"tag-of-the-caller", b"agent-of-the-caller", b"identity-based"), (b"secret-of-the-key", b"tag-of-the-key")  # fmt: skip
    assert [word in parts.caller for word in of_caller + of_key] == [True] * 4 + [False] * 2
    assert [word in parts.resource for word in of_caller + of_key] == [False] * 4 + [True] * 2
    assert [word in parts.rest for word in of_caller + of_key] == [False] * 6
    # A caller who named an alias and was refused gets the caller's part alone.
    meant = str(REASON["resource"]).encode()
    assert [meant in part for part in (parts.caller, parts.resource, parts.rest)] == [False, True, True]


def test_across_accounts_an_own_deny_and_who_called_are_not_told() -> None:
    """To name the caller's own Deny would tell that another account's key has the tags that the Deny asks for."""
    document = across(ACCOUNT)
    document["call"]["principal"] = "who-called"
    document["decision"]["reasons"][0]["effect"] = "deny"
    parts, former = parts_of(document, canonical), former_parts_of(document, canonical)
    assert parts is not None
    assert [b"secret-of-the-caller" in each for each in (parts.caller, former.caller)] == [False, True]
    assert [b"who-called" in each for each in (parts.resource, parts.rest, former.resource)] == [False, False, True]


def test_in_one_account_a_record_has_no_parts() -> None:
    assert parts_of(across(OTHER), canonical) is None
    of_nothing = across(ACCOUNT)
    of_nothing["decision"]["resources"] = ["*", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"]
    assert parts_of(of_nothing, canonical) is None, "ListKeys and the like are asked on `*`, in the caller's account"
    assert "parts" not in json.loads(SEAL.sealed(canonical(across(OTHER)))[0])


# -- what a log says of itself --------------------------------------------------------------------------------------------


def read(values: list[bytes], keys: Keyring) -> Fold:
    fold = Fold.under(keys)
    for offset, value in enumerate(values):
        fold.take(offset, value)
    return fold


def without_macs() -> Log:
    """A log of an earlier version, led by this version from here on."""
    log = a_log(keyring(strict=False), with_macs=False)
    log.with_macs = True
    log.lead("writer-c")
    return log


def test_a_new_log_is_authentic_from_its_first_record() -> None:
    log = Log()
    fold = log.fold()
    assert (fold.chain.authority.since, fold.voids, fold.world.log) == (0, 0, LOG)


def test_a_record_with_the_right_link_and_no_mac_is_void() -> None:
    log = a_log()
    forged = changed(log.values[-1], previous=digest(log.values[-1]))
    body = {name: value for name, value in json.loads(forged).items() if name != "auth"}
    for value in (
        forged,
        canonical(body),
        keyring(STRANGERS).seal(key_id(STRANGERS), EVENTS, LOG).sealed(canonical(body))[0],
    ):
        fold = read([*log.values, value], log.keys)
        assert (fold.chain.position, fold.voids) == (len(log.values) - 1, log.fold().voids + 1)


def test_a_record_of_another_log_under_the_same_root_is_void() -> None:
    other = keyring().seal(key_id(ROOT), EVENTS, "another-log")
    body = {"previous": "", "event": {"type": "log.created.v1", "data": {"log": LOG, "region": "us-east-1"}}}
    assert read([other.sealed(canonical(body))[0]], keyring()).world.log == ""


def test_a_log_of_an_earlier_version_counts_until_one_record_begins_the_new_time() -> None:
    log = without_macs()
    keys = keyring(strict=False)
    fold = read(log.values, keys)
    assert (fold.voids, fold.chain.authority.begun, fold.chain.authority.is_settled(keys)) == (1, False, True)
    assert not fold.chain.authority.is_settled(keyring()), "a vault that has seen MACs takes no log without them"
    log._append(log.deciding.record(log.now, 0, None, None, LogAuthenticated({DECISIONS: {"0": 5}})))
    plain = canonical(
        {name: value for name, value in json.loads(log.values[-1]).items() if name != "auth"}
        | {"previous": digest(log.values[-1])}
    )
    fold = read([*log.values, plain], keys)
    assert (fold.chain.authority.since, fold.voids) == (len(log.values) - 1, 2)


def test_only_an_authentic_record_begins_the_new_time_or_changes_the_key() -> None:
    log = without_macs()
    voids = log.fold().voids
    for event in (LogAuthenticated({}), LogKeyRotated("0" * 16), LogKeyRetired("0" * 16, {})):
        log.lead("writer-c")
        log.deciding.fold.chain.keys = None
        value = log.deciding.record(log.now, 0, None, None, event).value
        assert read([*log.values, value], keyring(strict=False)).voids == voids + 1


def test_after_a_rotation_the_old_key_writes_nothing_and_still_verifies_its_records() -> None:
    old, new = bytes(32), b"\1" * 32
    log = Log(keyring(old))
    log.keys.renew([new])
    log._append(log.deciding.record(log.now, 0, None, None, LogKeyRotated(key_id(new))))
    log._append(log.deciding.record(log.now, 0, None, None, LogAuthenticated({})))
    assert [key_of(value) for value in log.values[-2:]] == [key_id(old), key_id(new)]
    stolen = keyring(old).seal(key_id(old), EVENTS, LOG)
    body = {name: value for name, value in json.loads(log.values[-1]).items() if name != "auth"}
    forged = stolen.sealed(canonical(body | {"previous": digest(log.values[-1])}))[0]
    assert read([*log.values, forged], keyring(old, new)).voids == 1
    with pytest.raises(KeyMissing):
        read(log.values, keyring(old))


def test_on_other_topics_a_retired_key_counts_below_the_offset_at_which_it_was_retired() -> None:
    keys = keyring()
    authority = Authority(LOG, 0, "", key_id(ROOT), {"": {DECISIONS: {"2": 7}}})
    value, _ = keys.seal(key_id(ROOT), DECISIONS, LOG).sealed(b'{"a":1}')

    def believed(authority: Authority, kind: str, offset: int, value: bytes) -> bool:
        """The digest covers what is believed, and nothing else."""
        found = authority.believes(keys, kind, 2, offset, value)
        given = authority.digest_believed(keys, kind, 2, offset, value)
        assert given == (digest(value) if found else None)
        return found

    assert [believed(authority, DECISIONS, offset, b'{"a":1}') for offset in (6, 7)] == [True, False]
    assert believed(authority, DECISIONS, 99, value)
    assert not believed(authority, COMMANDS, 0, value)
    assert not believed(authority, COMMANDS, 0, b"{}")
    retired = authority_from(authority.document() | {"retired": {key_id(ROOT): {DECISIONS: {"2": 7}}}})
    assert [believed(retired, DECISIONS, offset, value) for offset in (6, 7)] == [True, False]


def test_what_a_log_says_of_authenticity_survives_a_snapshot() -> None:
    authority = Authority(LOG, 3, "d", "k", {"": {DECISIONS: {"0": 1}}})
    assert authority_from(json.loads(json.dumps(authority.document()))) == authority


# -- lanes --------------------------------------------------------------------------------------------------------------


def lane_of(count: int) -> list[tuple[bytes, str]]:
    lane, seal, values = Lane("w" * 32, 0), keyring().seal(key_id(ROOT), DECISIONS, LOG), []
    for number in range(count):
        value = lane.value(Decided(b'{"v":1}', b'{"call":%d,"decision":2}' % number), seal)
        values.append((value, digest(value)))
        assert (lane.number, lane.digest) == (number + 1, digest(value))
    return values


def test_a_lane_takes_each_record_once_and_in_its_place() -> None:
    values = lane_of(4)
    places = [place_of(json.loads(value)) for value, _ in values]
    lanes = Lanes()
    order = [0, 0, 2, 1, 0, 2, 3, 3]
    taken = [lanes.accepts(places[at], values[at][1], 2) for at in order]  # type: ignore[arg-type]  # each has its place
    assert taken == [True, False, False, True, False, True, True, False]
    assert lanes.moved() == {("w" * 32, 0): Reached(4, values[3][1], 2)}
    assert lanes.moved() == {}


def test_a_decision_is_json_in_the_form_that_it_always_had() -> None:
    ((value, _),) = lane_of(1)
    document = json.loads(value)
    assert {name: document[name] for name in ("v", "call", "decision")} == {"v": 1, "call": 0, "decision": 2}
    assert document["lane"] == {"worker": "w" * 32, "lane": 0, "number": 1, "previous": ""}


def test_what_a_worker_left_unanchored_is_seen_once_it_is_idle() -> None:
    """Anchor and record stand on different topics, so either may be read first."""
    one, two = ("w", 0), ("w", 1)
    tails = Tails({one: Reached(5, "d5", 3)}, {one: 4}, 0.0)
    tails.read({two: Reached(9, "d9", 1)}, 2.0)
    said = [
        {"lane": 0, "partition": 3, "number": 5, "digest": "d5"},
        {"lane": 1, "partition": 1, "number": 9, "digest": "d9"},
    ]
    assert [tails.idle(at) for at in (-1.0, 1.0, 2.0)] == [{}, {"w": said[:1]}, {"w": said}]
    tails.anchored({one: Reached(5), two: Reached(12)})
    assert tails.idle(9.0) == {}
    tails.read({two: Reached(12, "d12", 1)}, 3.0)
    assert tails.idle(9.0) == {}
    tails.read({two: Reached(13, "d13", 1)}, 3.0)
    assert tails.idle(9.0) == {"w": [{"lane": 1, "partition": 1, "number": 13, "digest": "d13"}]}
    tails.asked("w", 10.0)
    assert tails.idle(9.0) == tails.idle(9.9) == {}
    assert tails.idle(10.0) == {"w": [{"lane": 1, "partition": 1, "number": 13, "digest": "d13"}]}, "it has not come"
    tails.waited(20.0)
    assert tails.idle(19.9) == {}


def checked(values: list[bytes], anchored: int, begins: int = 0) -> DecisionsReport:
    """Read a partition with these records, when the log says that the lane reaches record `anchored`."""
    keys = keyring()
    name = ("w" * 32, 0)
    made = lane_of(9)
    anchors = {name: Reached(anchored, made[anchored - 1][1], 2)} if anchored else {}
    verifier = Verifier(keys, Authority(LOG, 0, "", key_id(ROOT), {"": {}}), anchors, {2: begins})
    for offset, value in enumerate(values, begins):
        verifier.take(2, offset, value)
    return verifier.finish()


def test_decisions_that_are_whole_are_found_so_and_their_unbound_end_is_named() -> None:
    values = [value for value, _ in lane_of(9)]
    report = checked(values, 7)
    assert (report.whole, report.valid, report.not_bound) == (True, 9, 2)
    assert checked(values, 0).not_bound == 9


@pytest.mark.parametrize("at", range(9))
def test_a_decision_that_is_missing_changed_or_moved_is_found(at: int) -> None:
    values = [value for value, _ in lane_of(9)]
    missing, moved = [*values[:at], *values[at + 1 :]], [*values[:at], *values[at + 1 :], values[at]]
    flipped = values[at][:9] + bytes([values[at][9] ^ 1]) + values[at][10:]
    changed_one = [*values[:at], flipped, *values[at + 1 :]]
    assert not checked(missing, 9).whole
    if at < 8:  # the last one moved behind itself stands where it was
        assert not checked(moved, 9).whole
    report = checked(changed_one, 9)
    assert (report.whole, report.strange_count) == (False, 1)


def test_a_cut_end_is_found_up_to_the_last_anchor() -> None:
    values = [value for value, _ in lane_of(9)]
    assert [checked(values[:count], 7).whole for count in (9, 8, 7, 6, 0)] == [True, True, True, False, False]


def test_a_copy_and_a_strangers_value_are_counted_and_change_nothing() -> None:
    values = [value for value, _ in lane_of(9)]
    report = checked([*values[:4], values[1], b"hello", canonical({"v": 1}), *values[4:], values[8]], 9)
    assert (report.whole, report.valid, report.copies_count, report.strange_count) == (True, 9, 2, 2)
    assert report.copies == ["2@4", "2@12"]


def test_records_removed_by_a_retention_are_counted_and_not_a_fault() -> None:
    values = [value for value, _ in lane_of(9)]
    report = checked(values[5:], 9, begins=5)
    assert (report.whole, report.gone, report.valid) == (True, 5, 4)

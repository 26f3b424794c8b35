"""The life of a key: tags, rotation, imported material, deletion, and work that falls due."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.commands.aliases import CreateAlias, UpdateAlias
from domain.commands.change_key import DisableKey, EnableKey
from domain.commands.delete_key import CancelKeyDeletion, DeleteKey, ScheduleKeyDeletion
from domain.commands.due import Agenda, Deletion, Expiry, Rotation, Work
from domain.commands.grants import CreateGrant
from domain.commands.import_material import (
    DOES_NOT_EXPIRE,
    EXISTING,
    EXPIRES,
    NEW,
    DeleteImportedKeyMaterial,
    ExpireMaterial,
    ImportKeyMaterial,
)
from domain.commands.rotate_key import DisableKeyRotation, EnableKeyRotation, RotateKey, RotateKeyOnDemand
from domain.commands.tag_key import TagResource, UntagResource
from domain.durations import DAY_MICROS
from domain.errors import (
    ExpiredImportToken,
    IncorrectKeyMaterial,
    InvalidCiphertext,
    InvalidImportToken,
    InvalidKeyState,
    InvalidRequest,
    InvalidTag,
    KeyIsDisabled,
    KeyNotFound,
    LimitExceeded,
    RotationConflict,
    UnsupportedOperation,
)
from domain.keys.key import Key
from domain.keys.limits import Limits
from domain.keys.states import State
from domain.log import events
from domain.log.codec import rfc3339
from domain.log.record import Record
from domain.state.key_index import DESTROYED_WINDOW
from tests.given import ACCOUNT, Given, a_key, arn, create_key, given, key_id

HMAC = {"spec": "HMAC_256", "usage": "GENERATE_VERIFY_MAC"}
RSA = {"spec": "RSA_2048", "usage": "SIGN_VERIFY", "public_key": "AA=="}


def external(number: int = 1, /, **changes: Any) -> events.KeyCreated:
    return a_key(number, origin="EXTERNAL", material="", fingerprint="", **changes)


def came(material: str, valid_to: str = "", pending: bool = False, stored: str = "") -> events.MaterialImported:
    return events.MaterialImported(key_id(), material, stored or f"row-{material}", "f", "", valid_to, "", pending, "")


def bring(material: str = "m1", /, **changes: Any) -> ImportKeyMaterial:
    """Imports good material with a good token and no expiry. Named fields replace its own."""
    made = {"key": key_id(), "expires": str(DAY_MICROS), "material": material, "stored": "row", "fingerprint": "f"}
    fields: dict[str, Any] = {
        "key": key_id(),
        "expiration_model": DOES_NOT_EXPIRE,
        "valid_to": None,
        "import_type": "",
        "material": "",
        "description": None,
        "made": made | {"public_key": ""} | changes.pop("made", {}),
    }
    return ImportKeyMaterial(**(fields | changes))


def turned(material: str) -> events.KeyRotated:
    return events.KeyRotated(key_id(), material, f"row-{material}", "f", "ON_DEMAND", "")


def the_key(situation: Given) -> Key:
    return situation.world.keys[key_id()]


def happened(*events_: object) -> Given:
    return given(*events_)


def due_at(situation: Given, now: int) -> Work | None:
    return Agenda(situation.world).due(now)


# -- tags -----------------------------------------------------------------------------------------------------------


def test_tags_are_added_replaced_and_removed() -> None:
    tagged = events.KeyTagged(key_id(), {"a": "2", "b": ""}, {"a": "2", "b": ""})
    given(a_key(tags={"a": "1"})).when(TagResource(key_id(), [("a", "2"), ("b", "")])).then(tagged)
    untagged = events.KeyUntagged(key_id(), ["a"], {"b": ""})
    done = given(a_key(), tagged).when(UntagResource(arn(), ["a", "nope", "a"])).then(untagged)
    assert dict(the_key(done).tags) == {"a": "2", "b": ""}
    assert dict(the_key(given(a_key(), tagged, untagged)).tags) == {"b": ""}


def test_tags_decide_what_a_policy_sees() -> None:
    """Developer guide, tag-authorization: aws:ResourceTag follows at once."""
    tagged = given(a_key(), events.KeyTagged(key_id(), {"team": "x"}, {"team": "x"}))
    assert tagged.world.resource(the_key(tagged)).context["aws:resourcetag/team"] == ("x",)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (TagResource(key_id(), [("aws:x", "")]), InvalidTag),
        (TagResource(key_id(), [("Aws:x", "")]), InvalidTag),
        (TagResource(key_id(), [("a", ""), ("a", "")]), InvalidTag),
        (TagResource(key_id(), [(str(number), "") for number in range(50)]), InvalidTag),
        (UntagResource(key_id(), ["aws:x"]), InvalidTag),
        (UntagResource(key_id(), ["AWS:x"]), InvalidTag),
        (TagResource(key_id(7), []), KeyNotFound),
    ],
)
def test_tags_that_cannot_be(command: object, refusal: type) -> None:
    given(a_key(tags={"there": "1"})).when(command).refused(refusal)


# -- rotation -------------------------------------------------------------------------------------------------------


def test_rotation_is_enabled_for_a_year_where_nothing_is_said() -> None:
    now = given(a_key()).world.now
    enabled = events.RotationEnabled(key_id(), 365, rfc3339(now + 365 * DAY_MICROS))
    given(a_key()).when(EnableKeyRotation(key_id())).then(enabled)
    given(a_key()).when(EnableKeyRotation(key_id(), 90)).then(
        events.RotationEnabled(key_id(), 90, rfc3339(now + 90 * DAY_MICROS))
    )
    given(a_key(), enabled).when(DisableKeyRotation(key_id())).then(events.RotationDisabled(key_id()))


def test_another_period_counts_from_where_the_present_one_began() -> None:
    """Whatever is overdue by then is rotated at once."""
    begun = events.RotationEnabled(key_id(), 365, rfc3339(365 * DAY_MICROS))
    there = given(a_key(), begun)
    there.world.deciding_at = 100 * DAY_MICROS
    there.when(EnableKeyRotation(key_id(), 180)).then(events.RotationEnabled(key_id(), 180, rfc3339(180 * DAY_MICROS)))
    there.when(EnableKeyRotation(key_id(), 90)).then(events.RotationEnabled(key_id(), 90, rfc3339(100 * DAY_MICROS)))
    there.when(EnableKeyRotation(key_id())).then(begun)


def test_where_no_period_is_given_it_is_a_year_again() -> None:
    """API reference, EnableKeyRotation, RotationPeriodInDays: "If no value is specified, the default value is 365 days"."""
    there = given(a_key(), events.RotationEnabled(key_id(), 180, rfc3339(180 * DAY_MICROS)))
    there.world.deciding_at = 10 * DAY_MICROS
    there.when(EnableKeyRotation(key_id())).then(events.RotationEnabled(key_id(), 365, rfc3339(365 * DAY_MICROS)))


@pytest.mark.parametrize(
    "command", [EnableKeyRotation(key_id()), DisableKeyRotation(key_id()), RotateKeyOnDemand(key_id(), "aa" * 32, "f")]
)
@pytest.mark.parametrize("key", [a_key(**HMAC), a_key(**RSA)])
def test_a_state_is_reported_before_a_spec_and_an_origin(command: object, key: events.KeyCreated) -> None:
    """Operations on material that only imported keys have are the exception: developer guide, key-state, notes [8] and
    [9]."""
    given(key, events.KeyDisabled(key_id())).when(command).refused(KeyIsDisabled)
    leaving = events.DeletionScheduled(key_id(), 7, rfc3339(7 * DAY_MICROS))
    given(key, leaving).when(command).refused(InvalidKeyState)
    for each in (bring(), DeleteImportedKeyMaterial(key_id())):
        given(key, leaving).when(each).refused(UnsupportedOperation)
    given(external(), leaving).when(bring()).refused(InvalidKeyState)


@pytest.mark.parametrize("key", [a_key(**HMAC), a_key(**RSA), external()])
def test_only_symmetric_keys_with_material_of_our_own_rotate_by_themselves(key: events.KeyCreated) -> None:
    for command in (EnableKeyRotation(key_id()), DisableKeyRotation(key_id())):
        given(key).when(command).refused(UnsupportedOperation)


def test_a_rotation_makes_new_material_current_and_keeps_the_old() -> None:
    rotated = events.KeyRotated(key_id(), "aa" * 32, "aa" * 32, "ff", "ON_DEMAND", "")
    done = given(a_key()).when(RotateKeyOnDemand(key_id(), "aa" * 32, "ff")).then(rotated)
    key = the_key(given(a_key(), rotated))
    assert [each.id for each in key.materials] == [f"{1:064x}", "aa" * 32]
    assert key.current.id == "aa" * 32
    assert key.state is State.ENABLED
    old = key.material_of(f"{1:064x}"[:16])
    assert old is not None
    assert old.id == the_key(done).current.id
    assert key.material_of("77") is None
    assert given(a_key(), rotated).world.materials == {f"{1:064x}", "aa" * 32}


def test_rotations_on_demand_are_counted() -> None:
    """API reference, RotateKeyOnDemand: 25 times."""
    times = [
        events.KeyRotated(key_id(), f"{number:064x}", f"{number:064x}", "f", "ON_DEMAND", "") for number in range(2, 27)
    ]
    given(a_key(), *times[:24]).when(RotateKeyOnDemand(key_id(), "aa" * 32, "f")).then(
        events.KeyRotated(key_id(), "aa" * 32, "aa" * 32, "f", "ON_DEMAND", "")
    )
    given(a_key(), *times).when(RotateKeyOnDemand(key_id(), "aa" * 32, "f")).refused(LimitExceeded)


def test_an_automatic_rotation_that_is_near_keeps_one_on_demand_away() -> None:
    """API reference, ConflictException: within the next 20 minutes."""
    there = given(a_key(), events.RotationEnabled(key_id(), 90, rfc3339(90 * DAY_MICROS)))
    there.world.deciding_at = 90 * DAY_MICROS - 20 * 60 * 1_000_000
    there.when(RotateKeyOnDemand(key_id(), "aa" * 32, "f")).refused(RotationConflict)
    there.world.deciding_at -= 1
    assert there.when(RotateKeyOnDemand(key_id(), "aa" * 32, "f")).event is not None


def test_an_automatic_rotation_happens_when_it_is_due_and_not_before() -> None:
    enabled = events.RotationEnabled(key_id(), 90, rfc3339(90 * DAY_MICROS))
    there = given(a_key(), enabled)
    assert due_at(there, 90 * DAY_MICROS - 1) is None
    there.when(RotateKey(key_id(), "aa" * 32, "f")).refused(InvalidKeyState)
    assert due_at(there, 90 * DAY_MICROS) == Rotation(key_id())
    there.world.deciding_at = 90 * DAY_MICROS
    rotated = events.KeyRotated(key_id(), "aa" * 32, "aa" * 32, "f", "AUTOMATIC", rfc3339(180 * DAY_MICROS))
    there.when(RotateKey(key_id(), "aa" * 32, "f")).then(rotated)
    assert there.by == {"kind": "due", "rule": "due"}
    after = given(a_key(), enabled, rotated)
    assert due_at(after, 180 * DAY_MICROS - 1) is None
    assert due_at(after, 180 * DAY_MICROS) == Rotation(key_id())
    assert the_key(after).on_demand_rotations == 0


def test_a_disabled_key_is_not_rotated_and_catches_up_when_it_is_enabled() -> None:
    """API reference, GetKeyRotationStatus: the key is rotated at once, and every period from then on."""
    enabled = events.RotationEnabled(key_id(), 90, rfc3339(90 * DAY_MICROS))
    asleep = given(a_key(), enabled, events.KeyDisabled(key_id()))
    assert due_at(asleep, 400 * DAY_MICROS) is None
    awake = given(a_key(), enabled, events.KeyDisabled(key_id()), events.KeyEnabled(key_id()))
    assert due_at(awake, 400 * DAY_MICROS) == Rotation(key_id())
    awake.world.deciding_at = 400 * DAY_MICROS
    awake.when(RotateKey(key_id(), "aa" * 32, "f")).then(
        events.KeyRotated(key_id(), "aa" * 32, "aa" * 32, "f", "AUTOMATIC", rfc3339(490 * DAY_MICROS))
    )


def test_a_disabled_key_is_not_rotated_on_demand() -> None:
    asleep = given(a_key(), events.KeyDisabled(key_id()))
    asleep.when(RotateKeyOnDemand(key_id(), "aa" * 32, "f")).refused(KeyIsDisabled)
    asleep.when(EnableKeyRotation(key_id())).refused(KeyIsDisabled)


# -- imported material ----------------------------------------------------------------------------------------------


def test_a_key_without_material_waits_for_it_and_is_enabled_by_it() -> None:
    created = given().when(create_key(origin="EXTERNAL", material="", fingerprint="")).outcome
    assert created is not None
    assert isinstance(created.event, events.KeyCreated)
    waiting = given(external())
    assert the_key(waiting).state is State.PENDING_IMPORT
    imported = events.MaterialImported(key_id(), "m1", "row", "f", "", "", "", False, "Enabled")
    waiting.when(bring()).then(imported)
    key = the_key(given(external(), imported))
    assert (key.state, key.current.id, key.current.stored) == (State.ENABLED, "m1", "row")


def test_the_public_key_of_an_imported_pair_becomes_the_keys() -> None:
    pair = {"spec": "RSA_2048", "usage": "SIGN_VERIFY"}
    imported = events.MaterialImported(key_id(), "m1", "row", "f", "PUB", "", "", False, "Enabled")
    given(external(**pair)).when(bring(made={"public_key": "PUB"})).then(imported)
    assert the_key(given(external(**pair), imported)).public_key == "PUB"


def test_the_same_material_comes_again_and_its_old_row_goes() -> None:
    again = events.MaterialImported(key_id(), "m1", "row", "f", "", rfc3339(2 * DAY_MICROS), "", False, "Enabled")
    there = given(external(), came("m1"))
    there.when(bring(expiration_model=EXPIRES, valid_to=2 * DAY_MICROS)).then(again)
    after = given(external(), came("m1"), again)
    assert after.world.materials == {"row"}
    assert list(after.world.destroyed) == ["row-m1"]
    assert the_key(after).current.expires == 2 * DAY_MICROS


def test_the_last_record_says_which_material_it_removed_from_the_vault() -> None:
    """Material that is imported again has a row of its own. The old row has the same bytes, and has to go as well."""
    deleted = events.MaterialDeleted(key_id(), "m1", "row", "PendingImport")
    expired = events.MaterialExpired(key_id(), "m1", "row", "PendingImport")
    gone = events.KeyDeleted(key_id(), ACCOUNT, [], [], ["row"])
    again = (external(), came("m1"), came("m1", stored="row"))
    assert given(*again[:2]).world.removed == ()
    assert given(*again).world.removed == ("row-m1",)
    for last in (deleted, expired, gone):
        assert given(*again, last).world.removed == ("row",)
        assert given(*again, last, a_key(2)).world.removed == ()


def test_destroyed_material_is_remembered_for_two_hours_whatever_happens_then() -> None:
    """A writer's sweep leaves alone what is remembered."""
    world = given(external(), came("m1"), came("m1", stored="row")).world
    (at,) = world.destroyed.values()
    for later, known in ((DESTROYED_WINDOW, ["row-m1"]), (DESTROYED_WINDOW + 1, [])):
        world.fold(world.position + 1, Record("", 0, at + later, "w", 0, None, None, events.ClockRead("w")))
        assert list(world.destroyed) == known


@pytest.mark.parametrize("spec", [{}, HMAC, {"spec": "RSA_2048", "usage": "SIGN_VERIFY"}])
def test_other_material_is_refused(spec: dict[str, str]) -> None:
    """API reference, ImportKeyMaterial: new material of a symmetric key has to be declared as new."""
    given(external(**spec), came("m1")).when(bring("m2")).refused(IncorrectKeyMaterial)


def test_new_material_of_a_symmetric_key_waits_for_a_rotation() -> None:
    there = given(external(), came("m1"))
    waiting = events.MaterialImported(key_id(), "m2", "row", "f", "", "", "second", True, "Enabled")
    there.when(bring("m2", import_type=NEW, description="second")).then(waiting)
    after = given(external(), came("m1"), waiting)
    assert the_key(after).current.id == "m1"
    rotated = events.KeyRotated(key_id(), "m2", "row", "f", "ON_DEMAND", "")
    after.when(RotateKeyOnDemand(key_id(), "unused", "unused")).then(rotated)
    done = the_key(given(external(), came("m1"), waiting, rotated))
    assert (done.current.id, done.current.description, done.pending) == ("m2", "second", None)
    assert [each.id for each in done.materials] == ["m1", "m2"]
    given(external(), came("m1")).when(RotateKeyOnDemand(key_id(), "unused", "unused")).refused(InvalidKeyState)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (bring("m1", import_type=NEW), IncorrectKeyMaterial),
        (bring("m3", import_type=NEW), InvalidKeyState),
        (bring("m3", import_type=EXISTING), IncorrectKeyMaterial),
        (bring("m1", material="m2"), IncorrectKeyMaterial),
        (bring("m3", material="m3", import_type=NEW), InvalidRequest),
        (bring(expiration_model=EXPIRES), InvalidRequest),
        (bring(expiration_model=EXPIRES, valid_to=0), InvalidRequest),
        (bring(expiration_model=EXPIRES, valid_to=366 * DAY_MICROS), InvalidRequest),
        (bring(valid_to=DAY_MICROS), InvalidRequest),
        (bring(made={"key": key_id(2)}), InvalidImportToken),
        (bring(made={"expires": "0"}), ExpiredImportToken),
        (bring(made={"fault": InvalidCiphertext.kind, "message": ""}), InvalidCiphertext),
        (bring(made={"key": key_id(2), "fault": InvalidCiphertext.kind, "message": ""}), InvalidImportToken),
    ],
)
def test_material_that_is_not_taken(command: ImportKeyMaterial, refusal: type) -> None:
    given(external(), came("m1"), came("m2", pending=True)).when(command).refused(refusal)


@pytest.mark.parametrize("field", [{"import_type": NEW}, {"material": "m1"}, {"description": "x"}])
def test_names_of_material_are_for_symmetric_keys(field: dict[str, str]) -> None:
    given(external(**HMAC)).when(bring(**field)).refused(InvalidRequest)


def test_a_key_with_generated_material_accepts_no_import() -> None:
    given(a_key()).when(bring()).refused(UnsupportedOperation)
    given(a_key()).when(DeleteImportedKeyMaterial(key_id())).refused(UnsupportedOperation)


def test_deleted_material_leaves_the_key_waiting_for_the_same() -> None:
    deleted = events.MaterialDeleted(key_id(), "m1", "row-m1", "PendingImport")
    there = given(external(), came("m1"))
    there.when(DeleteImportedKeyMaterial(key_id())).then(deleted)
    after = given(external(), came("m1"), deleted)
    assert the_key(after).state is State.PENDING_IMPORT
    assert (after.world.materials, list(after.world.destroyed)) == (set(), ["row-m1"])
    after.when(bring("m2")).refused(IncorrectKeyMaterial)
    after.when(DeleteImportedKeyMaterial(key_id())).then(events.MaterialDeleted(key_id(), "m1", "", "PendingImport"))
    back = events.MaterialImported(key_id(), "m1", "row", "f", "", "", "", False, "Enabled")
    after.when(bring("m1")).then(back)
    assert the_key(given(external(), came("m1"), deleted, back)).state is State.ENABLED


def test_every_material_that_was_current_has_to_be_there() -> None:
    """API reference, ImportKeyMaterial: a symmetric key needs all of its key materials."""
    rotated = events.KeyRotated(key_id(), "m2", "row-m2", "f", "ON_DEMAND", "")
    both = (external(), came("m1"), came("m2", pending=True), rotated)
    gone = events.MaterialDeleted(key_id(), "m1", "row-m1", "PendingImport")
    given(*both).when(DeleteImportedKeyMaterial(key_id(), "m1")).then(gone)
    assert the_key(given(*both, gone)).state is State.PENDING_IMPORT
    assert the_key(given(*both, gone, came("m1"))).state is State.ENABLED
    given(*both).when(DeleteImportedKeyMaterial(key_id(), "m3")).refused(KeyNotFound)


def test_material_that_waits_for_a_rotation_is_not_missed() -> None:
    there = (external(), came("m1"), came("m2", pending=True))
    gone = events.MaterialDeleted(key_id(), "m2", "row-m2", "Enabled")
    given(*there).when(DeleteImportedKeyMaterial(key_id(), "m2")).then(gone)
    assert [each.id for each in the_key(given(*there, gone)).materials] == ["m1"]


def test_a_key_pair_is_the_same_whichever_way_its_private_key_is_written() -> None:
    """The id that the API gives follows from the bytes; DER writes one RSA key in several ways."""
    first = events.MaterialImported(key_id(), "m1", "row-m1", "f", "AA==", "", "", False, "Enabled")
    gone = events.MaterialDeleted(key_id(), "m1", "row-m1", "PendingImport")
    there = given(external(**{**RSA, "public_key": ""}), first, gone)
    again = bring("m2", made={"public_key": "AA==", "fingerprint": "g"})
    there.when(again).then(events.MaterialImported(key_id(), "m1", "row", "g", "AA==", "", "", False, "Enabled"))
    there.when(bring("m2", made={"public_key": "BB=="})).refused(IncorrectKeyMaterial)
    held = given(external(**{**RSA, "public_key": ""}), first)
    held.when(again).then(events.MaterialImported(key_id(), "m1", "row", "g", "AA==", "", "", False, "Enabled"))
    given(external(), came("m1")).when(bring("m2", import_type=EXISTING)).refused(IncorrectKeyMaterial)


def test_material_expires_when_it_is_due() -> None:
    there = given(external(), came("m1", rfc3339(5 * DAY_MICROS)))
    assert due_at(there, 5 * DAY_MICROS - 1) is None
    there.when(ExpireMaterial(key_id(), "m1")).refused(InvalidKeyState)
    assert due_at(there, 5 * DAY_MICROS) == Expiry(key_id(), "m1")
    there.world.deciding_at = 5 * DAY_MICROS
    expired = events.MaterialExpired(key_id(), "m1", "row-m1", "PendingImport")
    there.when(ExpireMaterial(key_id(), "m1")).then(expired)
    after = given(external(), came("m1", rfc3339(5 * DAY_MICROS)), expired)
    assert due_at(after, 50 * DAY_MICROS) is None
    assert the_key(after).state is State.PENDING_IMPORT


def test_material_is_not_used_after_its_end_whether_or_not_that_is_recorded() -> None:
    """API reference, ImportKeyMaterial, ValidTo: "When this material expires, KMS deletes it and the KMS key becomes unusable." No
    writer may lead then, or its clock may differ from the broker's."""
    end = 5 * DAY_MICROS
    usable = given(external(), came("m1", rfc3339(end)))
    key = the_key(usable)
    assert [key.state, key.state_at(end - 1), key.state_at(end)] == [State.ENABLED, State.ENABLED, State.PENDING_IMPORT]
    usable.world.deciding_at = end - 1
    usable.when(EnableKey(key_id())).then(events.KeyEnabled(key_id()))
    ended = given(external(), came("m1", rfc3339(end)))
    ended.world.deciding_at = end
    ended.when(EnableKey(key_id())).refused(InvalidKeyState)
    ended.when(DisableKey(key_id())).refused(InvalidKeyState)
    ended.when(RotateKeyOnDemand(key_id(), "", "")).refused(InvalidKeyState)
    ended.when(CreateGrant(key_id(), "g", "", [f"arn:aws:iam::{ACCOUNT}:root"], [], ["Encrypt"], {}, False)).refused(
        InvalidKeyState
    )
    forever = the_key(given(external(), came("m1")))
    assert forever.state_at(10**18) is State.ENABLED
    doomed = the_key(given(external(), came("m1", rfc3339(end)), scheduled(30)))
    assert doomed.state_at(end) is State.PENDING_DELETION
    older = the_key(given(external(), came("m1", rfc3339(end)), came("m2", pending=True), turned("m2")))
    assert older.state_at(end) is State.PENDING_IMPORT, "what it encrypted before cannot be decrypted"


def test_material_that_waits_for_a_rotation_is_not_turned_to_after_its_end() -> None:
    end = 5 * DAY_MICROS
    there = given(external(), came("m1"), came("m2", rfc3339(end), pending=True))
    there.world.deciding_at = end
    assert the_key(there).state_at(end) is State.ENABLED, "what encrypts is there"
    there.when(RotateKeyOnDemand(key_id(), "", "")).refused(
        InvalidKeyState, f"No available key material pending rotation for the key: {arn()}."
    )
    before = given(external(), came("m1"), came("m2", rfc3339(end), pending=True))
    before.world.deciding_at = end - 1
    before.when(RotateKeyOnDemand(key_id(), "", "")).then(turned("m2"))


# -- deletion -------------------------------------------------------------------------------------------------------


def scheduled(days: int = 7) -> events.DeletionScheduled:
    return events.DeletionScheduled(key_id(), days, rfc3339(days * DAY_MICROS))


def test_a_deletion_is_scheduled_and_cancelled() -> None:
    there = given(a_key())
    there.when(ScheduleKeyDeletion(key_id(), 7)).then(
        events.DeletionScheduled(key_id(), 7, rfc3339(there.world.now + 7 * DAY_MICROS))
    )
    there.when(ScheduleKeyDeletion(key_id(), 6)).refused(InvalidRequest)
    there.when(ScheduleKeyDeletion(key_id(), 31)).refused(InvalidRequest)
    there.when(CancelKeyDeletion(key_id())).refused(InvalidKeyState)
    doomed = given(a_key(), scheduled())
    assert the_key(doomed).state is State.PENDING_DELETION
    doomed.when(ScheduleKeyDeletion(key_id(), 7)).refused(InvalidKeyState)
    cancelled = events.DeletionCancelled(key_id(), "Disabled")
    doomed.when(CancelKeyDeletion(key_id())).then(cancelled)
    saved = given(a_key(), scheduled(), cancelled)
    assert the_key(saved).state is State.DISABLED
    assert due_at(saved, 100 * DAY_MICROS) is None
    saved.when(EnableKey(key_id())).then(events.KeyEnabled(key_id()))


def test_rotation_rests_while_a_key_is_pending_deletion_and_goes_on_after() -> None:
    enabled = events.RotationEnabled(key_id(), 90, rfc3339(90 * DAY_MICROS))
    doomed = given(a_key(), enabled, scheduled(30))
    assert due_at(doomed, 10 * DAY_MICROS) is None
    cancelled = events.DeletionCancelled(key_id(), "Disabled")
    back = given(a_key(), enabled, scheduled(30), cancelled, events.KeyEnabled(key_id()))
    assert due_at(back, 90 * DAY_MICROS) == Rotation(key_id())


def test_imported_material_that_goes_meanwhile_is_waited_for_after_a_cancellation() -> None:
    gone = events.MaterialDeleted(key_id(), "m1", "row-m1", "PendingDeletion")
    doomed = given(external(), came("m1"), scheduled())
    doomed.when(DeleteImportedKeyMaterial(key_id())).then(gone)
    given(external(), came("m1"), scheduled(), gone).when(CancelKeyDeletion(key_id())).then(
        events.DeletionCancelled(key_id(), "PendingImport")
    )


def test_a_key_is_deleted_when_it_is_due_with_all_that_refers_to_it() -> None:
    grant = events.GrantCreated(
        key_id(), "g1", "", "arn:aws:iam::444455556666:root", "444455556666", "arn:aws:iam::444455556666:root",
        "444455556666", ["Decrypt"], {}, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", "",
    )  # fmt: skip
    alias = events.AliasCreated(ACCOUNT, "alias/a", key_id())
    rotated = events.KeyRotated(key_id(), "aa" * 32, "aa" * 32, "f", "ON_DEMAND", "")
    there = (a_key(), a_key(2), alias, grant, rotated, scheduled())
    doomed = given(*there)
    assert due_at(doomed, 7 * DAY_MICROS - 1) is None
    doomed.when(DeleteKey(key_id())).refused(InvalidKeyState)
    assert due_at(doomed, 7 * DAY_MICROS) == Deletion(key_id())
    doomed.world.deciding_at = 7 * DAY_MICROS
    deleted = events.KeyDeleted(key_id(), ACCOUNT, ["alias/a"], ["g1"], [f"{1:064x}", "aa" * 32])
    doomed.when(DeleteKey(key_id())).then(deleted)
    world = given(*there, deleted).world
    assert list(world.keys) == [key_id(2)]
    assert world.key_ids(ACCOUNT) == [key_id(2)]
    assert not world.aliases
    assert not world.grants
    assert not world.grant_index.by_grantee
    assert not world.retirable_by("444455556666")
    assert world.materials == {f"{2:064x}"}
    assert set(world.destroyed) == {f"{1:064x}", "aa" * 32}
    given(*there, deleted).when(EnableKey(key_id())).refused(KeyNotFound)
    given(*there, deleted).when(CreateAlias("alias/a", key_id(2))).then(
        events.AliasCreated(ACCOUNT, "alias/a", key_id(2))
    )


def test_the_agenda_follows_what_happens() -> None:
    there = given(a_key(), scheduled(7))
    agenda = Agenda(there.world)
    there.world.apply(events.DeletionCancelled(key_id(), "Disabled"))
    agenda.note(key_id())
    assert agenda.due(8 * DAY_MICROS) is None
    there.world.apply(scheduled(9))
    agenda.note(key_id())
    assert agenda.due(8 * DAY_MICROS) is None
    assert agenda.due(9 * DAY_MICROS) == Deletion(key_id())


def test_the_agenda_says_since_when_work_waits() -> None:
    agenda = Agenda(given(a_key(1), a_key(2), scheduled(7), replace(scheduled(9), key=key_id(2))).world)
    since = [agenda.waiting_since]
    for number in (1, 2):
        assert agenda.due(10 * DAY_MICROS) == Deletion(key_id(number))
        agenda.set_aside()
        since.append(agenda.waiting_since)
    agenda.take_up()
    assert [*since, agenda.waiting_since] == [None, 7 * DAY_MICROS, 7 * DAY_MICROS, None]


# -- limits ---------------------------------------------------------------------------------------------------------


def test_an_account_has_a_limited_number_of_keys_of_its_own() -> None:
    """A key that a service manages for the account does not count."""
    managed = a_key(3, manager="s3.amazonaws.com", alias="alias/aws/s3")
    there = given(a_key(1), managed)
    there.world.limits = Limits(keys=1)
    there.when(create_key()).refused(LimitExceeded)
    there.world.limits = Limits(keys=2)
    assert isinstance(there.when(create_key()).event, events.KeyCreated)


def test_a_key_has_a_limited_number_of_aliases() -> None:
    one = events.AliasCreated(ACCOUNT, "alias/a", key_id(1))
    other = events.AliasCreated(ACCOUNT, "alias/b", key_id(2))
    there = given(a_key(1), a_key(2), one, other)
    there.world.limits = Limits(aliases=1)
    there.when(CreateAlias("alias/c", key_id(1))).refused(LimitExceeded)
    there.when(UpdateAlias("alias/b", key_id(1))).refused(LimitExceeded)
    there.when(UpdateAlias("alias/b", key_id(2))).then(events.AliasMoved(ACCOUNT, "alias/b", key_id(2), key_id(2)))


def test_a_key_that_was_is_found_by_its_own_arn_alone() -> None:
    gone = events.KeyDeleted(key_id(), ACCOUNT, [], [], [])
    world = given(a_key(), events.DeletionScheduled(key_id(), 7, rfc3339(7 * DAY_MICROS)), gone).world
    assert world.once(arn(), ACCOUNT) == world.once(key_id(), ACCOUNT) == (key_id(), ACCOUNT)
    for elsewhere in (arn().replace("arn:aws:", "arn:aws-cn:"), arn().replace("us-east-1", "eu-west-1")):
        with pytest.raises(KeyNotFound):
            world.once(elsewhere, ACCOUNT)

"""Every cell of the key-state table does what it says, and says what the developer guide's table says.

A new row of the table is tried as it stands there; a new operation that changes a key needs its sample in CHANGING.
"""

from __future__ import annotations

import pytest

from domain.commands import (
    aliases,
    change_key,
    delete_key,
    grants,
    import_material,
    put_key_policy,
    rotate_key,
    tag_key,
)
from domain.crypto.uses import USES
from domain.durations import DAY_MICROS
from domain.errors import InvalidKeyState, KeyIsDisabled, UnsupportedOperation
from domain.keys.states import TABLE, Cell, State, require_state
from domain.log import events
from domain.policy.default import default_key_policy
from services.operations.rows import Changing
from services.operations.table import OPERATIONS
from tests.given import ACCOUNT, ROOT, a_key, arn, given, key_id

# Developer guide, key-state: the cells of the operations that Keytrail has, in the guide's notation. Its "?" cells
# depend on origin and spec alone, so for the state they are Y. In 2023, pending import was N/A for the asymmetric and
# HMAC operations; now that material of every kind can be imported, it is [5]. The rows below the line belong to
# operations that are newer than the guide (see states.py).
GUIDE = """
CancelKeyDeletion                    X[4] X[4] Y    X[4]
CreateAlias                          Y    Y    X[3] Y
CreateGrant                          Y    X[1] X[3] X[5]
Decrypt                              Y    X[1] X[3] X[5]
DeleteAlias                          Y    Y    Y    Y
DeleteImportedKeyMaterial            Y    Y    Y    Y
DescribeKey                          Y    Y    Y    Y
DisableKey                           Y    Y    X[3] X[5]
DisableKeyRotation                   Y    X[1] X[3] X[6]
EnableKey                            Y    Y    X[3] X[5]
EnableKeyRotation                    Y    X[1] X[3] X[6]
Encrypt                              Y    X[1] X[3] X[5]
GenerateDataKey                      Y    X[1] X[3] X[5]
GenerateDataKeyPair                  Y    X[1] X[3] X[5]
GenerateDataKeyPairWithoutPlaintext  Y    X[1] X[3] X[5]
GenerateDataKeyWithoutPlaintext      Y    X[1] X[3] X[5]
GenerateMac                          Y    X[1] X[3] X[5]
GetKeyPolicy                         Y    Y    Y    Y
GetKeyRotationStatus                 Y    Y    Y    X[6]
GetParametersForImport               Y    Y    X[3] Y
GetPublicKey                         Y    X[1] X[3] X[5]
ImportKeyMaterial                    Y    Y    X[3] Y
ListAliases                          Y    Y    Y    Y
ListGrants                           Y    Y    Y    Y
ListKeyPolicies                      Y    Y    Y    Y
ListResourceTags                     Y    Y    Y    Y
PutKeyPolicy                         Y    Y    Y    Y
ReEncrypt                            Y    X[1] X[3] X[5]
RetireGrant                          Y    Y    Y    Y
RevokeGrant                          Y    Y    Y    Y
ScheduleKeyDeletion                  Y    Y    X[3] Y
Sign                                 Y    X[1] X[3] X[5]
TagResource                          Y    Y    X[3] Y
UntagResource                        Y    Y    X[3] Y
UpdateAlias                          Y    Y    X[3] Y
UpdateKeyDescription                 Y    Y    X[3] Y
Verify                               Y    X[1] X[3] X[5]
VerifyMac                            Y    X[1] X[3] X[5]

Decapsulate                          Y    X[1] X[3] X[5]
DeriveSharedSecret                   Y    X[1] X[3] X[5]
Encapsulate                          Y    X[1] X[3] X[5]
GetKeyLastUsage                      Y    Y    Y    Y
ListKeyRotations                     Y    Y    Y    Y
RotateKeyOnDemand                    Y    X[1] X[3] X[5]
"""
ROWS = {name: cells for name, *cells in (line.split() for line in GUIDE.splitlines() if line)}
REFUSALS = {
    "X[1]": (KeyIsDisabled, f"{arn()} is disabled."),
    "X[3]": (InvalidKeyState, f"{arn()} is pending deletion."),
    "X[4]": (InvalidKeyState, f"{arn()} is not pending deletion."),
    "X[5]": (InvalidKeyState, f"{arn()} is pending import."),
    "X[6]": (UnsupportedOperation, f"{arn()} origin is EXTERNAL which is not valid for this operation."),
}
NOTES = {
    Cell.OK: "Y",
    Cell.DISABLED: "X[1]",
    Cell.PENDING_DELETION: "X[3]",
    Cell.NOT_PENDING: "X[4]",
    Cell.PENDING_IMPORT: "X[5]",
    Cell.EXTERNAL: "X[6]",
}
CELLS = [(name, state, NOTES[cell]) for name, cells in TABLE.items() for state, cell in cells.items()]


@pytest.mark.parametrize("operation", ROWS)
def test_a_row_is_that_of_the_developer_guide(operation: str) -> None:
    assert [NOTES[cell] for cell in TABLE[operation].values()] == ROWS[operation]


def test_every_operation_that_uses_a_key_is_allowed_in_the_states_in_which_encrypt_is() -> None:
    assert {name: TABLE[name] for name in USES} == dict.fromkeys(USES, TABLE["Encrypt"])


@pytest.mark.parametrize(("operation", "state", "cell"), CELLS)
def test_a_cell(operation: str, state: State, cell: str) -> None:
    if cell == "Y":
        require_state(operation, arn(), state)
        return
    refusal, message = REFUSALS[cell]
    with pytest.raises(refusal) as refused:
        require_state(operation, arn(), state)
    assert refused.value.message == message


# -- the same cells by the commands themselves ------------------------------------------------------------------------

OURS = (a_key(),)
THEIRS = (
    a_key(origin="EXTERNAL", material="", fingerprint=""),
    events.MaterialImported(key_id(), "m1", "row", "f", "", "", "", False, "Enabled"),
)
STATES: dict[State, tuple[object, ...]] = {
    State.ENABLED: (),
    State.DISABLED: (events.KeyDisabled(key_id()),),
    State.PENDING_DELETION: (events.DeletionScheduled(key_id(), 7, "2030-01-01T00:00:00.000000Z"),),
    State.PENDING_IMPORT: (events.MaterialDeleted(key_id(), "m1", "row", "PendingImport"),),
}
MADE = {
    "key": key_id(),
    "expires": str(DAY_MICROS),
    "material": "m1",
    "stored": "r2",
    "fingerprint": "f",
    "public_key": "",
}
ALIAS = events.AliasCreated(ACCOUNT, "alias/a", key_id())
GRANT = events.GrantCreated(
    key_id(), "g1", "", ROOT.principal, ACCOUNT, ROOT.principal, ACCOUNT, ["Decrypt"], {}, ACCOUNT, ROOT.principal, ""
)
CHANGING: dict[str, tuple[object, tuple[object, ...]]] = {
    "CancelKeyDeletion": (delete_key.CancelKeyDeletion(key_id()), OURS),
    "CreateAlias": (aliases.CreateAlias("alias/b", key_id()), OURS),
    "CreateGrant": (grants.CreateGrant(key_id(), "g2", "", [ROOT.principal], [], ["Decrypt"], {}, False), OURS),
    "DeleteAlias": (aliases.DeleteAlias("alias/a"), OURS),
    "DeleteImportedKeyMaterial": (import_material.DeleteImportedKeyMaterial(key_id()), THEIRS),
    "DisableKey": (change_key.DisableKey(key_id()), OURS),
    "DisableKeyRotation": (rotate_key.DisableKeyRotation(key_id()), OURS),
    "EnableKey": (change_key.EnableKey(key_id()), OURS),
    "EnableKeyRotation": (rotate_key.EnableKeyRotation(key_id()), OURS),
    "ImportKeyMaterial": (
        import_material.ImportKeyMaterial(key_id(), import_material.DOES_NOT_EXPIRE, None, "", "", None, MADE),
        THEIRS,
    ),
    "PutKeyPolicy": (put_key_policy.PutKeyPolicy(key_id(), default_key_policy(ACCOUNT)), OURS),
    "RetireGrant": (grants.RetireGrant(key_id(), "g1", False), OURS),
    "RevokeGrant": (grants.RevokeGrant(key_id(), "g1", False), OURS),
    "RotateKeyOnDemand": (rotate_key.RotateKeyOnDemand(key_id(), "aa" * 32, "f"), OURS),
    "ScheduleKeyDeletion": (delete_key.ScheduleKeyDeletion(key_id()), OURS),
    "TagResource": (tag_key.TagResource(key_id(), [("a", "b")]), OURS),
    "UntagResource": (tag_key.UntagResource(key_id(), ["a"]), OURS),
    "UpdateAlias": (aliases.UpdateAlias("alias/a", key_id()), OURS),
    "UpdateKeyDescription": (change_key.UpdateKeyDescription(key_id(), "d"), OURS),
}


def test_every_operation_that_changes_a_key_is_here() -> None:
    others = {"CreateKey"}
    assert set(CHANGING) == {name for name, row in OPERATIONS.items() if isinstance(row, Changing)} - others


@pytest.mark.parametrize(("operation", "state", "cell"), [each for each in CELLS if each[0] in CHANGING])
def test_a_command_does_as_its_cell_says(operation: str, state: State, cell: str) -> None:
    command, key = CHANGING[operation]
    there = given(*(THEIRS if state is State.PENDING_IMPORT else key), ALIAS, GRANT, *STATES[state])
    assert there.world.keys[key_id()].state is state
    there.when(command)
    if cell == "Y":
        assert there.outcome is not None
        assert there.outcome.event is not None, there.outcome.decision.error
    else:
        there.refused(REFUSALS[cell][0], REFUSALS[cell][1])


@pytest.mark.parametrize("state", [State.ENABLED, State.DISABLED, State.PENDING_DELETION])
def test_a_key_that_takes_no_material_says_so_in_every_state(state: State) -> None:
    """Developer guide, key-state, ImportKeyMaterial: [8], the state, is of keys with imported material; others are [9]."""
    command, _ = CHANGING["ImportKeyMaterial"]
    there = given(*OURS, *STATES[state])
    there.when(command).refused(
        UnsupportedOperation, f"{arn()} origin is AWS_KMS which is not valid for this operation."
    )

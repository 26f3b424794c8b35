"""Every cell of the key-state table, against the developer guide's as it stands in this file."""

from __future__ import annotations

import pytest

from domain.errors import InvalidKeyState, KeyDisabled, UnsupportedOperation
from domain.keys.states import TABLE, State, require_state
from tests.given import arn

# Developer guide, key-state: the cells of the operations that are built, in its own notation.
# Its "?" cells depend on origin and spec alone: as a matter of state they are Y.
# Pending import of the asymmetric and HMAC operations was N/A in 2023; since material of every kind can be imported it
# is [5]. The rows below the line are of operations that are younger than the guide (see states.py).
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
    "X[1]": (KeyDisabled, f"{arn()} is disabled."),
    "X[3]": (InvalidKeyState, f"{arn()} is pending deletion."),
    "X[4]": (InvalidKeyState, f"{arn()} is not pending deletion."),
    "X[5]": (InvalidKeyState, f"{arn()} is pending import."),
    "X[6]": (UnsupportedOperation, f"{arn()} origin is EXTERNAL which is not valid for this operation."),
}
CELLS = [(name, state, cell) for name, cells in ROWS.items() for state, cell in zip(State, cells, strict=True)]


def test_the_table_has_a_row_for_every_row_here() -> None:
    assert set(TABLE) == set(ROWS)


@pytest.mark.parametrize(("operation", "state", "cell"), CELLS)
def test_a_cell(operation: str, state: State, cell: str) -> None:
    if cell == "Y":
        require_state(operation, arn(), state)
        return
    refusal, message = REFUSALS[cell]
    with pytest.raises(refusal) as refused:
        require_state(operation, arn(), state)
    assert refused.value.message == message

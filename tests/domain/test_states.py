"""Every cell of the key-state table, against the developer guide's as it stands in this file."""

from __future__ import annotations

import pytest

from domain.errors import InvalidKeyState, KeyDisabled
from domain.keys.states import TABLE, State, require_state
from tests.given import arn

# Developer guide, key-state: the cells of the operations that are built, in its own notation.
# GetKeyRotationStatus is "? [7]" there: a key that cannot rotate answers that it does not.
# Pending import of the asymmetric operations was N/A in 2023; since material of every kind can be imported it is [5].
GUIDE = """
CancelKeyDeletion                X[4] X[4] Y    X[4]
CreateAlias                      Y    Y    X[3] Y
CreateGrant                      Y    X[1] X[3] X[5]
Decrypt                          Y    X[1] X[3] X[5]
DeleteAlias                      Y    Y    Y    Y
DescribeKey                      Y    Y    Y    Y
DisableKey                       Y    Y    X[3] X[5]
EnableKey                        Y    Y    X[3] X[5]
Encrypt                          Y    X[1] X[3] X[5]
GenerateDataKey                  Y    X[1] X[3] X[5]
GenerateDataKeyWithoutPlaintext  Y    X[1] X[3] X[5]
GetKeyPolicy                     Y    Y    Y    Y
GetKeyRotationStatus             Y    Y    Y    X[5]
GetPublicKey                     Y    X[1] X[3] X[5]
ListAliases                      Y    Y    Y    Y
ListGrants                       Y    Y    Y    Y
ListKeyPolicies                  Y    Y    Y    Y
ListResourceTags                 Y    Y    Y    Y
PutKeyPolicy                     Y    Y    Y    Y
ReEncrypt                        Y    X[1] X[3] X[5]
RetireGrant                      Y    Y    Y    Y
RevokeGrant                      Y    Y    Y    Y
Sign                             Y    X[1] X[3] X[5]
UpdateAlias                      Y    Y    X[3] Y
UpdateKeyDescription             Y    Y    X[3] Y
Verify                           Y    X[1] X[3] X[5]
"""
ROWS = {name: cells for name, *cells in (line.split() for line in GUIDE.strip().splitlines()) if name in TABLE}
REFUSALS = {
    "X[1]": (KeyDisabled, f"{arn()} is disabled."),
    "X[3]": (InvalidKeyState, f"{arn()} is pending deletion."),
    "X[5]": (InvalidKeyState, f"{arn()} is pending import."),
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

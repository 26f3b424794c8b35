"""Which operation is allowed in which key state. Everything that depends on a key's state is a row here.

Source: KMS developer guide, key-state (the words below have the numbers of its notes).
`ok`: allowed; `disabled`: DisabledException [1]; `pending`: KMSInvalidStateException, pending deletion [3]; `import`:
KMSInvalidStateException, pending import [5]; `not-pending`: KMSInvalidStateException, not pending [4]; `external`:
UnsupportedOperationException, the origin is EXTERNAL [6].

For a key that is pending deletion the guide allows "[2] or [3]". This table has [3], which names the state.
The guide's [7] and [9] depend on the key's origin and spec, not on its state. The operations check [7] after the state,
and [9] before it, since a key that takes no material gives this answer in every state.

Some operations are newer than the guide's table. Those that use a key have the row of Encrypt. GetKeyLastUsage and
ListKeyRotations have the row of the other lists. RotateKeyOnDemand has the row of EnableKeyRotation, except that a key
pending import has no material to rotate yet [5].
States that a key cannot reach here (Creating, Updating, Unavailable: multi-Region and custom key stores) have no
column.
"""

from __future__ import annotations

from enum import Enum

from domain.crypto.uses import permissions_of
from domain.errors import InvalidKeyState, KeyIsDisabled, Refusal, UnsupportedOperation


class State(Enum):
    """KeyState in the API's spelling."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"


class Cell(Enum):
    """What happens to an operation in a state. The module's docstring says what each word means."""

    OK = "ok"
    DISABLED = "disabled"
    PENDING_DELETION = "pending"
    PENDING_IMPORT = "import"
    NOT_PENDING = "not-pending"
    EXTERNAL = "external"


def _table(text: str) -> dict[str, dict[State, Cell]]:
    rows = (line.split() for line in text.strip().splitlines())
    return {operation: dict(zip(State, map(Cell, cells), strict=True)) for operation, *cells in rows}


#                                        Enabled Disabled PendingDeletion PendingImport
TABLE = _table("""
    CancelKeyDeletion                    not-pending not-pending ok       not-pending
    CreateAlias                          ok      ok       pending         ok
    CreateGrant                          ok      disabled pending         import
    Decapsulate                          ok      disabled pending         import
    Decrypt                              ok      disabled pending         import
    DeleteAlias                          ok      ok       ok              ok
    DeleteImportedKeyMaterial            ok      ok       ok              ok
    DeriveSharedSecret                   ok      disabled pending         import
    DescribeKey                          ok      ok       ok              ok
    DisableKey                           ok      ok       pending         import
    DisableKeyRotation                   ok      disabled pending         external
    EnableKey                            ok      ok       pending         import
    EnableKeyRotation                    ok      disabled pending         external
    Encapsulate                          ok      disabled pending         import
    Encrypt                              ok      disabled pending         import
    GenerateDataKey                      ok      disabled pending         import
    GenerateDataKeyPair                  ok      disabled pending         import
    GenerateDataKeyPairWithoutPlaintext  ok      disabled pending         import
    GenerateDataKeyWithoutPlaintext      ok      disabled pending         import
    GenerateMac                          ok      disabled pending         import
    GetKeyLastUsage                      ok      ok       ok              ok
    GetKeyPolicy                         ok      ok       ok              ok
    GetKeyRotationStatus                 ok      ok       ok              external
    GetParametersForImport               ok      ok       pending         ok
    GetPublicKey                         ok      disabled pending         import
    ImportKeyMaterial                    ok      ok       pending         ok
    ListAliases                          ok      ok       ok              ok
    ListGrants                           ok      ok       ok              ok
    ListKeyPolicies                      ok      ok       ok              ok
    ListKeyRotations                     ok      ok       ok              ok
    ListResourceTags                     ok      ok       ok              ok
    PutKeyPolicy                         ok      ok       ok              ok
    ReEncrypt                            ok      disabled pending         import
    RetireGrant                          ok      ok       ok              ok
    RevokeGrant                          ok      ok       ok              ok
    RotateKeyOnDemand                    ok      disabled pending         import
    ScheduleKeyDeletion                  ok      ok       pending         ok
    Sign                                 ok      disabled pending         import
    TagResource                          ok      ok       pending         ok
    UntagResource                        ok      ok       pending         ok
    UpdateAlias                          ok      ok       pending         ok
    UpdateKeyDescription                 ok      ok       pending         ok
    Verify                               ok      disabled pending         import
    VerifyMac                            ok      disabled pending         import
""")

_REFUSALS: dict[Cell, tuple[type[Refusal], str]] = {
    Cell.DISABLED: (KeyIsDisabled, "{arn} is disabled."),
    Cell.PENDING_DELETION: (InvalidKeyState, "{arn} is pending deletion."),
    Cell.PENDING_IMPORT: (InvalidKeyState, "{arn} is pending import."),
    Cell.NOT_PENDING: (InvalidKeyState, "{arn} is not pending deletion."),
    Cell.EXTERNAL: (UnsupportedOperation, "{arn} origin is EXTERNAL which is not valid for this operation."),
}


def require_state(operation: str, arn: str, state: State) -> None:
    """Raises KeyIsDisabled, InvalidKeyState or UnsupportedOperation if the table does not allow the operation in this
    state.

    `tests/house` checks that every operation with a call to this function has a row.
    """
    cell = TABLE[operation][state]
    if cell is not Cell.OK:
        refusal, message = _REFUSALS[cell]
        raise refusal(message.format(arn=arn))


KEY_ACTIONS = sorted(f"kms:{name}" for name in permissions_of(*TABLE))
"""The actions that a key's policy decides."""

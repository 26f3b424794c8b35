"""What is said where the vault's keys of the transparency log are not as Keytrail left them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.transparency.notes import VerifierKey


def why_changed(numbers: Sequence[int]) -> str:
    rows = ", ".join(map(str, numbers))
    return (
        "When keys of the transparency log sign was changed by somebody else, or a key was removed (vault.tree_keys, number "
        f"{rows}). No checkpoint is signed. Find out who writes to the database. Then bring the rows back from a dump of the "
        "database, or run `keytrail log rotate-key`: it makes a new key and ends all others at once."
    )


def why_undone(key: str, every: Sequence[VerifierKey]) -> str:
    """`every`: the keys that the vault has."""
    has_key = any(each.text == key for each in every)
    mended = (
        "run `keytrail log rotate-key`, which takes the key into use again."
        if has_key
        else "bring its row back from a dump of the database: `keytrail backup` leaves these rows out. A new key (`keytrail log "
        "rotate-key`) does instead only if a key that is still there signed what is published."
    )
    return (
        f"The log names {key} as the key that signs checkpoints, and by the vault (vault.tree_keys) it does not: its rotation "
        f"was interrupted, or undone in the database. No checkpoint is signed. Find out who writes there; then {mended}"
    )


def why_all_gone(what: str) -> str:
    return (
        f"The vault has no key of the transparency log (vault.tree_keys), and {what}: a backup was restored, or the rows were "
        "removed. No checkpoint is signed, and no new key is made. After a restore, name an empty folder or another prefix in "
        "KEYTRAIL_TREE, and keep the former one for old proofs. If nobody restored anything, find out who writes to the "
        "database; then bring the rows back from a dump of it: `keytrail backup` leaves these rows out."
    )

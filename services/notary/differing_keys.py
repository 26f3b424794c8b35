"""What `verify` says of the transparency log's keys: of the vault's rows, and of the keys that signed what is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.durations import SECOND_MICROS
from domain.log.events import TreeKeyRotated
from domain.log.levels import FIRST
from domain.transparency.notes import NoteRefused, note_of
from services.adapters.tree_key_rows import TreeKeyRefused, TreeSecret, why_closed
from services.adapters.vault import Vault
from services.notary.publisher import CHECKPOINT, KEY
from services.notary.tree_key_faults import why_changed, why_undone
from services.notary.tree_keys import SIGNS_FOR, TreeKey, tree_key

LATE = int(2 * SIGNS_FOR * SECOND_MICROS)
"""Microseconds after which a notary at work surely goes by what the vault says."""


async def differing_keys(vault: Vault, rotations: Iterable[TreeKeyRotated], level: int) -> list[str]:
    """What the vault says of the keys otherwise than Keytrail left it, each in a sentence. `rotations` and `level`: of the log.
    Raises Unavailable."""
    try:
        secrets = await vault.tree_keys()
    except TreeKeyRefused as fault:
        return [str(fault)]
    found = [why_closed([each.number]) for each in secrets if not each.opens]
    if level > FIRST:
        found += [why_changed([each.number]) for each in secrets if each.opens and not each.is_ours]
    keys = _keys(secrets)
    # A log that was restored has the rotations of its predecessor's keys, which have another name.
    origins = {each.verifier.name for each in keys}
    named = [each.verifier_key for each in rotations if each.verifier_key.partition("+")[0] in origins]
    begun = {each.verifier.text for each in keys if each.since is not None}
    if named and named[-1] not in begun:
        found.append(why_undone(named[-1], [each.verifier for each in keys]))
    return found


async def differing_signers(vault: Vault, checkpoint: bytes | None, named: Sequence[str], at: int) -> list[str]:
    """The keys that should not have signed the published checkpoint or are named beside it, and the newest one if it should
    have. `named`: by the file `key`. `at`: the time of the checkpoint's batch, in microseconds, before which nobody signed it.
    Raises Unavailable."""
    try:
        keys = _keys(await vault.tree_keys())
        signatures = {} if checkpoint is None else {each.id: each.name for each in note_of(checkpoint).signatures}
    except (TreeKeyRefused, NoteRefused):  # others say so
        return []
    if checkpoint is None or not keys:
        return []
    found = []
    for each in keys:
        text, verifier = each.verifier.text, each.verifier
        has_signed = signatures.get(verifier.id) == verifier.name
        if each.since is None or (each.until is not None and each.until + LATE < at):
            if has_signed:
                found.append(
                    f"{text} signed the published {CHECKPOINT}, and by the vault it signs nothing at that time"
                )
            if text in named:
                found.append(f"the file {KEY} of the transparency log names {text}, and by the vault it signs nothing")
    begun = [each for each in keys if each.since is not None]
    if begun and (newest := begun[-1]).until is None and (newest.since or 0) + LATE < at:
        text, verifier = newest.verifier.text, newest.verifier
        if signatures.get(verifier.id) != verifier.name:
            found.append(f"{text} is the newest key, and did not sign the published {CHECKPOINT}")
        if text not in named:
            found.append(f"the file {KEY} of the transparency log does not name {text}, the newest key")
    return found


def _keys(secrets: Iterable[TreeSecret]) -> list[TreeKey]:
    return [tree_key(each, each.until, {}) for each in secrets if each.opens]

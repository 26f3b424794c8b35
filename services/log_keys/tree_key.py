"""A new key for the transparency log, while it goes on.

The new key is sealed in the vault first, and signs nothing. Then the writer records it as an event, so that the change is a leaf
of the tree which the former key signs. Only then it signs. A command that was interrupted is run again, and goes on with the key
that it finds; the log may then name that key twice.

The overlap is for keys that nobody touched. If somebody else wrote one of the rows, or the newest key that the log names has not
begun by them, all others end at once: each row may stand as it did before a rotation that ended its key. A rotation that is ended
late ends the former keys when it would have done so itself: the rows may have been put back to the middle of it.
"""

from __future__ import annotations

from domain.durations import DAY_MICROS
from domain.log.events import TreeKeyRotated
from domain.log.own_commands import ROTATE_TREE_KEY
from services.adapters import snapshots
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.adapters.vault import Vault
from services.adapters.writer_requests import NotYet, ask_writer, recorded
from services.notary.recorded_rotations import NamedKeys, RecordedRotations
from services.notary.tree_keys import TreeKey, TreeKeys, new_secret, require_others_key
from services.settings import Settings


async def rotate_tree_key(settings: Settings, pool: Pool, vault: Vault, records: VaultKeyring) -> TreeKeys:
    """Returns the keys. The newest is new: one of the vault, or the one that the settings name. `records` are those of records.
    Raises Unavailable, MasterKeyRefused, BadSetting, NotYet, AlreadyRotating."""
    async with vault.rotating(AdvisoryLock.ROTATE_TREE_KEY, "the transparency log's key"):
        rotations = RecordedRotations(settings, pool, records)
        keys = TreeKeys(settings, vault, rotations)
        are_ours = await keys.read_to_rotate()
        if not keys.all:
            raise NotYet("The transparency log has no key yet: its first one is made when a notary starts.")
        named = await rotations.named(keys.origin)
        # A rotation that was interrupted is ended first. A key that somebody put back is not taken into use by that.
        if not are_ours or not _is_interrupted(keys, named):
            if settings.tree_key and settings.tree_key == keys.all[0].arn:
                raise NotYet(
                    "KEYTRAIL_TREE_KEY names the key that signs already, and KMS does not rotate such keys: make another one, "
                    "and name that."
                )
            await require_others_key(settings, pool, records)
            await vault.add_tree_key(await new_secret(settings, keys.origin), keys.all[0].number + 1)
            are_ours = await keys.read_to_rotate() and are_ours
        new = keys.all[0]
        former = next((each for each in keys.all[1:] if each.since is not None), keys.all[1])
        at = await _recorded(settings, pool, records, new, former)
        has_begun = named.newest in ("", new.verifier.text, *(each.text for each in keys.own))
        overlap = int(settings.tree_key_overlap * DAY_MICROS)
        until = max(at, named.first.get(new.verifier.text, at) + overlap) if are_ours and has_begun else at
        await vault.use_tree_key(new.number, at, until)
        await keys.read()
        return keys


def _is_interrupted(keys: TreeKeys, named: NamedKeys) -> bool:
    """Whether the newest key waits for its rotation to be ended. It may also be one of an earlier time that somebody put back:
    then the log names a later one."""
    return keys.all[0].since is None and named.newest in ("", *(each.verifier.text for each in keys.all[:2]))


async def _recorded(settings: Settings, pool: Pool, records: VaultKeyring, new: TreeKey, former: TreeKey) -> int:
    """Have the writer record the change. Returns the record's time. Raises WriterRefused, Unavailable."""
    event = TreeKeyRotated(new.verifier.text, former.verifier.text)
    events = log_topic(settings)
    try:
        fold = await snapshots.newest(pool, events, records)
        reader = await events.reader(fold.next)
        try:
            asked = {"verifier_key": event.verifier_key, "former": event.former}
            call = await ask_writer(settings, records, fold.chain.authority, ROTATE_TREE_KEY, asked)
            record = await recorded(
                fold, reader, records, call, lambda found: found is not None and found.event == event
            )
            assert record is not None, "it is reached by a record"
            return record.at
        finally:
            await reader.close()
    finally:
        await events.close()

"""Taking a backup while calls go on.

The order makes it consistent: the vault first (in one snapshot of the database), then the decisions, then the log up to its end
at that time. Every decision was made at a position that the log has. Material that was added after the vault was read is read
separately; if it is gone by then, the log is read on to the record that destroyed it. Last come the decisions that were made
meanwhile, as far as the log in the backup goes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import takewhile
from pathlib import Path
from typing import Any

from domain.log.codec import object_of, rfc3339
from domain.ports import Unavailable
from domain.state.fold import Fold
from services.adapters import snapshots, topics
from services.adapters.keyring import VaultKeyring, open_keyring, take
from services.adapters.master_key import FileMasterKey
from services.adapters.topic_bounds import ends, values_between
from services.adapters.topics import log_topic
from services.adapters.vault import Vault
from services.backup.sealed_file import SealedWriter
from services.clock import Clock
from services.runtime.bootstrap import open_pool
from services.runtime.data_folder import Folder
from services.settings import Settings

BATCH = 2000
TRIES = 10
Tell = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many)."""


async def take_backup(settings: Settings, path: Path, tell: Tell) -> dict[str, int]:
    """Take a backup. Returns what it holds, counted. Raises Unavailable, MasterKeyRefused, OSError."""
    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    events = log_topic(settings)
    file = SealedWriter(path, master, at=rfc3339(Clock().now()))
    try:
        vault = Vault(pool, master)
        partitions = await ends(settings, topics.names(settings).decisions)
        credentials = Folder(settings.data).kept_credentials()
        file.write({"kind": "start", "partitions": len(partitions), "credentials": _document(credentials)})
        rows = await vault.dump()
        for table, found in rows.items():
            file.write({"kind": "vault", "table": table, "rows": found})
        counts = {"materials": len(rows["materials"]), "events": 0, "decisions": 0}
        # After the vault, so that the backup has a decision's material before the decision; before the log.
        taken = dict.fromkeys(partitions, 0)
        await _decisions(settings, taken, file, tell)
        keys = await open_keyring(vault)
        fold = Fold.under(keys)
        held = {row[0] for row in rows["materials"]}
        for _ in range(TRIES):
            await _log(settings, fold, keys, await events.end(), file, tell)
            late = await vault.dump_materials(sorted(fold.world.materials - held))
            file.write({"kind": "vault", "table": "materials", "rows": late})
            held |= {row[0] for row in late}
            if fold.world.materials <= held:
                break
        else:
            raise Unavailable(f"the vault lacks {len(fold.world.materials - held)} materials that the log refers to")
        # The backup has what the log says of decisions (decisions.anchored), so it needs these decisions too.
        await _decisions(settings, taken, file, tell, fold.chain.position)
        counts |= {"events": fold.next, "materials": len(held), "decisions": sum(taken.values())}
        for row in await snapshots.dump(pool, fold.chain.position):
            file.write({"kind": "snapshot", "row": row})
        head = {"log": fold.world.log, "next": fold.next, "head": fold.chain.head}
        head |= {"level": fold.world.level, "level_version": fold.world.level_version}
        file.write({"kind": "end", **head}, last=True)
        file.close()
    except BaseException:
        file.abandon()
        raise
    finally:
        await events.close()
        await pool.close()
    return counts


async def _decisions(
    settings: Settings, taken: dict[int, int], file: SealedWriter, tell: Tell, seen: int | None = None
) -> None:
    """Write the records that were appended to each partition since `taken`, and move `taken` on. With `seen`, stop at the
    first decision that was made at a later position. Raises Unavailable, OutOfRange."""
    topic = topics.names(settings).decisions
    found = await ends(settings, topic)
    total = sum(found.values())
    for partition in taken:
        async for offset, values in _values(settings, topic, partition, taken[partition], found[partition]):
            kept = values if seen is None else list(takewhile(lambda value: _seen(value) <= seen, values))
            if kept:
                file.write({"kind": "decisions", "partition": partition, "offset": offset, "values": kept})
            taken[partition] = offset + len(kept)
            tell("decisions", sum(taken.values()), total)
            if len(kept) < len(values):
                break


def _seen(value: str) -> int:
    """The position at which a decision (in base64) was made; -1 if the value is not a decision, so that it is always kept."""
    document = object_of(b64decode(value)) or {}
    seen = document.get("seen")
    return seen if isinstance(seen, int) else -1


def _document(credentials: Any) -> dict[str, str] | None:
    if credentials is None:
        return None
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "region": credentials.region,
    }


async def _log(settings: Settings, fold: Fold, keys: VaultKeyring, end: int, file: SealedWriter, tell: Tell) -> None:
    """Write the log from the fold's position to `end`, and fold it."""
    async for offset, values in _values(settings, topics.names(settings).events, 0, fold.next, end, fold, keys):
        file.write({"kind": "events", "offset": offset, "values": values})
        tell("events", fold.next, end)


async def _values(
    settings: Settings,
    topic: str,
    partition: int,
    start: int,
    end: int,
    fold: Fold | None = None,
    keys: VaultKeyring | None = None,
) -> AsyncIterator[tuple[int, list[str]]]:
    """(offset of the first value, values in base64), up to before `end`. `fold`, if given, takes the values in; `keys` are
    its keys. Raises Unavailable, OutOfRange."""
    async with aclosing(values_between(settings, topic, partition, start, end, BATCH)) as batches:
        async for found in batches:
            if fold is not None and keys is not None:
                for each in found:
                    await take(fold, each, keys)
            yield found[0].offset, [b64encode(each.value).decode() for each in found]

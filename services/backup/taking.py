"""Taking a backup while calls go on.

The order makes it consistent: the vault first (in one snapshot of the database), then the decisions, then the log to
where it ends by then. Every decision was made at a position that the log has; material that came after the vault was
read is read once more, and where it is gone by then the log is read on to the record that destroyed it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from domain.ports import Unavailable
from domain.trail.codec import rfc3339
from domain.trail.reading import Fold
from services.adapters import snapshots, topics
from services.adapters.kafka import KafkaReader, KafkaTopic, ends
from services.adapters.master_key import FileMasterKey
from services.adapters.vault import Vault
from services.backup.sealed_file import SealedWriter
from services.bootstrap import open_pool
from services.clock import Clock
from services.settings import Settings
from services.supervisor.folder import Folder

BATCH = 2000
TRIES = 10
Tell = Callable[[str, int, int], None]
"""(what is being done, done, of how many)."""


async def take(settings: Settings, path: Path, tell: Tell) -> dict[str, int]:
    """What the backup holds, counted. Raises Unavailable, MasterKeyRefused, OSError."""
    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    events = KafkaTopic(settings, topics.names(settings).events)
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
        # After the vault, so that what was decided with a material comes after the material; before the log.
        partitions = await ends(settings, topics.names(settings).decisions)
        total, done = sum(partitions.values()), 0
        for partition, end in partitions.items():
            async for offset, values in _values(settings, topics.names(settings).decisions, partition, 0, end):
                file.write({"kind": "decisions", "partition": partition, "offset": offset, "values": values})
                done += len(values)
                tell("decisions", done, total)
        counts["decisions"] = done
        fold = Fold()
        held = {row[0] for row in rows["materials"]}
        for _ in range(TRIES):
            await _log(settings, fold, await events.end(), file, tell)
            late = await vault.dump_materials(sorted(fold.world.materials - held))
            file.write({"kind": "vault", "table": "materials", "rows": late})
            held |= {row[0] for row in late}
            if fold.world.materials <= held:
                break
        else:
            raise Unavailable(f"the vault lacks {len(fold.world.materials - held)} materials that the log refers to")
        counts |= {"events": fold.next, "materials": len(held)}
        for row in await snapshots.dump(pool, fold.chain.position):
            file.write({"kind": "snapshot", "row": row})
        head = {"log": fold.world.log, "next": fold.next, "head": fold.chain.head}
        file.write({"kind": "end", **head}, last=True)
        file.close()
    except BaseException:
        file.abandon()
        raise
    finally:
        await events.close()
        await pool.close()
    return counts


def _document(credentials: Any) -> dict[str, str] | None:
    if credentials is None:
        return None
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "region": credentials.region,
    }


async def _log(settings: Settings, fold: Fold, end: int, file: SealedWriter, tell: Tell) -> None:
    """Write the log from where the fold is to `end`, and fold it."""
    async for offset, values in _values(settings, topics.names(settings).events, 0, fold.next, end, fold):
        file.write({"kind": "events", "offset": offset, "values": values})
        tell("events", fold.next, end)


async def _values(
    settings: Settings, topic: str, partition: int, start: int, end: int, fold: Fold | None = None
) -> AsyncIterator[tuple[int, list[str]]]:
    """(offset of the first, values in base64), to below `end`. Raises Unavailable, OutOfRange."""
    if start >= end:
        return
    reader = await KafkaReader(settings, topic, partition).open(start)
    try:
        at = start
        while at < end:
            found = [each for each in await reader.read(BATCH) if each.offset < end]
            if fold is not None:
                for each in found:
                    fold.take(each.offset, each.value)
            if found:
                yield found[0].offset, [b64encode(each.value).decode() for each in found]
                at = found[-1].offset + 1
    finally:
        await reader.close()

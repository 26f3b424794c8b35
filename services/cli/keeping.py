"""backup, restore, master-key: what keeps an installation safe."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.text import Text

from domain.ports import LogRefused, OutOfRange
from services.adapters import topics
from services.adapters.bundled.jars import DownloadFailed
from services.adapters.bundled.postgres import PostgresFailed
from services.adapters.master_key import FileMasterKey, MasterKeyRefused
from services.adapters.postgres import UNREACHABLE
from services.adapters.vault import AlreadyRotating, Vault
from services.backup import restoring, taking
from services.backup.sealed_file import BadBackup
from services.bootstrap import open_pool
from services.cli.proving import reaching
from services.cli.terminal import AsJson, Data, as_line, err, fail, out, progress_bar, settings_or_fail, telling
from services.logs import configure
from services.ownership import NotOurs
from services.settings import BadSetting, Settings
from services.supervisor.folder import FolderInUse
from services.supervisor.up import CannotStart, Supervisor

FAILS: tuple[type[BaseException], ...] = (
    CannotStart,
    FolderInUse,
    NotOurs,
    BadSetting,
    MasterKeyRefused,
    AlreadyRotating,
    BadBackup,
    restoring.NotEmpty,
    LogRefused,
    OutOfRange,
    DownloadFailed,
    PostgresFailed,
    *UNREACHABLE,
)


def backup(
    file: Annotated[Path, typer.Argument(help="Where the backup goes")], as_json: AsJson = False, data: Data = None
) -> None:
    """Write log, decisions, vault and snapshots into one file, sealed under the master key, while calls go on."""
    if file.exists():
        fail(f"{file} is there already: choose another name.", 2)
    with progress_bar() as progress:
        try:
            counts = asyncio.run(taking.take_backup(reaching(data), file, telling(progress)))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
    _show(counts, as_json, f"{file}, {file.stat().st_size / 1e6:.1f} MB, sealed under the master key: keep that apart")


def restore(
    file: Annotated[Path, typer.Argument(help="What `keytrail backup` wrote")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Bring a backup back, onto an empty data folder (or empty servers); the master key of then has to be there."""
    configure()
    settings = settings_or_fail(data=data)
    with progress_bar() as progress:
        try:
            counts = asyncio.run(_restore(settings, file, progress))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
        except OSError as fault:
            progress.stop()
            fail(f"{file} cannot be read: {fault.strerror}")
    _show(counts, as_json, f"restored to {settings.data}: start it with `keytrail up`, then run `keytrail verify`")


async def _restore(settings: Settings, file: Path, progress: Progress) -> dict[str, int]:
    tell = telling(progress)
    tell("checking the file", 0, 0)
    found = await asyncio.to_thread(restoring.check, file, FileMasterKey(settings.master_key_path))
    supervisor = Supervisor(settings, tell)
    try:
        reached = replace(await supervisor.start_servers(), decision_partitions=found["partitions"])
        await topics.prepare(reached, flush=not settings.kafka)
        counts = await restoring.restore(reached, file, found["partitions"], tell)
        supervisor.folder.restoring.unlink()
    finally:
        await supervisor.stop()
    return counts


def _show(counts: dict[str, int], as_json: bool, what: str) -> None:
    if as_json:
        as_line(counts)
        return
    held = ", ".join(f"{count} {name}" for name, count in counts.items())
    out.print(held, style="green")
    err.print(what)


def add_master_key(data: Data = None) -> None:
    """Add a new master key to the file, to be copied to every machine before `keytrail master-key rotate` is run."""
    settings = settings_or_fail(data=data)
    try:
        master = FileMasterKey(settings.master_key_path)
        name = master.add()
    except MasterKeyRefused as fault:
        fail(str(fault))
    out.print(f"{settings.master_key_path} has master key {name} too: copy the file to every machine now")


def rotate_master_key(as_json: AsJson = False, data: Data = None) -> None:
    """Seal the vault anew under another master key, while calls go on. One that was broken off goes on where it was."""
    settings = reaching(data)
    with progress_bar() as progress:
        try:
            name, rows, retired = asyncio.run(_rotate(settings, telling(progress)))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
    if as_json:
        as_line({"master_key": name, "rows": rows, "retired": str(retired)})
        return
    out.print(Text.assemble((f"{rows} rows", "green"), f" are sealed under master key {name} now"))
    err.print(
        f"Backups of before need the old key: it is kept in {retired}. Move that away, and destroy it when they expire.",
    )


async def _rotate(settings: Settings, tell: taking.Tell) -> tuple[str, int, Path]:
    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    try:
        vault = Vault(pool, master)
        async with vault.rotating():
            under = await vault.under()
            if master.newest() == under and len(master.names()) == 1:
                master.add()
            if master.newest() != under:
                await vault.adopt(master.newest())
            rows = await vault.rewrap(lambda done, total: tell("sealing anew", done, total))
            return master.newest(), rows, master.retire(master.newest())
    finally:
        await pool.close()

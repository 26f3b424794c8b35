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
from services.backup import dump, restoration
from services.backup.sealed_file import BadBackup
from services.cli.log_export import reaching
from services.cli.result_files import target_or_fail
from services.cli.terminal import (
    AsJson,
    Data,
    Force,
    as_line,
    counted,
    err,
    fail,
    progress_bar,
    say,
    settings_or_fail,
    telling,
)
from services.logs import configure
from services.ownership import NotOurs
from services.runtime.bootstrap import open_pool
from services.runtime.data_folder import FolderInUse
from services.settings import BadSetting, Settings
from services.supervisor.up import CannotStart, Supervisor


class StillUnderOldKey(Exception):
    """Rows of the vault are sealed under another key than the newest. The old keys stay."""


FAILS: tuple[type[BaseException], ...] = (
    StillUnderOldKey,
    CannotStart,
    FolderInUse,
    NotOurs,
    BadSetting,
    MasterKeyRefused,
    AlreadyRotating,
    BadBackup,
    restoration.NotEmpty,
    LogRefused,
    OutOfRange,
    DownloadFailed,
    PostgresFailed,
    *UNREACHABLE,
)


def backup(
    file: Annotated[Path, typer.Argument(help="Where the backup goes")],
    force: Force = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Write log, decisions, vault and snapshots into one file, sealed under the master key, while calls go on."""
    file = target_or_fail(file, force=force)
    if file.exists() and not file.is_file():  # it would be replaced: a backup takes its place once it is whole
        fail(f"{file} is a device or a pipe, and a backup is a file.", 2)
    with progress_bar() as progress:
        try:
            counts, size = asyncio.run(_taken(reaching(data), file, telling(progress)))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
    big = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    _show(counts, as_json, f"{file}, {big}, sealed under the master key: keep that apart")


async def _taken(settings: Settings, file: Path, tell: dump.Tell) -> tuple[dict[str, int], int]:
    """(records and rows by what they are, bytes of the file)."""
    counts = await dump.take_backup(settings, file, tell)
    return counts, (await asyncio.to_thread(file.stat)).st_size


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
            fail(f"{file} cannot be read: {fault.strerror or fault}.")
    _show(counts, as_json, f"restored to {settings.data}: start it with `keytrail up`, then run `keytrail verify`")


def _require_file(file: Path) -> None:
    if not file.is_file():
        fail(f"{file} is a folder: name a file." if file.is_dir() else f"There is no file {file}.", 2)


async def _restore(settings: Settings, file: Path, progress: Progress) -> dict[str, int]:
    tell = telling(progress)
    tell("checking the file", 0, 0)
    await asyncio.to_thread(_require_file, file)
    found = await asyncio.to_thread(restoration.check, file, FileMasterKey(settings.master_key_path))
    supervisor = Supervisor(settings, tell)
    try:
        reached = replace(await supervisor.start_servers(), decision_partitions=found["partitions"])
        await topics.prepare(reached, flush=not settings.kafka)
        counts = await restoration.restore(reached, file, found["partitions"], tell)
        supervisor.folder.restoring.unlink()
    finally:
        await supervisor.stop()
    return counts


def _show(counts: dict[str, int], as_json: bool, what: str) -> None:
    if as_json:
        as_line(counts)
        return
    held = ", ".join(f"{count} {name}" for name, count in counts.items())
    say(held, "green")
    say(what, screen=err)


def add_master_key(as_json: AsJson = False, data: Data = None) -> None:
    """Add a new master key to the file, to be copied to every machine before `keytrail master-key rotate` is run."""
    settings = settings_or_fail(data=data)
    try:
        name = _added(settings)
    except MasterKeyRefused as fault:
        fail(str(fault))
    if as_json:
        as_line({"master_key": name, "file": str(settings.master_key_path)})
    else:
        say(f"{settings.master_key_path} has master key {name} too: copy the file to every machine now")


def _added(settings: Settings) -> str:
    """The new key's name."""
    return FileMasterKey(settings.master_key_path).add()


def rotate_master_key(
    destroy_old: Annotated[
        bool, typer.Option("--destroy-old", help="Destroy the old keys: what they sealed is gone for good")
    ] = False,
    backup_to: Annotated[
        Path | None, typer.Option("--backup", help="With --destroy-old: a backup under the new key, written before")
    ] = None,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="With --destroy-old: go on without any backup")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Seal the vault anew under another master key, while calls go on. One that was broken off goes on where it was."""
    settings = reaching(data)
    if destroy_old:
        _require_backup(backup_to, no_backup=no_backup)
        if not yes:
            typer.confirm(
                "No backup that was taken until now can be opened any more, and no material that was deleted until now. "
                "Go on?",
                abort=True,
            )
    elif backup_to is not None or no_backup:
        fail("--backup and --no-backup go with --destroy-old.", 2)
    with progress_bar() as progress:
        try:
            name, rows, retired, destroyed = asyncio.run(
                _rotate(settings, telling(progress), destroy=destroy_old, backup_to=backup_to)
            )
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
    if as_json:
        as_line({"master_key": name, "rows": rows, "retired": str(retired), "destroyed": destroyed})
        return
    say(Text.assemble("sealed under master key ", (name, "green"), f" now: {counted(rows, 'row')}"))
    if not destroy_old:
        words = f"Earlier backups need the old key: it is kept in {retired}. Move that away, and destroy it when they expire."
        say(words, screen=err)
        return
    say(f"destroyed: {', '.join(destroyed)}. Destroy every copy of them, and restart what has them in memory.")


def _require_backup(backup_to: Path | None, *, no_backup: bool) -> None:
    """Once the old keys are gone, only a backup under the new one can be restored: there must never be none by oversight."""
    if (backup_to is None) is not no_backup:
        fail("With --destroy-old name the --backup that is written before, or say --no-backup.", 2)
    if backup_to is not None and backup_to.exists():
        fail(f"{backup_to} is there already: choose another name.", 2)


async def _rotate(
    settings: Settings, tell: dump.Tell, *, destroy: bool, backup_to: Path | None
) -> tuple[str, int, Path, list[str]]:
    """(the new key's name, rows sealed anew, where the old keys are, those that were destroyed)."""
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
            name, retired = master.newest(), master.retire(master.newest())
            if not destroy:
                return name, rows, retired, []
            if backup_to is not None:
                await dump.take_backup(settings, backup_to, tell)
            # Asked at the very end and under the lock: whatever a process that was late has sealed keeps the old keys.
            if left := await vault.under_others():
                raise StillUnderOldKey(
                    f"{left} rows are sealed under an old key still, so it was kept: run this again."
                )
            return name, rows, retired, master.destroy_retired()
    finally:
        await pool.close()

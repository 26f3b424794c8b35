"""backup, restore: write a whole installation to one file, and read it back."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from services.cli.failures import fail
from services.cli.host import TellBar, reaching, result_or_exit
from services.cli.options import AsJson, Data, Force
from services.cli.parameters import Argument
from services.cli.result_files import target_or_fail
from services.cli.screens import err
from services.cli.terminal import as_line, counted, say, settings_or_fail
from services.named_files import unread
from services.settings import Settings


def backup(
    file: Annotated[Path, Argument(help="The file to write")],
    force: Force = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Write log, decisions, vault and snapshots to one file, sealed under the master key. Calls go on meanwhile."""
    file = target_or_fail(file, force=force)
    if file.exists() and not file.is_file():  # the complete backup would replace it
        fail(f"{file} is a device or a pipe, and a backup is a file.", 2)
    settings = reaching(data)
    counts, lacking, size = result_or_exit(lambda tell: _taken(settings, file, tell))
    big = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    _show(counts, as_json, f"{file}, {big}, sealed under the master key: keep that apart", lacking)


async def _taken(settings: Settings, file: Path, tell: TellBar) -> tuple[dict[str, int], list[str], int]:
    """Returns (the number of records and rows by kind, the secrets that are missing, the file's size in bytes)."""
    from services.backup.dump import take_backup  # loads the clients of Kafka and Postgres: see host.py

    counts, lacking = await take_backup(settings, file, tell)
    return counts, lacking, (await asyncio.to_thread(file.stat)).st_size


def restore(
    file: Annotated[Path, Argument(help="A file that `keytrail backup` wrote")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Restore a backup to an empty data folder (or empty servers). It needs the master key that the backup was sealed
    under."""
    from services.logs import configure, logger_of
    from services.runtime.setting_names import warn_of_unknown

    configure()
    warn_of_unknown(logger_of("restore"), os.environ)
    settings = settings_or_fail(data=data)
    counts, lacking = result_or_exit(lambda tell: _restore(settings, file, tell))
    _show(
        counts,
        as_json,
        f"restored to {settings.data}: start it with `keytrail up`, then run `keytrail verify`",
        lacking,
    )
    say("deletions and expiries are held: `keytrail release-due` shows those due", screen=err)


def _require_file(file: Path) -> None:
    if not file.is_file():
        fail(f"{file} is a folder: name a file." if file.is_dir() else f"There is no file {file}.", 2)


async def _restore(settings: Settings, file: Path, tell: TellBar) -> tuple[dict[str, int], list[str]]:
    """Returns (the number of records and rows by kind, the secrets that are missing)."""
    from services.adapters import topics
    from services.adapters.master_key import FileMasterKey
    from services.backup import checking, restoration
    from services.supervisor.up import Supervisor

    tell("checking the file", 0, 0)
    await asyncio.to_thread(_require_file, file)
    try:
        found = await asyncio.to_thread(checking.check, file, FileMasterKey(settings.master_key_path))
    except OSError as fault:
        fail(unread(file, fault))
    settings = replace(settings, decision_partitions=found["partitions"])
    if settings.kafka:  # before the folder is taken: it stays empty for another try
        tell("looking at the topics", 0, 0)
        await topics.prepare(settings, flush=False)
        await restoration.require_rights(settings, deletes=found["removed"] > 0)
    supervisor = Supervisor(settings, tell)
    try:
        reached = await supervisor.start_servers()
        if not settings.kafka:
            await topics.prepare(reached, flush=True)
        counts = await restoration.restore(reached, file, found["partitions"], tell)
        supervisor.folder.restoring.unlink()
    finally:
        await supervisor.stop()
    return counts, found["lacking"]


def _show(counts: dict[str, int], as_json: bool, what: str, lacking: list[str]) -> None:
    """`lacking`: the names of the secrets that the log names and the vault lacks."""
    if lacking:
        few = ", ".join(lacking[:5]) + (" and others" if len(lacking) > 5 else "")
        named = f"{counted(len(lacking), 'secret')} that the log names ({few})"
        say(f"the vault lacks {named}: whoever signs in with one needs another", "yellow", screen=err)
    if as_json:
        as_line(counts)
        return
    held = ", ".join(f"{count} {name}" for name, count in counts.items())
    say(held, "green")
    say(what, screen=err)

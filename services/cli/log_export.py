"""export-log, rebuild, skip-commands: the log itself, and what is made of it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Annotated

import typer

from domain.ports import OutOfRange, Unavailable
from projections.registry import PROJECTIONS
from services.adapters import skips, snapshots
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import open_keyring
from services.adapters.postgres import UNREACHABLE
from services.adapters.topics import names
from services.cli.result_files import LOG_BY_NAME, format_or_fail, target_or_fail, write_lines, wrote
from services.cli.terminal import (
    AsJson,
    Data,
    Force,
    as_line,
    counted,
    fail,
    progress_bar,
    say,
    settings_or_fail,
    telling,
)
from services.logs import quiet
from services.projector.rebuild import rebuild_projection
from services.runtime.bootstrap import open_pool, open_vault
from services.runtime.data_folder import Folder
from services.settings import BadSetting, Settings
from services.verification.topics import Tell, read_log

BATCH = 1000


def reaching(data: Path | None) -> Settings:
    """Settings that name a broker and a database: those given, else those that run on the data folder."""
    settings = settings_or_fail(data=data)
    quiet()
    try:
        settings = Folder(settings.data).reached(settings) or settings
    except BadSetting as fault:
        fail(str(fault))
    if not settings.kafka:
        fail(
            f"Nothing runs on {settings.data}: start `keytrail up`, name the folder that it runs on (--data or "
            "KEYTRAIL_DATA), or a broker in KEYTRAIL_KAFKA."
        )
    return settings


def reaching_both(data: Path | None) -> Settings:
    """As `reaching`, where the database is needed as well."""
    settings = reaching(data)
    if not settings.postgres:
        fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`.")
    return settings


def export_log(
    file: Annotated[Path, typer.Argument(help="Where to write it; a JSON object a line")],
    force: Force = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Write the chained log to a file that `keytrail verify --file` checks without this installation: every change, and every
    refused attempt at one.

    Calls that change nothing (Encrypt, Decrypt, a read) are not in it, allowed or refused: their decisions have topics of their
    own, which only `keytrail verify` on the host checks. `keytrail log` gives an account its own decisions, without a chain.

    This is the operator's: it reads the broker itself and asks nobody for permission, and the file holds every account's
    records. An account's auditor takes `keytrail log`.
    """
    file = target_or_fail(file, force=force)
    format_or_fail(file, None, LOG_BY_NAME)
    with progress_bar() as progress:
        try:
            count = asyncio.run(_exported(reaching(data), file, telling(progress)))
        except (OutOfRange, Unavailable) as fault:
            progress.stop()
            fail(str(fault))
        except OSError as fault:
            progress.stop()
            fail(f"{file} cannot be written: {fault.strerror or fault}.")
    if as_json and str(file) != "-":
        as_line({"file": str(file), "records": count})
    else:
        wrote(count, file, "record")


async def _exported(settings: Settings, file: Path, tell: Tell) -> int:
    """How many records were written."""
    values = await read_log(settings, tell)
    lines = (json.dumps({"offset": offset, "value": b64encode(value).decode()}) + "\n" for offset, value in values)
    await asyncio.to_thread(write_lines, lines, file)
    return len(values)


def rebuild(
    name: Annotated[str, typer.Argument(help=", ".join(PROJECTIONS))], as_json: AsJson = False, data: Data = None
) -> None:
    """Build a projection anew from the log beside the live one, and put it in its place."""
    if name not in PROJECTIONS:
        fail(f"There is no projection {name!r}: {', '.join(PROJECTIONS)}", 2)
    settings = reaching_both(data)
    try:
        count = asyncio.run(_rebuild(settings, name))
    except UNREACHABLE as fault:
        fail(f"The projection is as it was: {fault}")
    if as_json:
        as_line({"projection": name, "records": count})
        return
    say(f"{name} built anew from {counted(count, 'record')}")


async def _rebuild(settings: Settings, name: str) -> int:
    pool = await open_pool(settings)
    try:
        with progress_bar() as progress:
            task = progress.add_task(f"rebuilding {name}", total=None)

            def advance(done: int, count: int) -> None:
                progress.update(task, completed=done, total=count)

            keys = await open_keyring(open_vault(settings, pool))
            return await rebuild_projection(settings, pool, keys, PROJECTIONS[name], advance)
    finally:
        await pool.close()


def skip_commands(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False, as_json: AsJson = False, data: Data = None
) -> None:
    """Let the writer go on although commands were lost before it had read them. The skip is recorded on the log."""
    settings = reaching(data)
    if not yes:
        typer.confirm("Calls that were never answered are given up for good. Go on?", abort=True)
    try:
        asyncio.run(_permit_skip(settings))
    except UNREACHABLE as fault:
        fail(str(fault))
    if as_json:
        as_line({"skips": 1})
    else:
        say("the writer may skip once")


async def _permit_skip(settings: Settings) -> None:
    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        events = KafkaTopic(settings, names(settings).events)
        try:
            fold = await snapshots.newest(pool, events, keys)
        finally:
            await events.close()
        await skips.permit(pool, keys, fold.world.log, fold.world.next_command)
    finally:
        await pool.close()

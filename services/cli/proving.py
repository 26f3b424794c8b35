"""verify, export-log, rebuild, skip-commands: the log itself, and what is made of it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from domain.ports import Unavailable
from domain.trail.reading import Fold
from domain.trail.verify import Expected, Report, verify
from projections.registry import PROJECTIONS
from services.adapters import keyring, skips, snapshots
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.postgres import UNREACHABLE, Pool
from services.adapters.topics import names
from services.bootstrap import open_pool, open_vault
from services.cli.terminal import AsJson, Data, as_line, err, fail, out, progress_bar, settings_or_fail
from services.logs import quiet
from services.ownership import replacing
from services.projector.rebuilding import rebuild_projection
from services.settings import BadSetting, Settings
from services.supervisor.folder import Folder

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
        fail(f"Nothing runs on {settings.data}: start `keytrail up`, or name a broker in KEYTRAIL_KAFKA.")
    return settings


async def _read_log(settings: Settings) -> list[tuple[int, bytes]]:
    """Every value of `events`, with progress. Raises Unavailable."""
    events = KafkaTopic(settings, names(settings).events)
    values: list[tuple[int, bytes]] = []
    try:
        start, end = await events.start(), await events.end()
        with progress_bar() as progress:
            task = progress.add_task("reading the log", total=end - start)
            if end > start:
                reader = await events.reader(start)
                try:
                    while not values or values[-1][0] < end - 1:
                        values += [(stored.offset, stored.value) for stored in await reader.read(BATCH)]
                        progress.update(task, completed=len(values))
                finally:
                    await reader.close()
    finally:
        await events.close()
    return values


def _from_file(path: Path) -> Iterator[tuple[int, bytes]]:
    """An exported log: a JSON object a line, {"offset", "value" (base64)}."""
    with path.open() as file:
        for number, line in enumerate(file, 1):
            try:
                document = json.loads(line)
                yield int(document["offset"]), b64decode(document["value"], validate=True)
            except (ValueError, KeyError, TypeError):
                fail(f"line {number} of {path} is no line of an exported log")


def verify_log(
    file: Annotated[
        Path | None, typer.Option(help="A log that `keytrail export-log` wrote, instead of the broker's")
    ] = None,
    expect: Annotated[str | None, typer.Option(help="POSITION:DIGEST that was noted down earlier")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check the chain of the log, and trust nothing else. Exit code 1 names the first record that is wrong."""
    expected = None
    if expect is not None:
        position, _, noted = expect.partition(":")
        if not position.isdigit() or len(noted) != 64:
            fail("--expect takes POSITION:DIGEST, as an earlier `keytrail verify` printed it", 2)
        expected = Expected(int(position), noted)
    report = verify(_from_file(file) if file is not None else _log_or_fail(data), expected)
    if as_json:
        as_line(asdict(report) | {"whole": report.whole, "writers": len(report.writers)})
    else:
        _show(report)
    if not report.whole:
        raise typer.Exit(1)


def _log_or_fail(data: Path | None) -> list[tuple[int, bytes]]:
    try:
        return asyncio.run(_read_log(reaching(data)))
    except Unavailable as fault:
        fail(str(fault))


def _show(report: Report) -> None:
    if report.whole:
        out.print(Text.assemble(("whole", "bold green"), f": {report.valid} records of log {report.log}"))
        out.print(f"  head {report.position}:{report.head}")
        if report.voids:
            out.print(f"  {len(report.voids)} void records of deposed writers, skipped by every reader")
    else:
        err.print(Text.assemble(("broken", "bold red"), f" at position {report.at}: {report.fault}"))
        err.print(f"  whole up to {report.position}:{report.head}")


def export_log(
    file: Annotated[Path, typer.Argument(help="Where to write it; a JSON object a line")], data: Data = None
) -> None:
    """Write the log to a file that `keytrail verify --file` checks without this installation."""
    values = _log_or_fail(data)
    try:
        with replacing(file) as place, place.open("w") as output:
            for offset, value in values:
                output.write(json.dumps({"offset": offset, "value": b64encode(value).decode()}) + "\n")
    except OSError as fault:
        fail(f"{file} cannot be written: {fault}")
    out.print(f"{len(values)} records written to {file}")


def rebuild(name: Annotated[str, typer.Argument(help="keys, policy_versions or decisions")], data: Data = None) -> None:
    """Build a projection anew from the log beside the live one, and put it in its place."""
    if name not in PROJECTIONS:
        fail(f"There is no projection {name!r}: {', '.join(PROJECTIONS)}", 2)
    settings = reaching(data)
    if not settings.postgres:
        fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`.")
    try:
        count = asyncio.run(_rebuild(settings, name))
    except UNREACHABLE as fault:
        fail(f"The projection is as it was: {fault}")
    out.print(f"{name} built anew from {count} records")


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


def skip_commands(yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False, data: Data = None) -> None:
    """Let the writer go on although commands were lost before it had read them. The skip is recorded on the log."""
    settings = reaching(data)
    if not yes:
        typer.confirm("Calls that were never answered are given up for good. Go on?", abort=True)
    try:
        asyncio.run(_permit_skip(settings))
    except UNREACHABLE as fault:
        fail(str(fault))
    out.print("the writer may skip once")


async def _fold(settings: Settings, pool: Pool, keys: VaultKeyring) -> Fold:
    """The world as it is now. Raises Unavailable."""
    events = KafkaTopic(settings, names(settings).events)
    try:
        fold, end = await snapshots.restore(pool, events, keys), await events.end()
        reader = await events.reader(fold.next)
        try:
            while fold.next < end:
                for stored in await reader.read(BATCH):
                    await keyring.take(fold, stored, keys)
        finally:
            await reader.close()
        return fold
    finally:
        await events.close()


async def _permit_skip(settings: Settings) -> None:
    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        fold = await _fold(settings, pool, keys)
        await skips.permit(pool, keys, fold.world.log, fold.world.next_command)
    finally:
        await pool.close()

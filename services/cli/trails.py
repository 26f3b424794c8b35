"""trails: which trails there are, and their removal."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import asyncpg
import typer

from domain.ports import Unavailable
from services.adapters.postgres import LOST, UNREACHABLE
from services.adapters.trail_topics import BadName, checked
from services.cli.log_export import reaching_both
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import AsJson, Data, as_line, fail, say, times_or_fail
from services.settings import Settings
from services.trails.importer import open_connection
from services.trails.shelf import listed
from services.trails.shelf import remove as removed


def trails(ctx: typer.Context, as_json: AsJson = False, data: Data = None) -> None:
    """Which trails there are: their calls, changes and span."""
    if ctx.invoked_subcommand is not None:
        return
    settings = reaching_both(data)
    try:
        found = asyncio.run(_listed(settings))
    except UNREACHABLE as fault:
        fail(str(fault))
    if as_json:
        for each in found:
            as_line(each)
        return
    times = times_or_fail()
    columns = (
        member("trail", leads=True),
        member("calls", number=True),
        member("changes", number=True),
        Column("first", lambda row: times.shown(row["first"])),
        Column("last", lambda row: times.shown(row["last"])),
        member("broken", number=True),
    )
    print_rows(found, columns, "(there are no trails; `keytrail import cloudtrail` makes one)")


def remove(
    name: Annotated[str, typer.Argument(help="The trail's name")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Remove a trail: what was imported and what was made of it. Keytrail's own log is not touched."""
    settings = reaching_both(data)
    try:
        checked(name)
        if not yes and not as_json and not typer.confirm(f"Remove the trail {name}? It can only be imported again"):
            fail("Nothing was removed.")
        there = asyncio.run(_removed(settings, name))
    except BadName as fault:
        fail(f"{fault}.", 2)
    except UNREACHABLE as fault:
        fail(str(fault))
    if not there:
        fail(f"There is no trail {name}; `keytrail trails` lists those that there are.")
    if as_json:
        as_line({"removed": name})
    else:
        say(f"removed the trail {name}")


async def _listed(settings: Settings) -> list[dict[str, Any]]:
    try:
        connection = await asyncpg.connect(settings.postgres, timeout=5)
    except LOST as fault:
        raise Unavailable(f"Postgres does not answer: {fault}") from fault
    try:
        return await listed(connection, settings)
    finally:
        await connection.close(timeout=5)


async def _removed(settings: Settings, name: str) -> bool:
    connection = await open_connection(settings)
    try:
        return await removed(connection, settings, name)
    finally:
        await connection.close(timeout=5)

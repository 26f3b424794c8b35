"""Commands that list and remove imported trails."""

from __future__ import annotations

from typing import Annotated, Any

from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.host import reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data, Yes
from services.cli.parameters import Argument
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import as_line, say, times_or_fail
from services.settings import Settings


def trails(as_json: AsJson = False, data: Data = None) -> None:
    """The imported trails: how many calls and changes each has, and the times of the first and the last."""
    settings = reaching_broker_and_database(data)
    found = result_or_exit(lambda _: _listed(settings))
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
    name: Annotated[str, Argument(help="The name of the trail")],
    yes: Yes = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Remove a trail: its imported records, and the tables that were made from them. Keytrail's own log is not changed."""
    settings = reaching_broker_and_database(data)
    require_name(name)
    if not yes:
        confirm_or_fail(f"Only another import restores the trail {name}. Remove it?")
    existed = result_or_exit(lambda _: _removed(settings, name))
    if not existed:
        fail(f"There is no trail {name}; `keytrail trails` lists them.")
    if as_json:
        as_line({"removed": name})
    else:
        say(f"removed the trail {name}")


def require_name(name: str) -> None:
    """End the command if a trail cannot have this name."""
    from services.adapters.trail_topics import BadName, checked  # imported late: see host.py

    try:
        checked(name)
    except BadName as fault:
        fail(f"{fault}.", 2)


async def _listed(settings: Settings) -> list[dict[str, Any]]:
    from services.adapters.postgres import connect_alone  # imported late: see host.py
    from services.trails.shelf import listed

    connection = await connect_alone(settings)
    try:
        return await listed(connection, settings)
    finally:
        await connection.close(timeout=5)


async def _removed(settings: Settings, name: str) -> bool:
    from services.trails.importer import open_connection
    from services.trails.shelf import remove as remove_trail

    connection = await open_connection(settings)
    try:
        return await remove_trail(connection, settings, name)
    finally:
        await connection.close(timeout=5)

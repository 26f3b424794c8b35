"""upgrade prepare, upgrade finish: what an operator does before and after the processes are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from rich.text import Text

from services.cli.host import TellBar, reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data
from services.cli.parameters import Option
from services.cli.terminal import as_line, counted, say
from services.settings import Settings

if TYPE_CHECKING:
    from services.upgrade.completion import Completion
    from services.upgrade.preparation import PreparedSnapshot


def prepare(as_json: AsJson = False, data: Data = None) -> None:
    """Make a snapshot of this version beside the processes that run, so that its processes start without folding the whole log.

    Run it with the new version while the version before is still at work. Calls go on. If it is interrupted, run it again: it
    goes on where it was.
    """
    settings = reaching_broker_and_database(data)
    found = result_or_exit(lambda tell: _prepared(settings, tell))
    if as_json:
        as_line(
            {"position": found.position, "folded": found.folded, "after": found.after if found.after >= 0 else None}
        )
    elif found.position < 0:
        say("There is no log yet, so a start needs no snapshot.")
    else:
        records = counted(found.folded, "record")
        of = (
            f"all {records} of the log"
            if found.after < 0
            else f"{records} after the snapshot at position {found.after}"
        )
        say(Text.assemble(("prepared", "bold green"), f": a snapshot at position {found.position}, from {of}"))


def finish(
    whatever_runs: Annotated[
        bool, Option("--whatever-runs", help="Also if processes of an earlier version seem to run; they stop then")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Let the log hold what this version brings, once every process is of this version.

    From then on an earlier version refuses this log and says why, and there is no way back except a backup from before. If it is
    interrupted, run it again.
    """
    settings = reaching_broker_and_database(data)
    found = result_or_exit(lambda _: _finished(settings, whatever_runs))
    if as_json:
        as_line({"log": found.log, "level": found.level, "version": found.version, "raised": found.raised})
        return
    is_at = "is at" if found.raised else "was already at"
    said = f": log {found.log} {is_at} level {found.level}, which Keytrail {found.version} brought"
    say(Text.assemble(("finished", "bold green"), said))


async def _prepared(settings: Settings, tell: TellBar) -> PreparedSnapshot:
    from services.runtime.bootstrap import open_pool, open_vault  # see host.py
    from services.runtime.processes import NICENESS, give_way
    from services.upgrade.preparation import prepare_snapshot

    give_way(NICENESS["verification"])
    pool = await open_pool(settings)
    try:
        vault = open_vault(settings, pool)
        return await prepare_snapshot(settings, pool, vault, lambda done, of: tell("folding the log", done, of))
    finally:
        await pool.close()


async def _finished(settings: Settings, whatever_runs: bool) -> Completion:
    from services.adapters.keyring import open_keyring  # see host.py
    from services.runtime.bootstrap import open_pool, open_vault
    from services.upgrade.completion import finish as finish_upgrade

    pool = await open_pool(settings)
    try:
        vault = open_vault(settings, pool)
        return await finish_upgrade(settings, pool, vault, await open_keyring(vault), whatever_runs=whatever_runs)
    finally:
        await pool.close()

"""log key, log rotate-key: the key that signs the transparency log's checkpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from rich.text import Text

from services.cli.failures import fail
from services.cli.host import reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data
from services.cli.parameters import Option
from services.cli.screens import err
from services.cli.terminal import as_line, say, times_or_fail
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.postgres import Pool
    from services.adapters.vault import Vault
    from services.notary.tree_keys import TreeKey, TreeKeys


def tree_key(
    every: Annotated[bool, Option("--all", help="Former keys too, that sign no more")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """The verifier keys (C2SP signed-note) that sign the transparency log's checkpoints now, newest first, one a line.

    It reads them from the vault. Publish them where people who check evidence can find them without asking Keytrail.
    """
    settings = reaching_broker_and_database(data)
    keys, now = result_or_exit(lambda tell: _with_vault(settings, _read))
    shown = [each for each in keys.all if each.since is not None and (every or each.signs(now))]
    if not shown:
        fail("The transparency log has no key yet: its first one is made when a notary starts.")
    for each in shown:
        if as_json:
            as_line(_row(each, now))
        else:
            say(each.verifier.text)


def rotate_tree_key(as_json: AsJson = False, data: Data = None) -> None:
    """Sign the transparency log's checkpoints with a new key, beside the present one for KEYTRAIL_TREE_KEY_OVERLAP days.

    The log goes on, and so do calls. The change is recorded as an event. If it is interrupted, run it again: it goes on where it
    stopped.
    """
    settings = reaching_broker_and_database(data)
    keys, now = result_or_exit(lambda tell: _with_vault(settings, _rotate))
    new, former = keys.all[:2]
    if as_json:
        as_line({"new": _row(new, now), "former": _row(former, now)})
        return
    where = f", the key {new.arn}," if new.arn else ""
    say(Text.assemble(("rotated", "bold green"), f": checkpoints are signed with {new.verifier.text}{where} now"))
    until = f"until {times_or_fail().shown(_time(former.until))}" if former.signs(now) else "no more"
    say(
        f"The former key {former.verifier.id.hex()} signs them {until}. Give the new one to your witnesses.",
        screen=err,
    )


def _row(key: TreeKey, now: int) -> dict[str, Any]:
    verifier = key.verifier
    return {
        "key": verifier.text,
        "id": verifier.id.hex(),
        "arn": key.arn or None,
        "since": _time(key.since),
        "until": _time(key.until),
        "signs": key.signs(now),
    }


def _time(at: int | None) -> str | None:
    from domain.log.codec import rfc3339

    return None if at is None else rfc3339(at)


async def _with_vault(
    settings: Settings, work: Callable[[Settings, Pool, Vault], Awaitable[TreeKeys]]
) -> tuple[TreeKeys, int]:
    """The keys, and the time."""
    from services.clock import clock_of
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        return await work(settings, pool, open_vault(settings, pool)), clock_of(settings).now()
    finally:
        await pool.close()


async def _read(settings: Settings, pool: Pool, vault: Vault) -> TreeKeys:
    from services.adapters.keyring import open_keyring
    from services.notary.recorded_rotations import RecordedRotations
    from services.notary.tree_keys import TreeKeys

    keys = TreeKeys(settings, vault, RecordedRotations(settings, pool, await open_keyring(vault)))
    await keys.read()
    return keys


async def _rotate(settings: Settings, pool: Pool, vault: Vault) -> TreeKeys:
    from services.adapters.keyring import open_keyring
    from services.log_keys.tree_key import rotate_tree_key

    return await rotate_tree_key(settings, pool, vault, await open_keyring(vault))

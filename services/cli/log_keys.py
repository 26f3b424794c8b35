"""log-keys begin, log-keys rotate: the key that records are authenticated with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rich.text import Text

from domain.log.authority import Authority
from domain.log.codec import Unreadable
from domain.ports import LogRefused, OutOfRange
from services.adapters.keyring import open_keyring
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE
from services.cli.log_export import reaching_both
from services.cli.terminal import AsJson, Data, as_line, fail, progress_bar, say, telling
from services.log_keys.rotation import LogKeys, NotYet, TellProgress
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings

FAILS: tuple[type[BaseException], ...] = (
    NotYet, MasterKeyRefused, LogRefused, OutOfRange, Unreadable, OSError, *UNREACHABLE,
)  # fmt: skip


def begin(as_json: AsJson = False, data: Data = None) -> None:
    """Have every record authenticated from now on, on a log that an earlier version began. Run it once, when every process is
    of this version: from then on no record without a MAC counts, and there is no way back."""
    found = _run(reaching_both(data), LogKeys.authenticate)
    if as_json:
        as_line({"log": found["log"], "since": found["since"], "key": found["key"]})
        return
    say(Text.assemble(("authenticated", "bold green"), f": log {found['log']} from position {found['since']} on"))


def rotate(as_json: AsJson = False, data: Data = None) -> None:
    """Authenticate records with a new key from now on, while calls go on. What is on record under the key before stays good;
    whoever has that key can write nothing that counts any more. It takes a quarter of a minute."""
    found = _run(reaching_both(data), LogKeys.rotate)
    if as_json:
        as_line({"log": found["log"], "key": found["key"], "filled_anew": found["filled_anew"]})
        return
    say(Text.assemble(("rotated", "bold green"), f": records are authenticated with key {found['key']} now"))
    if found["filled_anew"]:
        say(
            Text(
                f"The positions of {', '.join(found['filled_anew'])} could not be sealed under it: somebody holds a lock, or "
                "changed them. The projector fills these projections anew from the log."
            )
        )


def _run(settings: Settings, work: Callable[[LogKeys], Awaitable[Authority]]) -> dict[str, Any]:
    with progress_bar() as progress:
        try:
            return asyncio.run(_done(settings, work, telling(progress)))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))


async def _done(
    settings: Settings, work: Callable[[LogKeys], Awaitable[Authority]], tell: TellProgress
) -> dict[str, Any]:
    pool = await open_pool(settings)
    vault = open_vault(settings, pool)
    log_keys = LogKeys(settings, pool, vault, await open_keyring(vault), tell)
    try:
        authority = await work(log_keys)
    finally:
        await log_keys.close()
        await pool.close()
    return {
        "log": authority.log,
        "since": authority.since,
        "key": authority.key,
        "filled_anew": log_keys.filled_anew,
    }

"""log-keys begin, log-keys rotate: the key that records are authenticated with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rich.text import Text

from domain.ports import LogRefused, OutOfRange
from domain.trail.authority import Authority
from domain.trail.codec import Unreadable
from services.adapters.keyring import open_keyring
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE
from services.bootstrap import open_pool, open_vault
from services.cli.proving import reaching
from services.cli.terminal import AsJson, Data, as_line, fail, out, progress_bar, telling
from services.log_keys import LogKeys, NotYet
from services.settings import Settings

FAILS: tuple[type[BaseException], ...] = (
    NotYet, MasterKeyRefused, LogRefused, OutOfRange, Unreadable, OSError, *UNREACHABLE,
)  # fmt: skip


def begin(as_json: AsJson = False, data: Data = None) -> None:
    """Have every record authenticated from now on, on a log that an earlier version began. Run it once, when every process is
    of this version: from then on no record without a MAC counts, and there is no way back."""
    authority, _ = _run(reaching(data), LogKeys.authenticate)
    if as_json:
        as_line({"log": authority.log, "since": authority.since, "key": authority.key})
        return
    out.print(
        Text.assemble(("authenticated", "bold green"), f": log {authority.log} from position {authority.since} on")
    )


def rotate(as_json: AsJson = False, data: Data = None) -> None:
    """Authenticate records with a new key from now on, while calls go on. What is on record under the key before stays good;
    whoever has that key can write nothing that counts any more. It takes a quarter of a minute."""
    authority, filled_anew = _run(reaching(data), LogKeys.rotate)
    if as_json:
        as_line({"log": authority.log, "key": authority.key, "filled_anew": filled_anew})
        return
    out.print(Text.assemble(("rotated", "bold green"), f": records are authenticated with key {authority.key} now"))
    if filled_anew:
        out.print(
            f"The positions of {', '.join(filled_anew)} could not be sealed under it: somebody holds a lock, or changed them. "
            "The projector fills these projections anew from the log."
        )


def _run(settings: Settings, work: Callable[[LogKeys], Awaitable[Authority]]) -> tuple[Authority, list[str]]:
    """What the log says afterwards, and the projections that are filled anew."""
    if not settings.postgres:
        fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`.")
    with progress_bar() as progress:

        async def run() -> tuple[Authority, list[str]]:
            pool = await open_pool(settings)
            vault = open_vault(settings, pool)
            log_keys = LogKeys(settings, pool, vault, await open_keyring(vault), telling(progress))
            try:
                return await work(log_keys), log_keys.filled_anew
            finally:
                await log_keys.close()
                await pool.close()

        try:
            return asyncio.run(run())
        except FAILS as fault:
            progress.stop()
            fail(str(fault))

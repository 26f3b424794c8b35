"""log-keys begin, log-keys rotate: the key that authenticates records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from services.cli.host import TellBar, reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data
from services.cli.terminal import as_line, say
from services.settings import Settings

if TYPE_CHECKING:
    from domain.log.authority import Authority
    from services.log_keys.rotation import LogKeys


def begin(as_json: AsJson = False, data: Data = None) -> None:
    """Authenticate every record from now on, on a log that an earlier version began.

    Run it once, when every process is of this version. From then on a record without a MAC does not count, and there is no
    way back.
    """
    found = _result_or_exit(reaching_broker_and_database(data), lambda keys: keys.authenticate())
    if as_json:
        as_line({"log": found["log"], "since": found["since"], "key": found["key"]})
        return
    say(Text.assemble(("authenticated", "bold green"), f": log {found['log']} from position {found['since']} on"))


def rotate(as_json: AsJson = False, data: Data = None) -> None:
    """Authenticate records with a new key from now on. Calls go on meanwhile.

    Records under the old key stay valid. Whoever holds the old key can no longer write a record that counts, nor make a token.
    So every token ends that was made before: temporary credentials, console sessions, and the tokens of grants and imports. Who
    has one asks for another. It takes about fifteen seconds.
    """
    found = _result_or_exit(reaching_broker_and_database(data), lambda keys: keys.rotate())
    if as_json:
        as_line({name: found[name] for name in ("log", "key", "filled_anew", "tokens_ended")})
        return
    say(Text.assemble(("rotated", "bold green"), f": records are authenticated with key {found['key']} now"))
    if found["tokens_ended"]:
        say(
            Text(
                "Temporary credentials, console sessions, grant tokens and import tokens from before are no longer accepted."
            )
        )
    else:
        say(
            Text(
                "Temporary credentials and other tokens are still made and accepted under the first key, which the version "
                "before needs. They end with `keytrail upgrade finish`: run it as soon as every process is of this version."
            )
        )
    if found["filled_anew"]:
        say(
            Text(
                f"The positions of {', '.join(found['filled_anew'])} could not be sealed under it: somebody holds a lock, or "
                "changed them. The projector fills these projections anew from the log; these audit devices write everything "
                "again."
            )
        )


def _result_or_exit(settings: Settings, work: Callable[[LogKeys], Awaitable[Authority]]) -> dict[str, Any]:
    return result_or_exit(lambda tell: _done(settings, work, tell))


async def _done(settings: Settings, work: Callable[[LogKeys], Awaitable[Authority]], tell: TellBar) -> dict[str, Any]:
    from services.adapters.keyring import open_keyring  # see host.py
    from services.log_keys.rotation import LogKeys
    from services.runtime.bootstrap import open_pool, open_vault

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
        "tokens_ended": log_keys.tokens_ended,
    }

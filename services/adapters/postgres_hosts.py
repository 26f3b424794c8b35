"""Whether a database on several hosts keeps what the vault writes when one of them is lost.

The DSN may name a primary and its standbys. A key's material is in the vault and its event on Kafka. If a standby takes over that
had not got the material yet, the key is lost, though the log says that it exists.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.ports import Unavailable
from services.adapters.postgres import INTERRUPTED, LOST, dsn_of, hosts_of, open_session
from services.logs import logger_of
from services.settings import BadSetting, Settings

log = logger_of("postgres")

ASK_DEADLINE = 3.0


class HostState(NamedTuple):
    """`standbys`: synchronous_standby_names, "" if commits wait for none."""

    host: str
    writable: bool
    standbys: str


async def _state(dsn: str) -> HostState | None:
    """None if the host does not answer."""
    try:
        connection = await open_session(dsn, deadline=ASK_DEADLINE, patience=ASK_DEADLINE)
    except INTERRUPTED:
        return None
    try:
        row = await connection.fetchrow(
            "SELECT NOT pg_is_in_recovery() AS writable, current_setting('synchronous_standby_names') AS standbys"
        )
        assert row is not None, "the question has one row"
        return HostState(urlsplit(dsn).netloc.rpartition("@")[2], row["writable"], row["standbys"])
    except LOST:
        return None
    finally:
        connection.terminate()


async def require_safe(settings: Settings) -> None:
    """Raises BadSetting if several hosts take writes, or if a standby may lack what was committed; Unavailable if no host takes
    writes. A primary that is alone has nothing to wait for."""
    if len(hosts_of(dsn_of(settings))) > 1:
        require_one_primary(await states_of(settings))


async def states_of(settings: Settings) -> list[HostState]:
    """The hosts that answer."""
    return [each for each in await asyncio.gather(*map(_state, hosts_of(dsn_of(settings)))) if each is not None]


def require_one_primary(states: list[HostState]) -> None:
    """The rule itself, on the hosts that answer. Raises as require_safe."""
    primaries = [each for each in states if each.writable]
    if not primaries:
        raise Unavailable("none of the hosts of KEYTRAIL_POSTGRES takes writes")
    if len(primaries) > 1:
        raise BadSetting(
            f"{' and '.join(each.host for each in primaries)} of KEYTRAIL_POSTGRES both take writes, so they are not one "
            "database: stop the one that was replaced, and let it follow the other."
        )
    (primary,) = primaries
    if primary.standbys:
        return
    if len(states) > 1:
        raise BadSetting(
            f"{primary.host} does not wait for its standby, which may lack the material of keys if it takes over. Set "
            "synchronous_standby_names there ('ANY 1 (*)' for instance), and synchronous_commit=local, so that only what the "
            "vault writes waits; then reload it."
        )
    log.warning("the database has no standby that answers", primary=primary.host)

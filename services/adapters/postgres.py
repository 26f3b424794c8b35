"""Connections to Postgres by asyncpg, and the errors which mean that the server does not answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.exceptions import InternalClientError

from domain.log.levels import LEVEL
from domain.ports import Unavailable, reason_of
from services.adapters.advisory_locks import AdvisoryLock
from services.settings import Settings

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
if TYPE_CHECKING:
    _AnyPool = asyncpg.Pool[asyncpg.Record]
else:  # it takes no parameters when it runs
    _AnyPool = asyncpg.Pool

LOST: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.ReadOnlySQLTransactionError,  # this host takes no writes any more, and a new session may find the one that does
    InternalClientError,  # no host takes writes; or the server has ended this session, and the connection to it still stands
)
"""The errors of a server that is lost, starting, overloaded or out of disk space: the statement is right, and may be tried
again."""

UNREACHABLE: tuple[type[BaseException], ...] = (Unavailable, *LOST)
"""The errors of any part of the installation that does not answer now."""
INTERRUPTED: tuple[type[BaseException], ...] = (*UNREACHABLE, asyncpg.PostgresError)
"""The errors that end a follower's batch; it goes on from its stored positions."""


SESSION = "target_session_attrs"


def dsn_of(settings: Settings) -> str:
    """The DSN in the settings, with the authority that the database's certificate has to come from."""
    if not settings.postgres_ca:
        return settings.postgres
    parts = urlsplit(settings.postgres)
    tls = {"sslmode": "verify-full", "sslrootcert": settings.postgres_ca}
    return urlunsplit(parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | tls)))


def hosts_of(dsn: str) -> list[str]:
    """The DSN of each host that a DSN names. A DSN with one host, or with a socket's folder, is one."""
    parts = urlsplit(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    query = urlencode([each for each in parse_qsl(parts.query) if each[0] != SESSION])
    return [urlunsplit(parts._replace(netloc=f"{login}{at}{each}", query=query)) for each in hosts.split(",")]


def for_writing(dsn: str) -> str:
    """The DSN that finds the host which takes writes. One name or address may be that of several hosts, too: after a failover it
    may lead to the former primary for a while."""
    if SESSION in dsn:
        return dsn
    return f"{dsn}{'&' if urlsplit(dsn).query else '?'}{SESSION}=read-write"


SESSION_NAME = f"keytrail, level {LEVEL}"
"""What pg_stat_activity shows of each session; sessions.py reads it, and takes a session without a name for an older one's."""
NAMED = {
    "application_name": SESSION_NAME,
    "TimeZone": "UTC",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""What each session asks of the server. A machine that loses its power says nothing, and Linux asks after two hours whether the
other end is still there: for so long its locks kept waiting whoever stands by. Now they are free after 25 seconds. Calls are
counted by day in the session's zone, and a server, database or role may have any."""


async def make(pool: Pool, statements: str) -> None:
    """Run statements that create missing tables, one process at a time: if two begin CREATE ... IF NOT EXISTS together,
    Postgres ends the later one with an error. Raises asyncpg's errors."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.MAKE_TABLES)
        # A connection remembers which schemas there are, and an advisory lock does not make it look again. Reading a table does.
        await connection.execute("SELECT FROM pg_namespace LIMIT 1")
        await connection.execute(statements)


class PatientPool(_AnyPool):
    """A pool that nobody waits for without an end. asyncpg bounds each connecting, and each statement. Where a server is silent,
    whoever wants a session would wait for all who asked before, one after another."""

    __slots__ = ("_patience",)

    def __init__(self, *arguments: Any, patience: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._patience = patience

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=self._patience if timeout is None else timeout)


async def connect(settings: Settings, *, size: int = 4, patience: float = 60.0) -> Pool:
    """A pool. `patience`: seconds to wait for a connection, and for each statement. Raises Unavailable."""
    try:
        return await PatientPool(
            for_writing(dsn_of(settings)),
            patience=patience,
            min_size=1,
            max_size=size,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            command_timeout=patience,
            timeout=5,
            server_settings=NAMED,
        )
    except LOST as fault:
        raise Unavailable(f"Postgres does not answer: {reason_of(fault)}") from fault


async def connect_alone(settings: Settings) -> asyncpg.Connection[Any]:
    """A session outside of any pool, for one that lasts long or holds a lock. Raises Unavailable."""
    try:
        return await open_session(for_writing(dsn_of(settings)), deadline=5)
    except LOST as fault:
        raise Unavailable(f"Postgres does not answer: {reason_of(fault)}") from fault


async def open_session(dsn: str, *, deadline: float, patience: float | None = None) -> asyncpg.Connection[Any]:
    """A session with exactly this host. `deadline`: seconds to connect; `patience`: seconds for each statement, no limit if None.
    Raises asyncpg's errors."""
    return await asyncpg.connect(dsn, timeout=deadline, command_timeout=patience, server_settings=NAMED)

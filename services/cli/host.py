"""What the operator's commands need: the broker, the database and the files of an installation.

The clients of Kafka and Postgres take longer to load than most commands take in all. So these commands import them inside the
functions that use them, and print their help without them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from domain.ports import reason_of
from services.cli.failures import fail
from services.cli.terminal import progress_bar, settings_or_fail, telling
from services.settings import BadSetting, Settings

Result = TypeVar("Result")
TellBar = Callable[[str, int, int], None]
"""Long work calls it to report progress: (the step under way, how much is done, of how much)."""


def reaching(data: Path | None) -> Settings:
    """Settings that name a broker and a database: those that were given, or those that run on the data folder."""
    from services.logs import quiet
    from services.runtime.data_folder import Folder

    settings = settings_or_fail(data=data)
    quiet()
    try:
        settings = Folder(settings.data).reached(settings) or settings
    except BadSetting as fault:
        fail(str(fault))
    if not settings.kafka:
        fail(
            f"Nothing is running on {settings.data}. Start `keytrail up`, name the folder that it runs on (--data or "
            "KEYTRAIL_DATA), or name a broker in KEYTRAIL_KAFKA."
        )
    return settings


def reaching_broker_and_database(data: Path | None) -> Settings:
    """As `reaching`, for a command that also needs the database."""
    settings = reaching(data)
    if not settings.postgres:
        fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`.")
    return settings


def result_or_exit(work: Callable[[TellBar], Coroutine[Any, Any, Result]], why: str = "") -> Result:
    """Does the work and shows a progress bar. A fault of the host ends the command with its message, with `why` before it."""
    import asyncio

    try:
        with progress_bar() as progress:
            return asyncio.run(work(telling(progress)))
    except host_faults() as fault:
        fail(f"{why}{reason_of(fault)}")


def unreachable() -> tuple[type[BaseException], ...]:
    """The errors that mean that the broker or the database does not answer."""
    from services.adapters.postgres import UNREACHABLE

    return UNREACHABLE


def host_faults() -> tuple[type[BaseException], ...]:
    """The errors of work on a host whose message is meant for the user."""
    from domain.log.codec import Unreadable
    from domain.ports import LogRefused, OutOfRange
    from services.adapters.bundled.jars import DownloadFailed
    from services.adapters.bundled.postgres import PostgresFailed
    from services.adapters.master_key import MasterKeyRefused
    from services.adapters.vault import AlreadyRotating, NoVault
    from services.adapters.writer_requests import NotYet
    from services.backup.restoration import NotEmpty
    from services.backup.sealed_file import BadBackup
    from services.ownership import NotOurs
    from services.runtime.data_folder import ClockRefused, FolderInUse
    from services.supervisor.patience import CannotStart

    refusals = (
        AlreadyRotating,
        BadBackup,
        BadSetting,
        CannotStart,
        ClockRefused,
        DownloadFailed,
        FolderInUse,
        LogRefused,
    )
    more = (MasterKeyRefused, NotEmpty, NotOurs, NotYet, NoVault, OutOfRange, PostgresFailed, Unreadable)
    return (*refusals, *more, *unreachable())

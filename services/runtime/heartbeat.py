"""A file that says that a process is alive, for whoever watches it and cannot ask it: only API workers always have a port.

The event loop itself touches the file. So it grows old if the process hangs, whatever the reason, and not only if it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from services.logs import logger_of
from services.settings import Settings

log = logger_of("heartbeat")

BEHIND = ".behind"
EVERY = 5.0
"""Seconds. Probes in deploy/helm take a process for dead after two minutes."""


def forget_former(settings: Settings) -> None:
    """Remove the file that a former process left: what waits for a start would take it for this process's own. Raises OSError."""
    if settings.heartbeat_file:
        Path(settings.heartbeat_file).unlink(missing_ok=True)


def begin_behind(settings: Settings) -> Callable[[], None]:
    """Make a second file, beside that of KEYTRAIL_HEARTBEAT_FILE, and return what removes it. While it is there, the process is
    alive and could not take over yet: whoever replaces one process after another waits for that. Raises OSError."""
    if not settings.heartbeat_file:
        return lambda: None
    file = Path(f"{settings.heartbeat_file}{BEHIND}")
    file.touch(mode=0o600)
    return partial(file.unlink, missing_ok=True)


def keep_beating(settings: Settings) -> None:
    """Touch the file of KEYTRAIL_HEARTBEAT_FILE now, and as long as this event loop runs. Raises OSError."""
    if settings.heartbeat_file:
        _beat(Path(settings.heartbeat_file))


def _beat(file: Path) -> None:
    file.touch(mode=0o600)
    asyncio.get_running_loop().call_later(EVERY, _go_on, file)


def _go_on(file: Path) -> None:
    try:
        _beat(file)
    except OSError as fault:  # perhaps it can be touched again in time
        log.warning("the heartbeat file could not be touched", file=str(file), reason=str(fault))
        asyncio.get_running_loop().call_later(EVERY, _go_on, file)

"""Logs that do not fill the disk: a file that has grown is copied beside itself and emptied, and a few copies are kept.

The children write to their files themselves, so a log goes on when the supervisor is killed. They append, so after a file was
emptied, the next line is at its beginning. A pipe through the supervisor was rejected, since its end would end the children too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from services.logs import logger_of

log = logger_of("supervisor")

KEPT = 3
"""How many older files of each log are kept: NAME.log.1 is the newest."""
LOOK_EVERY = 5.0


def rotate(path: Path, most: int) -> bool:
    """Rotate the log if it has `most` bytes or more. Returns whether it did. Raises OSError."""
    if not path.is_file() or path.stat().st_size < most:
        return False
    for number in range(KEPT, 1, -1):
        younger = _older(path, number - 1)
        if younger.exists():
            younger.replace(_older(path, number))
    with path.open("rb") as written, _older(path, 1).open("wb") as kept:
        # Until nothing more comes: only lines that are written between the last look and the emptying could be lost.
        while written.tell() < path.stat().st_size:
            shutil.copyfileobj(written, kept)
        os.truncate(path, 0)
    return True


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


async def keep_rotating(paths: Callable[[], Iterable[Path]], most: int) -> None:
    """Rotate until it is cancelled. If the disk is full, the log is emptied; nothing else on the disk is lost."""
    while True:
        for path in paths():
            try:
                await asyncio.to_thread(rotate, path, most)
            except OSError as fault:
                log.warning("a log cannot be kept; it is emptied", name=path.name, fault=fault.strerror)
                with suppress(OSError):
                    os.truncate(path, 0)
        await asyncio.sleep(LOOK_EVERY)

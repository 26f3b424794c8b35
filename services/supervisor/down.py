"""`keytrail down`: asks the `keytrail up` of a data folder to end, and ends what a killed one left behind."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from services.ownership import owner_of, trusted
from services.runtime.data_folder import Folder, FolderInUse
from services.supervisor.up import StartProgress

LOOK_EVERY = 0.2
FREE_WITHIN = 40.0
"""Longer than another `keytrail down` may take to end what a killed run left; see Folder.clean_up."""
ENDED_WITHIN = 150.0
"""Longer than an orderly end may take; see Supervisor.stop."""


class CannotStop(Exception):
    """The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Stopped:
    process: int | None = None
    """The id of the `keytrail up` that was asked to end, and has ended; None if none ran."""
    left: list[str] = field(default_factory=list)
    """The names of processes that a killed `keytrail up` had left behind, and that were ended here."""


def stop(folder: Folder, tell: StartProgress) -> Stopped:
    """Return once nothing runs on the folder. Raises CannotStop, NotOurs."""
    try:
        _require_may(folder)
        asked = None if _is_free(folder) else _end_of_owner(folder, tell)
        if asked is not None and not _is_free_soon(folder):
            raise CannotStop(
                f"Process {asked} has ended, and another one runs on {folder.path} now: something starts `keytrail up` again, "
                "a service of systemd for instance. Stop it there."
            )
        tell("ending what a killed run left behind", 0, 0)
        return Stopped(asked, folder.clean_up())
    except PermissionError as fault:
        raise _belongs_to(Path(str(fault.filename or folder.path))) from None


def _require_may(folder: Folder) -> None:
    """Raises CannotStop, PermissionError."""
    try:
        found = folder.path.stat()
        folder.lock_file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise CannotStop(
            f"There is no installation in {folder.path}: name the folder that `keytrail up` was started with (--data or "
            "KEYTRAIL_DATA)."
        ) from None
    if found.st_uid not in trusted():
        raise _belongs_to(folder.path)


def _belongs_to(path: Path) -> CannotStop:
    while not _is_seen(path):
        path = path.parent
    return CannotStop(f"{path} belongs to {owner_of(path)}: run `keytrail down` as that user.")


def _is_seen(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _is_free(folder: Folder) -> bool:
    """If so, others are kept from it until this process ends."""
    try:
        folder.lock()
    except FolderInUse:
        return False
    return True


def _is_free_soon(folder: Folder) -> bool:
    """Another `keytrail down` has the folder for a moment."""
    ends = time.monotonic() + FREE_WITHIN
    while not _is_free(folder):
        if time.monotonic() > ends:
            return False
        time.sleep(LOOK_EVERY)
    return True


def _end_of_owner(folder: Folder, tell: StartProgress) -> int | None:
    """Ask the process that owns the folder to end, once, and wait for it. Returns its id; None if it ended by itself.

    Raises CannotStop, PermissionError.
    """
    if folder.restoring.exists():
        raise CannotStop(
            f"A restore onto {folder.path} is under way: let it finish, or end it with Ctrl-C where it runs. What it wrote is "
            "then of no use."
        )
    owner = _owner(folder)
    if owner is None:
        return None
    running = folder.state()
    children = [*running.children.values()] if running is not None else []
    with contextlib.suppress(psutil.NoSuchProcess):
        owner.terminate()
    ends = time.monotonic() + ENDED_WITHIN
    while _runs(owner):
        tell("stopping", sum(not psutil.pid_exists(pid) for pid, _ in children), len(children))
        if time.monotonic() > ends:
            raise CannotStop(
                f"Process {owner.pid} was asked to end {ENDED_WITHIN:.0f} s ago, and still runs: {folder.logs} says what it "
                f"waits for. Run `keytrail down` again to wait on, or kill -9 {owner.pid} and run it again."
            )
        with contextlib.suppress(psutil.TimeoutExpired):
            owner.wait(LOOK_EVERY)
    return owner.pid


def _owner(folder: Folder) -> psutil.Process | None:
    """The process that has the folder's lock; None if it has ended. Raises CannotStop, PermissionError."""
    ends, unseen = time.monotonic() + FREE_WITHIN, None
    while time.monotonic() < ends:
        for said in folder.said_owners():
            try:
                process = psutil.Process(said)
                # Another process may have the id of an owner that was killed. It does not have the lock's file open.
                if _has_open(process, folder.lock_file):
                    return process
            except psutil.NoSuchProcess:
                continue
            except PermissionError as fault:  # another user's, so most likely it only has the id of one that was killed
                unseen = fault
        time.sleep(LOOK_EVERY)
        if _is_free(folder):
            return None
    if unseen is not None:
        raise unseen
    raise CannotStop(
        f"{folder.lock_file} is locked, and does not say by which process: find it (fuser {folder.lock_file}), and end it."
    )


def _has_open(process: psutil.Process, path: Path) -> bool:
    """Raises PermissionError, psutil.NoSuchProcess."""
    try:
        return str(path) in {each.path for each in process.open_files()}
    except psutil.AccessDenied:
        raise PermissionError(None, None, f"/proc/{process.pid}") from None


def _runs(process: psutil.Process) -> bool:
    """A zombie has ended: its parent has only not asked yet how."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

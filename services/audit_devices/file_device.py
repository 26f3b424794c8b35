"""A file of JSON lines. It is rotated by size and age, and only its owner can read it.

A batch is in the file for good when it is flushed to the disk. What a killed process or a full disk left of a batch is cut
off: a part of a line, since whole lines may be written twice but no line may be half. After a power cut the file may have its new
size, and zeros in the place of what was not flushed (ext4 and XFS, delayed allocation). Those are cut off with all behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import glob
import os
import stat
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import FileDeviceSettings
from services.audit_devices.lines import Rendering
from services.audit_devices.records import DeviceRecord
from services.durable import flush
from services.logs import logger_of
from services.ownership import NotOurs, require_unswappable, trusted

log = logger_of("audit-devices")

MODE = 0o600
STAMP = "%Y%m%dT%H%M%S.%fZ"
"""In the name of a rotated file: when it was rotated."""
LOOKED_BACK = 65_536
"""How many bytes of a file are searched at a time, for its last line break or for zeros."""
UNFLUSHED = 67_108_864
"""More bytes than the lines of a batch have: what stands before them was flushed, and is not searched for zeros."""


class FileDevice:
    """Blocking work is in threads. Only one call runs at a time."""

    def __init__(self, settings: FileDeviceSettings, rendering: Rendering) -> None:
        self._settings, self._rendering = settings, rendering
        self._path = settings.path
        self._lock = -1
        self._file = -1
        self._size = 0
        """Up to where the file is flushed and whole."""
        self._writes = 0

    async def open(self) -> None:
        self._writes = 0
        await asyncio.to_thread(self._guarded_open)

    def _guarded_open(self) -> None:
        try:
            self._take_lock()
            self._open_file()
        except (NotOurs, OSError) as fault:
            raise self._failed(fault) from fault

    def _failed(self, fault: NotOurs | OSError) -> DeviceFailed:
        folder = self._path.parent
        if isinstance(fault, FileNotFoundError) and not folder.is_dir():
            return DeviceFailed(
                f"there is no folder {folder}: make it, so that only Keytrail's user can enter it (mkdir -m 700)"
            )
        return DeviceFailed(str(fault) if isinstance(fault, NotOurs) else f"{self._path}: {fault.strerror}")

    def _take_lock(self) -> None:
        """The lock is a file of its own: rotation gives the other one a new name. Its time is when the present file began."""
        if self._lock >= 0:
            return
        require_unswappable(self._path.parent)
        beside = self._path.with_name(f".{self._path.name}.lock")
        lock = _own_file(beside)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise DeviceFailed(
                f"another process writes to {self._path}: give each audit device a file of its own, and end the other process"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def _open_file(self) -> None:
        self._close_file()
        new = not os.path.lexists(self._path)
        file = _own_file(self._path)
        if os.pread(file, 1, 0) == b"\0":
            os.close(file)
            self._put_aside()
            new, file = True, _own_file(self._path)
        try:
            if new:
                os.utime(self._lock)
            flush(self._path.parent)  # also where a process made the file and was killed before it did this
            size = os.fstat(file).st_size
            whole = _whole(file, size)
        except BaseException:
            os.close(file)
            raise
        self._file, self._size = file, whole
        if self._size < size:
            log.warning(
                "a file ended in a part of a line or in zeros, which were cut off",
                file=str(self._path),
                bytes=size - self._size,
            )
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)

    def _put_aside(self) -> None:
        """Nothing of such a file was flushed, unless logrotate cut it off while a batch was written. So it is not removed."""
        aside = self._path.with_name(f"{self._path.name}.{self._stamp()}.torn")
        self._path.rename(aside)
        log.warning("a file began with zeros and was put aside", file=str(self._path), aside=str(aside))

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        await asyncio.to_thread(self._write, b"".join(self._rendering(each) + b"\n" for each in records))
        self._writes += 1

    def _write(self, lines: bytes) -> None:
        try:
            self._rotate_if_due()
            self._append(lines)
        except (
            NotOurs,
            OSError,
        ) as fault:  # somebody may have put a file of theirs in the place of one that was moved away
            self._cut_off()
            raise self._failed(fault) from fault

    def _append(self, lines: bytes) -> None:
        left, at = memoryview(lines), self._size
        while left:
            written = os.pwrite(self._file, left, at)
            left, at = left[written:], at + written
        os.fdatasync(self._file)
        self._size = at

    def _cut_off(self) -> None:
        """Remove what is there of a batch that failed. After a failed flush nobody knows what the disk has, so the file is
        opened anew before the next attempt."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._size)
        self._close_file()

    def _rotate_if_due(self) -> None:
        if not self._is_as_left():
            self._open_file()
        age = time.time() - os.fstat(self._lock).st_mtime
        large = 0 < self._settings.rotate_bytes <= self._size
        old = 0 < self._settings.rotate_seconds <= abs(age)  # below zero, the clock was set back since the file began
        if not self._size or not (large or old):
            return
        self._path.rename(self._path.with_name(f"{self._path.name}.{self._stamp()}"))
        self._open_file()
        self._remove_oldest()

    def _stamp(self) -> str:
        """By it a file is kept or removed, so it is later than every other, also after the clock was set back."""
        now = datetime.now(UTC)
        for newest in rotated(self._path)[-1:]:
            with contextlib.suppress(ValueError, OverflowError):  # a name that somebody else gave
                last = datetime.strptime(newest.name.removeprefix(f"{self._path.name}."), STAMP).replace(tzinfo=UTC)
                now = max(now, last + timedelta(microseconds=1))
        return now.strftime(STAMP)

    def _is_as_left(self) -> bool:
        """Whether the file is there as the last batch left it. Somebody may have moved it away, as logrotate does, or cut it off,
        as logrotate does with `copytruncate`: lines behind its end would stand behind a hole."""
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file)) and there.st_size == self._size

    def _remove_oldest(self) -> None:
        if not self._settings.keep:
            return
        for each in rotated(self._path)[: -self._settings.keep]:
            each.unlink(missing_ok=True)

    async def kept(self) -> int:
        return self._writes

    async def close(self) -> None:
        self._close_file()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close_file(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            with contextlib.suppress(OSError):
                os.close(file)


def _own_file(path: Path) -> int:
    """The descriptor of a file that is made if it is missing. Raises NotOurs if it belongs to somebody else, who could read what
    is in it; OSError, also for a link: whoever put it there would choose what grows."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, MODE)
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in trusted() or not stat.S_ISREG(found.st_mode):
            raise NotOurs(f"{path} is not a file of our own: remove it, or choose another path.")
        torn = os.pread(descriptor, 1, 0) == b"\0" and stat.S_IMODE(found.st_mode) == MODE
        if not torn and os.pread(descriptor, 1, 0) not in (b"", b"{"):  # its mode and its last line are somebody's
            raise NotOurs(f"{path} holds something else than what an audit device writes: choose another path.")
        os.fchmod(descriptor, MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _whole(file: int, size: int) -> int:
    """Where the last whole line of an open file ends, before whatever a power cut left."""
    end = _before_zeros(file, size)
    while end > 0:
        start = max(0, end - LOOKED_BACK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _before_zeros(file: int, size: int) -> int:
    """Where the zeros of a power cut begin; `size` if there are none."""
    for start in range(max(0, size - UNFLUSHED), size, LOOKED_BACK):
        found = os.pread(file, min(LOOKED_BACK, size - start), start).find(b"\0")
        if found >= 0:
            return start + found
    return size


def rotated(path: Path) -> list[Path]:
    """The files that rotation made of the one at `path`, oldest first."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.[0-9]*T[0-9]*Z"))

"""What a file device promises besides: rotation, one process at a time, whole lines, and a real disk that is full."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import FileDeviceSettings
from services.audit_devices.file_device import FileDevice, rotated
from services.audit_devices.lines import rendering
from services.audit_devices.records import DeviceRecord

AT = "2026-11-29T09:00:00.000000Z"


def records(first: int, count: int = 1, size: int = 0) -> list[DeviceRecord]:
    return [
        DeviceRecord(str(number), AT, {"call_id": "c", "number": number, "x": "x" * size})
        for number in range(first, first + count)
    ]


def numbers(path: Path) -> list[int]:
    """Of every whole line, in the order in which the files were written."""
    files = [*rotated(path), path]
    return [json.loads(line)["number"] for each in files for line in each.read_text("ascii").split("\n")[:-1]]


@pytest.fixture
def settings(tmp_path: Path) -> FileDeviceSettings:
    folder = tmp_path / "audit"
    folder.mkdir(mode=0o700)
    return FileDeviceSettings(name="archive", path=folder / "decisions.jsonl", rotate_bytes=0, rotate_seconds=0, keep=0)


def made(settings: FileDeviceSettings) -> FileDevice:
    return FileDevice(settings, rendering("json", "us-east-1"))


@pytest.fixture
async def device(settings: FileDeviceSettings) -> AsyncIterator[FileDevice]:
    found = made(settings)
    await found.open()
    yield found
    await found.close()


async def test_a_file_is_rotated_by_size_and_as_many_are_kept_as_are_wanted(settings: FileDeviceSettings) -> None:
    device = made(replace(settings, rotate_bytes=1000, keep=2))
    await device.open()
    for number in range(10):
        await device.write(records(number, size=600))
    await device.close()
    files = [*rotated(settings.path), settings.path]
    assert [each.stat().st_size for each in files[:-1]] == [files[0].stat().st_size] * 2
    assert numbers(settings.path) == [4, 5, 6, 7, 8, 9]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


async def test_the_oldest_are_removed_also_after_the_clock_was_set_back(settings: FileDeviceSettings) -> None:
    """Otherwise the newest records would be removed, rotation after rotation, until the time of the others comes."""
    ahead = settings.path.with_name(f"{settings.path.name}.29991231T235959.999998Z")
    ahead.write_text("")
    device = made(replace(settings, rotate_bytes=1, keep=2))
    await device.open()
    for number in range(5):
        await device.write(records(number))
    await device.close()
    assert numbers(settings.path) == [2, 3, 4]


async def test_a_file_is_rotated_by_its_age_across_a_restart(settings: FileDeviceSettings) -> None:
    device = made(replace(settings, rotate_seconds=3600))
    await device.open()
    await device.write(records(0))
    await device.close()
    lock = settings.path.with_name(".decisions.jsonl.lock")
    for age, files in ((3500, 0), (3700, 1)):
        os.utime(lock, (time.time() - age,) * 2)
        await device.open()
        await device.write(records(age))
        await device.close()
        assert len(rotated(settings.path)) == files
    assert numbers(settings.path) == [0, 3500, 3700]


async def test_a_file_that_was_begun_under_a_clock_that_was_ahead_is_rotated(settings: FileDeviceSettings) -> None:
    """It was rotated no more until the clock had come to that time. A clock that is ahead a little, as that of a file server may
    be, rotates nothing too early."""
    device = made(replace(settings, rotate_seconds=3600))
    await device.open()
    await device.write(records(0))
    await device.close()
    lock = settings.path.with_name(".decisions.jsonl.lock")
    for ahead, files in ((3500, 0), (365 * 86400, 1)):
        os.utime(lock, (time.time() + ahead,) * 2)
        await device.open()
        await device.write(records(ahead))
        await device.close()
        assert len(rotated(settings.path)) == files
    assert numbers(settings.path) == [0, 3500, 365 * 86400]


async def test_a_file_that_logrotate_moved_away_is_begun_anew(device: FileDevice, settings: FileDeviceSettings) -> None:
    await device.write(records(0))
    moved = settings.path.with_name("moved")
    settings.path.rename(moved)
    await device.write(records(1))
    assert (len(moved.read_text().splitlines()), numbers(settings.path)) == (1, [1])


async def test_a_file_that_logrotate_cut_off_goes_on_at_its_beginning(
    device: FileDevice, settings: FileDeviceSettings
) -> None:
    """With `copytruncate`. Lines at the place where the last one ended would stand behind a hole of zeros."""
    await device.write(records(0, 5))
    os.truncate(settings.path, 0)
    await device.write(records(5))
    assert numbers(settings.path) == [5]


async def test_a_file_of_somebody_else_in_its_place_fails_this_device_alone(
    device: FileDevice, settings: FileDeviceSettings
) -> None:
    """As logrotate makes one with `create 0640 syslog adm`."""
    await device.write(records(0))
    settings.path.rename(settings.path.with_name("moved"))
    os.mkfifo(settings.path)
    with pytest.raises(DeviceFailed, match="not a file of our own"):
        await device.write(records(1))
    settings.path.unlink()
    await device.open()
    await device.write(records(1))
    assert numbers(settings.path) == [1]


@pytest.mark.parametrize("half", ['{"id":"0","num', "x" * 200_000, '{"id":"0"}'])
async def test_half_a_line_is_cut_off_and_no_other(settings: FileDeviceSettings, half: str) -> None:
    device = made(settings)
    for number in range(2):
        await device.open()
        await device.write(records(number))
        await device.close()
        with settings.path.open("a") as file:
            file.write(half)
    await device.open()
    await device.close()
    assert settings.path.read_text("ascii") == "".join(
        f"{json.dumps(each.item, separators=(',', ':'))}\n" for each in records(0, 2)
    )


@pytest.mark.parametrize("zeros", [1, 4096, 3_000_000])
@pytest.mark.parametrize("after", [b"", b'mber":1}\n{"call_id":"c","number":2}\n', b'mber":1}\n{"call'])
async def test_zeros_that_a_power_cut_left_are_cut_off_with_all_behind_them(
    settings: FileDeviceSettings, zeros: int, after: bytes
) -> None:
    """A file system may keep a file's new size and lose what was written, or keep a later part of it (ext4 and XFS, delayed
    allocation). The position has not moved past what was not flushed, so it comes again."""
    device = made(settings)
    await device.open()
    await device.write(records(0, 2))
    await device.close()
    whole = settings.path.read_bytes()
    settings.path.write_bytes(whole + b'{"call_id":"c","nu' + b"\0" * zeros + after)
    await device.open()
    assert settings.path.read_bytes() == whole
    await device.write(records(2))
    await device.close()
    assert numbers(settings.path) == [0, 1, 2]


@pytest.mark.parametrize("after", [b"", b'mber":1}\n{"call_id":"c","number":2}\n'])
async def test_a_file_that_begins_with_zeros_is_put_aside_and_begun_anew(
    settings: FileDeviceSettings, after: bytes
) -> None:
    """Its first batch was not flushed when the power went. The device took it for somebody else's file at every start."""
    settings.path.write_bytes(b"\0" * 5000 + after)
    settings.path.chmod(0o600)
    device = made(settings)
    await device.open()
    await device.write(records(0))
    await device.close()
    [aside] = settings.path.parent.glob("decisions.jsonl.*.torn")
    assert (numbers(settings.path), rotated(settings.path)) == ([0], [])
    assert (aside.read_bytes(), stat.S_IMODE(aside.stat().st_mode)) == (b"\0" * 5000 + after, 0o600)


async def test_a_file_of_zeros_that_others_can_read_is_not_ours(settings: FileDeviceSettings) -> None:
    """A disk's image, for instance. A device makes its file with mode 0600."""
    settings.path.write_bytes(b"\0" * 5000)
    settings.path.chmod(0o644)
    with pytest.raises(DeviceFailed, match="something else than what an audit device writes"):
        await made(settings).open()
    assert settings.path.stat().st_size == 5000


async def test_a_file_with_something_else_in_it_is_left_alone(settings: FileDeviceSettings) -> None:
    """Somebody made a mistake in the path: its last line without a break would be cut off as half of one, and its mode changed."""
    settings.path.write_text("root:x:0:0\nlast line")
    settings.path.chmod(0o644)
    with pytest.raises(DeviceFailed, match="something else than what an audit device writes"):
        await made(settings).open()
    assert settings.path.read_text() == "root:x:0:0\nlast line"
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o644


async def test_a_folder_that_is_not_there_is_named(settings: FileDeviceSettings) -> None:
    """And not the file in it, which Keytrail would make itself. Once it is there, the device works."""
    folder = settings.path.parent / "gone"
    device = made(replace(settings, path=folder / "decisions.jsonl"))
    with pytest.raises(DeviceFailed, match=f"^there is no folder {folder}: make it"):
        await device.open()
    folder.mkdir(mode=0o700)
    await device.open()
    await device.write(records(0))
    await device.close()
    assert numbers(folder / "decisions.jsonl") == [0]


async def test_two_processes_do_not_write_to_one_file(device: FileDevice, settings: FileDeviceSettings) -> None:
    other = made(settings)
    with pytest.raises(DeviceFailed, match="another process writes to"):
        await other.open()
    await device.close()
    await other.open()
    await other.close()


async def test_what_others_could_read_or_exchange_is_not_written_to(
    settings: FileDeviceSettings, tmp_path: Path
) -> None:
    device = made(settings)
    settings.path.parent.chmod(0o777)
    with pytest.raises(DeviceFailed, match="Others may write to"):
        await device.open()
    settings.path.parent.chmod(0o700)
    settings.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceFailed):
        await device.open()
    settings.path.unlink()
    os.mkfifo(settings.path)
    with pytest.raises(DeviceFailed, match="not a file of our own"):
        await device.open()
    settings.path.unlink()
    settings.path.touch(mode=0o644)
    await device.open()
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600
    await device.close()
    if os.geteuid() == 0:
        os.chown(settings.path, 65534, 65534)
        with pytest.raises(DeviceFailed, match="not a file of our own"):
            await device.open()
        os.chown(settings.path.parent, 65534, 65534)
        with pytest.raises(DeviceFailed, match="who could change it"):
            await made(settings).open()
    await device.close()


@pytest.fixture
def small_disk(settings: FileDeviceSettings) -> Iterator[Path]:
    folder = settings.path.parent
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounts a small file system, as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1m", str(folder)], check=True)


async def test_a_full_disk_leaves_whole_lines_and_goes_on_when_there_is_space(
    settings: FileDeviceSettings, small_disk: Path
) -> None:
    device = made(settings)
    await device.open()
    await device.write(records(0, 10, size=1000))
    for _ in range(3):
        with pytest.raises(DeviceFailed, match="No space left on device"):
            await device.write(records(10, 100, size=1000))
        assert numbers(settings.path) == list(range(10))
        await device.open()
        assert await device.kept() == 0, "what it did not take is not done"
    enlarge(small_disk)
    await device.write(records(10, 100, size=1000))
    assert (await device.kept(), numbers(settings.path)) == (1, list(range(110)))
    await device.close()

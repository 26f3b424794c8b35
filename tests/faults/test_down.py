"""`keytrail down`: what runs on a folder ends, and nothing else; twice is once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from services.runtime.data_folder import ClockRefused, Folder, FolderInUse, Running, start_of
from services.supervisor.down import CannotStop, Stopped, stop
from services.supervisor.forks import THERE
from tests.attacks.test_local_user import NOBODY, as_root, somebody_else
from tests.faults.test_supervisor import _of_folder, _runs_below, gone
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually

WITHIN = 120
FEW_LOOKS, LOOKS = 2000, 5000
"""Those of `make test` and of `make soak`. The fault showed within 1,200 of them."""


def down(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """As it is typed."""
    command = [str(KEYTRAIL), "down", "--data", str(data), *options]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=WITHIN, check=False)


def done_on(data: Path) -> tuple[int, str]:
    """The same command without the start of Python, which the tests of what it finds in a folder have no use for."""
    return said(forked().run([str(KEYTRAIL), "down", "--data", str(data)], clean_environment(), WITHIN))


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stdout + done.stderr


def ended_in_order(up: subprocess.Popen[str] | None) -> bool:
    """Also with the code of a start that is broken off: it answers a moment before it knows that it is ready."""
    return up is not None and up.wait(WITHIN) in (0, 130)


def process_of(installation: Installation) -> int:
    assert installation.up is not None, "it runs"
    return installation.up.pid


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that these tests stop, kill and start, in their order. Its folder's name has what a DSN or a shell reads in
    a way of its own."""
    folder = tmp_path_factory.mktemp("own") / "jané@corp.example #1" / 'kms@2 +10% & "${HOME}" $(false) `\\t more'
    folder.parent.mkdir(mode=0o700)
    with Installation(folder, own="its servers have to end", variables={THERE: ""}) as running:
        yield running


def test_everything_ends_in_order_and_the_data_is_there_after_the_next_start(own: Installation) -> None:
    kms = own.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    assert own.up is not None, "it runs"
    children = [*own.children(), *psutil.Process(own.up.pid).children()]
    code, text = said(down(own.data))
    assert code == 0
    assert ended_in_order(own.up)
    assert gone(children)
    assert f": process {own.up.pid}, and all that it ran\n" in text
    assert f"The data stays in {own.data}; `keytrail up` goes on with it.\n" in text
    del own.extra[THERE]  # a fork server of its own takes a second to start, and has ended
    own.start()
    assert own.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"


def test_nothing_is_kept_beside_the_data_folder(own: Installation) -> None:
    """Kafka read the path as Latin-1, with escapes, and kept its data where nobody looks for them."""
    above = own.data.parents[1]
    assert [each.name for each in above.iterdir() if each.is_dir()] == [own.data.parent.name]
    assert [each.name for each in own.data.parent.iterdir() if each.is_dir()] == [own.data.name]
    assert (own.data / "kafka" / "data" / "meta.properties").exists()


def test_two_at_once_and_another_after_them_stop_it_once(own: Installation) -> None:
    """The second one's signal broke off the orderly end that the first one had asked for, and servers were left."""
    children, process = own.children(), process_of(own)
    command = [str(KEYTRAIL), "down", "--data", str(own.data), "--json"]
    both = [subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [json.loads(each.communicate(timeout=WITHIN)[0]) for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert {each["process"] for each in found} <= {process, None}
    assert [each["left_behind"] for each in found] == [[], []]
    assert ended_in_order(own.up)
    assert gone(children)
    assert done_on(own.data) == (0, f"Nothing runs on {own.data}.\n")
    own.start()


def test_what_a_killed_up_left_behind_is_ended(own: Installation) -> None:
    children, names = own.children(), {*(Folder(own.data).state() or pytest.fail("it runs")).children}
    assert own.up is not None, "it runs"
    own.up.kill()
    own.up.wait()
    assert not gone(children)
    found = json.loads(down(own.data, "--json").stdout)
    assert gone(children)
    assert (found["process"], {*found["left_behind"]}) == (None, names)
    assert done_on(own.data) == (0, f"Nothing runs on {own.data}.\n")
    own.start()


def test_a_step_of_the_clock_hides_no_process(own: Installation) -> None:
    """An installation whose machine got its time after the start counted as ended, and what a killed `up` left was not found: the
    next start found its ports, and the broker's folder, taken by it."""
    folder, children = Folder(own.data), own.children()
    running = folder.state() or pytest.fail("it runs")
    # The clock of this machine cannot be set. What is kept is moved instead: the difference between the two is what counts.
    moved = {name: (pid, started - 3600) for name, (pid, started) in running.children.items()}
    folder.keep_state(replace(running, children=moved))
    looked = [json.loads(each) for each in own.keytrail("doctor", "--json", check=False).stdout.splitlines()]
    assert [each["verdict"] for each in looked if each["check"] == "processes"] == ["ok"]
    assert own.up is not None, "it runs"
    own.up.kill()
    own.up.wait()
    found = json.loads(down(own.data, "--json").stdout)
    assert gone(children)
    assert {*found["left_behind"]} == {*running.children}
    own.start()


def test_a_reused_id_is_not_one_of_ours_though_the_clock_says_so(tmp_path: Path) -> None:
    """After a restart of the machine, what starts with it has the same ids as before, at the same times."""
    process = psutil.Process()
    children = {"writer-1": (process.pid, process.create_time())}
    boot, ticks = start_of(process.pid).split()
    starts = {"": True, f"{boot} {ticks}": True, f"{boot} {int(ticks) + 1}": False, f"another {ticks}": False}
    found = {
        start: Running(1, 1, "", "", "", children=children, starts={"writer-1": start}).process("writer-1") is not None
        for start in starts
    }
    assert found == starts


def test_a_state_of_a_version_that_kept_no_starts_is_read(tmp_path: Path) -> None:
    folder, process = Folder(tmp_path / "data"), psutil.Process()
    with folder.lock():
        folder.keep_state(Running(1, 1, "", "", "", children={"writer-1": (process.pid, process.create_time())}))
    running = folder.state() or pytest.fail("it is read")
    assert running.process("writer-1") == process


@pytest.mark.parametrize("rubbish", ["", "[]", "[" * 100_000, '{"writer-1": 5}', '{"writer-1": [%s]}' % ("9" * 400)])
def test_starts_that_are_rubbish_hide_no_process(rubbish: str, tmp_path: Path) -> None:
    folder, process = Folder(tmp_path / "data"), psutil.Process()
    children = {"writer-1": (process.pid, process.create_time())}
    with folder.lock():
        folder.keep_state(Running(1, 1, "", "", "", children=children, starts={"writer-1": start_of(process.pid)}))
    folder.starts_file.write_text(rubbish)
    running = folder.state() or pytest.fail("it is read")
    assert (running.starts, running.process("writer-1")) == ({}, process)


def test_starts_of_a_former_process_are_not_those_of_the_next(tmp_path: Path) -> None:
    """0.1.0 was put back, kept what it runs, and was killed: what this version had run there has nothing to say any more."""
    folder, process = Folder(tmp_path / "data"), psutil.Process()
    former = Running(1, 1, "", "", "", children={"writer-1": (5, 1.0)}, starts={"writer-1": "a boot 1"})
    with folder.lock():
        folder.keep_state(former)
    kept = json.loads(folder.state_file.read_text())
    kept["children"] = {"writer-1": (process.pid, process.create_time())}
    folder.state_file.write_text(json.dumps(kept))
    running = folder.state() or pytest.fail("it is read")
    assert (running.starts, running.process("writer-1")) == ({}, process)


@as_root
def test_another_users_folder_is_left_alone_with_that_users_name(own: Installation, tmp_path: Path) -> None:
    """Root is told too: a folder of another user's could lead it to any process."""
    theirs = tmp_path / "theirs"
    (theirs / "run").mkdir(parents=True)
    (theirs / "run" / "lock").touch()
    for path in (theirs, theirs / "run"):
        shutil.chown(path, "nobody")
    assert done_on(theirs) == (1, f"error: {theirs} belongs to user nobody: run `keytrail down` as that user.\n")
    with somebody_else(), pytest.raises(CannotStop, match=r"belongs to user root: run `keytrail down` as that user\."):
        stop(Folder(own.data), lambda what, done, of: None)
    assert own.healthy()


def test_ctrl_c_twice_leaves_nothing_behind(own: Installation) -> None:
    children = own.children()
    assert own.up is not None, "it runs"
    log = own.data.with_suffix(".up.log")
    before = log.read_text().count("stopping")
    own.up.send_signal(signal.SIGINT)
    eventually(lambda: log.read_text().count("stopping") > before)
    own.up.send_signal(signal.SIGINT)
    assert ended_in_order(own.up)
    assert gone(children)


def test_a_start_that_is_under_way_is_ended_too(tmp_path: Path) -> None:
    starting = Installation(tmp_path / "data", own="they are what is broken off")
    up = subprocess.Popen(starting.command(), env=starting.environment(), stderr=subprocess.DEVNULL)
    eventually((starting.data / "run" / "lock").exists)
    assert said(down(starting.data))[0] == 0
    assert up.wait(10) == 130
    assert not (starting.data / "run" / "state.json").exists()


@pytest.mark.soak
def test_what_a_start_that_was_killed_brings_into_being_is_ended(tmp_path: Path) -> None:
    """Postgres comes up by itself once it is being started, and nothing said yet that it exists."""
    starting = Installation(tmp_path / "data", own="they are what a killed start leaves")
    up = subprocess.Popen(starting.command(), env=starting.environment(), stderr=subprocess.DEVNULL)
    ends = time.monotonic() + WITHIN
    while not _runs_below(up.pid, "pg_ctl"):  # without a pause: it runs for a quarter of a second
        assert time.monotonic() < ends, "Postgres was never started"
    up.kill()
    up.wait()
    found = json.loads(down(starting.data, "--json").stdout)
    assert "postgres" in found["left_behind"]
    assert _of_folder(tmp_path, "") == []


RESTORING = """
import asyncio, os, pathlib, signal, sys
from services.settings import load
from services.supervisor.up import Supervisor
asyncio.run(Supervisor(load(data=pathlib.Path(sys.argv[1])), lambda *_: None).start_servers())
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A restore that is killed when its servers run."""


@pytest.mark.soak
@pytest.mark.parametrize("next_is", ["a start", "a restore"])
def test_what_a_killed_restore_left_is_ended_before_its_folder_is_refused(tmp_path: Path, next_is: str) -> None:
    """Whoever then emptied the folder, as he is told, took away what says which processes there are: they ran on without one."""
    data = tmp_path / "data"
    restoring = [sys.executable, "-c", RESTORING, str(data)]
    subprocess.run(restoring, env=clean_environment(), check=False, timeout=WITHIN)
    assert {"kafka", "postgres"} == {*(Folder(data).state() or pytest.fail("it was killed")).children}
    assert _of_folder(tmp_path, "postgres") != []
    start = [str(KEYTRAIL), "up", "--data", str(data)]
    again = subprocess.run(
        start if next_is == "a start" else restoring, env=clean_environment(), check=False, timeout=WITHIN,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ("was broken off" if next_is == "a start" else "is not empty") in again.stderr
    assert _of_folder(tmp_path, "") == []


@pytest.mark.soak
def test_a_version_that_does_not_write_its_id_to_the_lock_is_found(tmp_path: Path) -> None:
    """It is that of an earlier owner, whose id another process may have: that one is no owner, and nothing happens to it."""
    with Installation(tmp_path / "data") as running, subprocess.Popen(["sleep", "600"]) as bystander:
        for left in ("", str(bystander.pid)):
            if left:
                running.start()
            (running.data / "run" / "lock").write_text(left)
            assert said(down(running.data))[0] == 0
            assert ended_in_order(running.up)
        assert bystander.poll() is None
        bystander.kill()


def test_a_folder_without_an_installation_is_named_and_not_made(tmp_path: Path) -> None:
    code, text = done_on(tmp_path / "typo")
    assert (code, text.startswith(f"error: There is no installation in {tmp_path}/typo: name the folder")) == (1, True)
    assert list(tmp_path.iterdir()) == []


TAKING = """
import sys, pathlib, services.runtime.data_folder as it
folder = it.Folder(pathlib.Path(sys.argv[1]))
folder.take()
folder.restoring.touch()
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_restore_is_not_broken_off(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKING, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as restoring:
        assert restoring.stdout is not None, "it is a pipe"
        restoring.stdout.readline()
        code, text = done_on(tmp_path / "data")
        assert (code, "A restore onto" in text, "let it finish" in text) == (1, True, True)
        assert restoring.poll() is None
        restoring.communicate()


@pytest.mark.parametrize("left", ["-5", "0", "99999999999999999999", "rubbish", "\0", "9" * 5000])
def test_a_lock_that_says_rubbish_is_nobodys(left: str, tmp_path: Path) -> None:
    """-5 ended the command with a traceback. To a signal it means a group of processes."""
    folder = Folder(tmp_path / "data")
    with folder.lock():
        folder.lock_file.write_text(left)
        assert folder.said_owners() == []
    assert done_on(folder.path) == (0, f"Nothing runs on {folder.path}.\n")


@pytest.mark.parametrize("pid", [-5, 0, 1.5, 1 << 70, "rubbish", None])
def test_a_state_that_names_no_process_is_as_none(pid: object, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    with folder.lock():
        folder.keep_state(Running(1, 1, "", "", ""))
    kept = json.loads(folder.state_file.read_text())
    for spoilt in ({"pid": pid}, {"children": {"writer-1": [pid, 1.0]}}, {"children": {"writer-1": pid}}):
        folder.state_file.write_text(json.dumps(kept | spoilt))
        assert (folder.state(), folder.live_state()) == (None, None)
        assert done_on(folder.path) == (0, f"Nothing runs on {folder.path}.\n")


@pytest.mark.parametrize("rubbish", ["", "[" * 100_000, '{"pid": 1, "children": {"writer-1": [1, %s]}}' % ("9" * 400)])
def test_a_state_that_is_rubbish_is_as_none(rubbish: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    with folder.lock():
        folder.keep_state(Running(1, 1, "", "", ""))
    folder.state_file.write_text(rubbish)
    assert done_on(folder.path) == (0, f"Nothing runs on {folder.path}.\n")


@as_root
def test_an_id_in_a_stale_lock_that_another_user_has_now_keeps_nobody_away() -> None:
    """The owner was killed, another user's process has its id now, and another `keytrail down` has the folder for a moment."""

    class LookedAt(Folder):
        def said_owners(self) -> list[int]:
            lock.close()  # the other one has ended
            return super().said_owners()

    with TemporaryDirectory(dir="/tmp") as place, subprocess.Popen(["sleep", "600"]) as bystander:
        try:
            os.chown(place, NOBODY, NOBODY)
            with somebody_else():
                lock = (other := Folder(Path(place) / "data")).lock()
                other.lock_file.write_text(str(bystander.pid))
                looked = LookedAt(other.path)
                assert stop(looked, lambda what, done, of: None) == Stopped()
                assert looked._lock is not None, "it was kept from others to the end"
                looked._lock.close()
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_the_folder_is_looked_at_while_its_owner_replaces_files(tmp_path: Path, soak: bool) -> None:
    """A file that went between being listed and being closed to others ended `keytrail down` with a traceback."""
    owner, ended = Folder(tmp_path / "data"), threading.Event()

    def keep_replacing() -> None:
        while not ended.is_set():
            owner.keep_state(Running(1, 1, "", "", ""))

    with owner.lock(), ThreadPoolExecutor(1) as other:
        replacing = other.submit(keep_replacing)
        try:
            for _ in range(LOOKS if soak else FEW_LOOKS):
                with pytest.raises(FolderInUse):
                    Folder(owner.path).lock()
        finally:
            ended.set()
        replacing.result()


@pytest.mark.parametrize("left", ["", "re", None], ids=["empty", "half written", "missing"])
def test_a_clock_that_was_not_written_whole_is_written_anew(tmp_path: Path, left: str | None) -> None:
    """A full disk at the first start left an empty file. Each later start then said that the folder has a test clock."""
    folder = Folder(tmp_path / "data")
    folder.run.mkdir(parents=True)
    (folder.path / "credentials.json").touch()
    if left is not None:
        (folder.run / "clock").write_text(left)
    folder.require_clock(test=False)
    with pytest.raises(ClockRefused, match="was run with the real clock"):
        folder.require_clock(test=True)

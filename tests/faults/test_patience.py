"""How long a start waits: as long as a part is at work, and no longer than nothing moves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from services.adapters.bundled.postgres import SETTINGS, BundledPostgres
from services.supervisor.patience import STILL, CannotStart, Patience, to_its_end, with_children, work_of
from tests.installation import eventually
from tests.pausing import pause

WORK = 0.2
"""Seconds of processor time that are enough in these tests, which all real processes do."""
BUSY = "while True: pass"
IDLE = "import signal; signal.pause()"


@contextmanager
def running(program: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Watched:
    """A patience with a clock of its own."""

    def __init__(self, *pids: int) -> None:
        self.pids, self.at = list(pids), 0.0
        self.told: list[str] = []
        self.patience = Patience(
            "Kafka", lambda: self.pids, "/srv/logs", self.told.append, seconds_of_work=WORK, now=lambda: self.at
        )

    def look_after(self, seconds: float) -> None:
        self.at += seconds
        self.patience.look()


def _has_worked(pid: int, seconds: float) -> None:
    eventually(lambda: work_of(pid)[0] >= seconds)


def test_a_part_at_work_is_waited_for_and_the_user_is_told() -> None:
    """It was given up after 90 s, and the next start began from the same place."""
    with running(BUSY) as broker:
        watched = Watched(broker.pid)
        for _ in range(5):
            _has_worked(broker.pid, work_of(broker.pid)[0] + WORK)
            watched.look_after(STILL - 1)
    assert watched.told == ["waiting for Kafka, which is still at work (see /srv/logs)"] * 5


def test_the_user_is_told_after_ten_seconds_and_then_every_thirty() -> None:
    watched = Watched()
    told = []
    for second in range(1, 75):
        before = len(watched.told)
        watched.look_after(1)
        told += [second] * (len(watched.told) - before)
    assert told == [10, 40, 70]


def test_a_part_that_only_waits_is_given_up_with_what_it_waits_for_and_what_to_do() -> None:
    with running(IDLE) as broker:
        watched = Watched(broker.pid)
        eventually(lambda: psutil.Process(broker.pid).status() == psutil.STATUS_SLEEPING)
        watched.look_after(1)
        watched.patience.learn("Kafka at localhost:1 does not answer")
        watched.look_after(STILL - 1)
        with pytest.raises(CannotStart) as refused:
            watched.look_after(STILL + 1)
    assert str(refused.value) == (
        "Kafka did not become ready, and nothing has moved for 90 s (Kafka at localhost:1 does not answer): /srv/logs says what "
        "it waits for. Mend that and start again."
    )


def test_a_part_that_dies_again_and_again_does_not_get_on() -> None:
    """Each of its lives has work enough for a part that gets on."""
    watched = Watched()
    with running(BUSY) as first:
        _has_worked(first.pid, 4 * WORK)
        watched.pids = [first.pid]
        watched.look_after(1)
    with running(BUSY) as second:
        _has_worked(second.pid, WORK)
        pause(psutil.Process(second.pid))
        assert WORK <= work_of(second.pid)[0] < 4 * WORK, "it was stopped in time"
        watched.pids = [second.pid]
        with pytest.raises(CannotStart):
            watched.look_after(STILL + 1)


async def test_work_that_nothing_moves_any_more_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with running(IDLE) as broker:
        patience = Patience("Kafka", lambda: [broker.pid], "/srv/logs", still=0.1)
        with pytest.raises(CannotStart):
            await patience.wait_for(never())
    assert cancelled.is_set()


class Replaying:
    """A server that begins with a replay of its journal, which lasts until `gate` exists."""

    def __init__(self, folder: Path) -> None:
        self.server = BundledPostgres(folder, SETTINGS | {"wal_level": "replica"})
        self.server.prepare()
        self.server.start()
        self.server.stop()
        self.gate = self.server.folder / "gate"
        with (self.server.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'while [ ! -e {self.gate} ]; do sleep 0.1; done; false'\n")
        (self.server.data / "recovery.signal").touch()
        owner = self.server.data.stat()
        os.chown(self.server.data / "recovery.signal", owner.st_uid, owner.st_gid)
        self.looks = 0

    def look(self) -> None:
        self.looks += 1

    def patience(self, still: float) -> Patience:
        return Patience("Postgres", lambda: with_children(self.server.pid()), self.server.log, still=still)


@pytest.fixture
def replaying(tmp_path: Path) -> Iterator[Replaying]:
    made = Replaying(tmp_path / "postgres")
    try:
        yield made
    finally:
        made.gate.touch()
        made.server.stop()


@pytest.mark.soak
def test_postgres_is_waited_for_while_it_replays_its_journal(replaying: Replaying) -> None:
    def look() -> None:
        replaying.look()
        if replaying.looks == 3:
            assert replaying.server.pid() is not None
            replaying.gate.touch()

    replaying.server.start(look)
    assert replaying.looks >= 3
    assert replaying.server.pid() is not None


def test_a_replay_that_stands_still_ends_with_the_log_to_read_and_leaves_nothing_behind(replaying: Replaying) -> None:
    with pytest.raises(CannotStart, match=r"Postgres did not become ready.*postgres\.log says what it waits for"):
        replaying.server.start(replaying.patience(0.1).look)
    assert replaying.server.pid() is None


async def test_a_start_that_is_broken_off_does_not_wait_for_the_replay(replaying: Replaying) -> None:
    starting = asyncio.ensure_future(to_its_end(replaying.server.start, replaying.look))
    await asyncio.to_thread(eventually, lambda: replaying.looks > 0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not replaying.gate.exists(), "it replays still"
    assert replaying.server.pid() is None


def test_a_server_that_hangs_before_it_can_be_found_is_given_up_too(replaying: Replaying) -> None:
    """As with data on a disk that is gone. Nothing ended the wait, not even Ctrl-C."""
    config = replaying.server.data / "postgresql.conf"
    config.unlink()
    os.mkfifo(config)  # which nobody writes to

    def give_up() -> None:
        raise CannotStart("it was given up")

    with pytest.raises(CannotStart, match="it was given up"):
        replaying.server.start(give_up)
    hanging = [
        each for each in psutil.process_iter(["cmdline"]) if str(replaying.server.data) in (each.info["cmdline"] or ())
    ]
    assert [each.name() for each in hanging if each.name() == "pg_ctl"] == []
    for each in hanging:
        each.kill()

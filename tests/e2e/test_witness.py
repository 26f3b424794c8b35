"""`keytrail witness` as somebody runs it on a machine of their own: what it cosigns, and what a kill leaves of it."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.transparency.checkpoints import cosigned_at
from domain.transparency.notes import VerifierKey, signature_line, verifier_key
from domain.transparency.witnessing import SIZE_TYPE
from tests.domain.test_witnessing import LOG, asking
from tests.installation import KEYTRAIL, clean_environment, free_port

NAME = "witness.example/w1"


class RunningWitness:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            KEYTRAIL,
            "witness",
            self.folder,
            "--name",
            NAME,
            "--log-key",
            LOG.verifier.text,
            "--port",
            self.port,
        ]
        self.process = subprocess.Popen(list(map(str, command)), env=clean_environment(), stderr=subprocess.PIPE)
        ends = time.monotonic() + 30
        while True:
            try:
                self.key()
                return
            except OSError:
                assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
                assert time.monotonic() < ends
                time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=20)

    def key(self) -> VerifierKey:
        with urllib.request.urlopen(f"{self.url}/key", timeout=5) as answer:
            return verifier_key(answer.read().decode())

    def asked(self, body: bytes) -> tuple[int, str, str]:
        """(status, body, content type)"""
        try:
            with urllib.request.urlopen(f"{self.url}/add-checkpoint", body, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers["content-type"]
        except urllib.error.HTTPError as fault:
            with fault:
                return fault.code, fault.read().decode(), fault.headers["content-type"]


@contextmanager
def witness(folder: Path) -> Iterator[RunningWitness]:
    running = RunningWitness(folder)
    running.start()
    try:
        yield running
    finally:
        running.end()


def request(old: int, new: int) -> bytes:
    return asking(old, new).text.encode()


def test_it_cosigns_what_extends_the_last_also_after_kill_9(tmp_path: Path) -> None:
    """Given a witness that cosigned 7 leaves and is killed at once, when it runs again, then it has the same key and takes nothing
    but what extends these 7."""
    with witness(tmp_path / "witness") as running:
        key = running.key()
        status, line, _ = running.asked(request(0, 7))
        running.end(signal.SIGKILL)
        assert status == 200
        note = asking(0, 7).note.beside([signature_line(line.rstrip("\n"))])
        assert cosigned_at(note, key) == pytest.approx(time.time(), abs=60)
        running.start()
        assert running.key() == key
        assert running.asked(request(0, 9)) == (409, "7\n", SIZE_TYPE)
        assert running.asked(request(7, 9))[0] == 200


def test_of_many_at_once_that_extend_the_same_one_is_cosigned(tmp_path: Path) -> None:
    with witness(tmp_path / "witness") as running, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda new: running.asked(request(0, new))[0], range(10, 30)))
    assert sorted(found) == [200, *[409] * 19]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"\xff", 400), (b"x" * 200_000, 413), (b"old 0\n\nno note", 400)]
)
def test_what_is_no_request_is_refused(tmp_path: Path, body: bytes, status: int) -> None:
    with witness(tmp_path / "witness") as running:
        assert running.asked(body or b"\n")[0] == status
        assert running.asked(request(0, 7))[0] == 200


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), "--log-key"),
        (("--log-key", "x", "--name", "w"), "a verifier key is a name"),
        (("--log-key", LOG.verifier.text, "--name", "a name"), "neither spaces nor +"),
        (("--log-key", LOG.verifier.text), "A new witness needs a name"),
    ],
)
def test_a_witness_that_cannot_start_says_why(tmp_path: Path, more: tuple[str, ...], says: str) -> None:
    command = [str(KEYTRAIL), "witness", str(tmp_path / "witness"), *more]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with witness(tmp_path / "witness"):
        pass
    (tmp_path / "witness" / "witness.key").chmod(0o644)
    command = [str(KEYTRAIL), "witness", str(tmp_path / "witness"), "--log-key", LOG.verifier.text]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)

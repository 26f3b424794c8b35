"""Logs that grow: only what is older than the kept files is lost, and the writing process notices nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.logs import KEPT, keep_rotating, rotate
from tests.installation import Installation

WRITER = """
import sys
for line in sys.stdin:
    print(line.rstrip() * 10, flush=True)
    print("ok", file=sys.stderr, flush=True)
"""


class Writing:
    """A process that writes to its log like Keytrail's children: it keeps the file open for appending."""

    def __init__(self, path: Path) -> None:
        with path.open("ab") as output:
            command = [sys.executable, "-c", WRITER]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE, text=True
            )

    def line(self, text: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        self.process.stderr.readline()


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    found = Writing(tmp_path / "api-1.log")
    yield found
    assert found.process.stdin is not None
    found.process.stdin.close()
    found.process.wait(10)
    assert found.process.stderr is not None
    found.process.stderr.close()


def test_a_log_that_has_grown_stands_beside_itself_and_goes_on(tmp_path: Path, writing: Writing) -> None:
    path = tmp_path / "api-1.log"
    for number in range(10):
        writing.line(f"{number}" * 10)
        assert rotate(path, 100) is True
        assert path.stat().st_size == 0
    writing.line("a")
    assert rotate(path, 100) is False
    assert path.read_text() == "a" * 10 + "\n"
    kept = [path.with_name(f"api-1.log.{number}").read_text() for number in range(1, KEPT + 1)]
    assert kept == [f"{number}" * 100 + "\n" for number in (9, 8, 7)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["api-1.log", *(f"api-1.log.{n}" for n in (1, 2, 3))]


async def test_a_log_that_cannot_be_kept_is_emptied_and_others_are_looked_after(tmp_path: Path) -> None:
    """The disk is full, or somebody made a folder of that name."""
    bad, good = tmp_path / "a.log", tmp_path / "b.log"
    for each in (bad, good):
        each.write_text("x" * 200)
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "there").touch()
    (tmp_path / "a.log.2").mkdir()
    task = asyncio.create_task(keep_rotating(lambda: (bad, good), 100))
    async with asyncio.timeout(10):
        while not (tmp_path / "b.log.1").exists() or good.stat().st_size:  # noqa: ASYNC110  # a thread empties it
            await asyncio.sleep(0.01)
    task.cancel()
    assert (bad.stat().st_size, (tmp_path / "b.log.1").read_text()) == (0, "x" * 200)


def test_every_log_of_an_installation_is_looked_after(installation: Installation) -> None:
    logs = {each.name for each in (installation.data / "logs").iterdir()}
    assert logs >= {"api-1.log", "api-2.log", "writer-1.log", "writer-2.log", "projector.log", "alerts-1.log"}
    assert {each.suffix for each in (installation.data / "logs").iterdir()} <= {".log", ".1", ".2", ".3"}

"""Builds and runs main.go, which has other people's verifiers, and litewitness, which is other people's witness.

go.mod and go.sum pin what is fetched by version and digest. Nothing that is fetched or built stays in the checkout.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from domain.transparency.checkpoints import Checkpoint
from tests.installation import clean_environment, free_port

HERE = Path(__file__).parent
LITEWITNESS = "filippo.io/torchwood/cmd/litewitness"
NOT_HERE = re.compile(r"requires go >=|dial tcp|no such host|i/o timeout|module lookup disabled|403 Forbidden")
"""How `go build` says that this machine's Go is too old, or that modules cannot be fetched. Anything else is a fault."""


def build(into: Path, sources: Path = HERE, *others: str) -> Path:
    """The folder with the programs: that of `sources`, and `others` of the modules that it names. Fails where they
    cannot be had."""
    program = shutil.which("go")
    if program is None:
        pytest.fail("foreign programs: there is no go on this machine")
    flags = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    quick = [
        "-gcflags=all=-N -l",
        "-ldflags=-s -w",
    ]  # nothing is optimised: a quarter less of a build, and they have little to do
    command = [program, "build", *quick, "-o", f"{into}/", ".", *others]
    done = subprocess.run(command, cwd=sources, env=os.environ | flags, capture_output=True, text=True, check=False)
    if NOT_HERE.search(done.stderr):
        pytest.fail(f"foreign programs: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return into


class Foreign:
    """The verifiers, as one process that answers line by line."""

    def __init__(self, programs: Path) -> None:
        self._process = subprocess.Popen(
            [programs / "foreign"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def refused(self, check: str, **asked: Any) -> str:
        """Why the verifier refuses; "" if it accepts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"check": check} | asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer["refused"], str)
        return answer["refused"]

    def close(self) -> None:
        self._process.communicate(timeout=20)


def encoded(content: bytes) -> str:
    return b64encode(content).decode()


def hashes(path: Sequence[bytes]) -> list[str]:
    return list(map(encoded, path))


def head_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"size": checkpoint.size, "root": encoded(checkpoint.root)}


@dataclass
class LiteWitness:
    """litewitness, with its key in an ssh-agent of ours. `seed` is the key's."""

    programs: Path
    folder: Path
    name: str
    seed: bytes

    def __post_init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._database = self.folder / "litewitness.db"

    def start(self) -> None:
        # The path of a socket has at most some 100 characters, and a folder of a test may have more.
        agent: list[str | Path] = [self.programs / "foreign", "agent", "agent"]
        self._agent = subprocess.Popen(agent, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._agent.stdin is not None
        assert self._agent.stdout is not None
        self._agent.stdin.write(self.seed.hex() + "\n")
        self._agent.stdin.flush()
        fingerprint = self._agent.stdout.readline().strip()
        command: list[str | Path] = [
            self.programs / "litewitness",
            "-ssh-agent",
            "agent",
            "-key",
            fingerprint,
            "-name",
            self.name,
        ]
        command += ["-db", self._database, "-listen", f"127.0.0.1:{self.port}"]
        errors = (self.folder / "litewitness.log").open("w")
        with errors:
            self._process = subprocess.Popen(command, cwd=self.folder, env=clean_environment(), stderr=errors)
        ends = time.monotonic() + 30
        while not self.page():
            assert self._process.poll() is None, (self.folder / "litewitness.log").read_text()
            assert time.monotonic() < ends
            time.sleep(0.02)

    def page(self) -> str:
        """Its key and the logs that it knows, as text; "" while it does not listen."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            return ""

    def know(self, origin: str, key: str) -> None:
        """Tells it of a log, with the rows that its program `witnessctl` makes."""
        with sqlite3.connect(self._database, timeout=10) as database:
            empty = encoded(sha256(b"").digest())
            database.execute("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", (origin, empty))
            database.execute("INSERT INTO key (origin, key) VALUES (?, ?)", (origin, key))
        database.close()

    def close(self) -> None:
        for each in (self._process, self._agent):
            each.terminate()
            each.communicate(timeout=20)

"""A share of the broker and the Postgres that a run of the tests has (serving.py): a topic prefix and a database."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PLACE, FORK_SERVER = "KEYTRAIL_TESTS_SERVERS", "KEYTRAIL_TESTS_FORK_SERVER"
"""By these variables the processes of xdist learn their controller's places."""
DEADLINE = 120.0


class Share:
    """It is dropped when it is closed, or when its process ends."""

    def __init__(self, place: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(DEADLINE)
        self._connection.connect(place)
        with self._connection.makefile("rb") as answers:
            answer = json.loads(answers.readline())
        if "failed" in answer:
            self.close()
            raise RuntimeError(f"The servers of the tests did not start:\n{answer['failed']}")
        self.settings: dict[str, str] = answer
        """The settings of `keytrail up` that name the servers and the share."""

    def close(self) -> None:
        self._connection.close()


@cache
def place() -> str:
    """The path of the socket at which a share is asked for, by this process and by those that it starts."""
    return _kept(PLACE, "tests.serving")


@cache
def fork_server() -> str:
    """The path of the socket at which a fork server is asked for (forks.py)."""
    return _kept(FORK_SERVER, "tests.forks")


def _kept(variable: str, module: str) -> str:
    if variable not in os.environ:
        os.environ[variable] = _started(module)
    return os.environ[variable]


def _started(module: str) -> str:
    folder = Path(tempfile.mkdtemp(prefix="keytrail-tests-", dir="/tmp"))  # a socket's path has to be short
    kind = socket.SOCK_SEQPACKET if module == "tests.forks" else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, kind) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(listening.fileno()), str(folder)],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            start_new_session=True,  # Ctrl-C ends the tests first, and they stop what they started
        )

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(DEADLINE)

    atexit.register(end)
    return str(folder / "socket")

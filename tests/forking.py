"""Commands in processes that begin with everything imported: a command line takes half a second to import itself, `aws` a
second, and the tests run hundreds of them.

One server a process of pytest. It imports the libraries and none of our own command line (which looks at its streams when it
is imported), and forks for each command: environment, folder, streams and arguments are the child's own, as after an exec.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import IO

PROGRAMS = {"keytrail": ("services.command", "main"), "aws": ("awscli.clidriver", "main")}
LIBRARIES = (
    *("typer", "typer._adapters", "rich.console", "rich.table", "rich.progress", "rich.live", "rich.text", "psutil"),
    *("asyncpg", "aiokafka", "aiokafka.admin", "structlog", "orjson", "cryptography.x509", "botocore.session"),
    *("botocore.auth", "botocore.httpsession", "awscli.clidriver", "asyncio", "ssl", "http.client"),
)


class Forked:
    """The client's side, in pytest's process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = str(Path(self._folder.name, "socket"))
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(self._path)
        listening.listen(64)
        # It ends when its standard input does, however this process ends.
        self._server = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        listening.close()

    def run(self, command: list[str], environment: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        """As subprocess.run with captured text; the first word of `command` is the path of a program in PROGRAMS."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(*KIND) as asking:
            asking.settimeout(timeout)
            asking.connect(self._path)
            asked = json.dumps({"command": command, "environment": environment, "folder": str(Path.cwd())})
            with tempfile.TemporaryFile() as file:
                file.write(asked.encode())
                file.flush()
                socket.send_fds(asking, [b"run"], [file.fileno(), out.fileno(), err.fileno()])
            pid = int(asking.recv(64))
            try:
                code = int(asking.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout) from None
            return subprocess.CompletedProcess(command, code, _text(out), _text(err))

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._folder.cleanup()


KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def forked() -> Forked:
    """This process's, started when it is first asked."""
    made = Forked()
    atexit.register(made.close)
    return made


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


# -- the server's side ------------------------------------------------------------------------------------------------


def serve(listening: socket.socket) -> None:
    for each in LIBRARIES:
        importlib.import_module(each)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _told(connection)
        connection.close()


def _told(connection: socket.socket) -> None:
    """Fork once more, and say the process id and then the exit code."""
    _, (asked, out, err), _, _ = socket.recv_fds(connection, 16, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(asked, out, err)
    connection.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # it gave up
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(asked: int, out: int, err: int) -> None:
    with os.fdopen(asked, "rb") as file:
        file.seek(0)
        wanted = json.load(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    models = os.environ["AWS_DATA_PATH"]  # which awscli sets when it is imported
    os.environ.clear()
    os.environ.update({"AWS_DATA_PATH": models} | wanted["environment"])
    os.chdir(wanted["folder"])
    random.seed()
    time.tzset()
    sys.argv = wanted["command"]
    module, function = PROGRAMS[Path(sys.argv[0]).name]
    code: object = 1
    try:
        code = getattr(importlib.import_module(module), function)()
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except BaseException:  # noqa: BLE001  # as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

"""Run commands in processes that have already imported the libraries. A command line takes half a second to import
itself, `aws` takes a second, and the tests run hundreds of them.

Each pytest process has one server. It imports the libraries and the domain, but not Keytrail's own command line (which looks
at its streams on import). It forks for each command: the child has its own environment, folder, streams and arguments, as
after an exec.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
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
from typing import IO, Any

from botocore.loaders import JSONFileLoader, Loader

from tests.asking import KIND, ask

PROGRAMS = {"keytrail": ("services.cli.command", "main"), "aws": ("awscli.clidriver", "main")}
LIBRARIES = (
    *("click", "rich.console", "rich.table", "rich.progress", "rich.live", "rich.text", "psutil"),
    *("asyncpg", "aiokafka", "aiokafka.admin", "structlog", "orjson", "cryptography.x509", "botocore.session"),
    *("botocore.auth", "botocore.httpsession", "awscli.clidriver", "asyncio", "ssl", "http.client"),
    *("domain.verification.decisions", "domain.state.fold", "projections.registry", "services.verification.report"),
)
SERVICES = ("kms", "iam", "sts")


class Forked:
    """The client's side, in pytest's process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = str(Path(self._folder.name, "socket"))
        listening = socket.socket(*KIND)
        listening.bind(self._path)
        listening.listen(64)
        # the server ends with its standard input, however this process ends
        self._server = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        listening.close()

    def run(self, command: list[str], environment: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Like subprocess.run with captured text. The first word of `command` is the path of a program in PROGRAMS."""
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            Path(os.devnull).open("rb") as nothing,
            socket.socket(*KIND) as server,
        ):
            server.settimeout(timeout)
            server.connect(self._path)
            ask(server, command, environment, [nothing.fileno(), out.fileno(), err.fileno()])
            pid = int(server.recv(64))
            try:
                code = int(server.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout) from None
            return subprocess.CompletedProcess(command, code, _text(out), _text(err))

    def shims(self, folder: Path) -> None:
        """A folder of programs for a shell. The server runs the commands of each of PROGRAMS, with the shim's own
        streams."""
        folder.mkdir(parents=True)
        for each in Path(sys.executable).parent.iterdir():
            (folder / each.name).symlink_to(each)
        for name in PROGRAMS:
            path = folder / name
            path.unlink()
            path.write_text(SHIM.format(python=sys.executable, here=str(Path(__file__).parent), socket=self._path))
            path.chmod(0o755)

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._folder.cleanup()


SHIM = """\
#!{python} -IS
import os, socket, sys
sys.path.insert(0, {here!r})
import asking
with socket.socket(*asking.KIND) as server:
    server.connect({socket!r})
    asking.ask(server, sys.argv, dict(os.environ), [0, 1, 2])
    server.recv(64)
    sys.exit(int(server.recv(64)))
"""


@cache
def forked() -> Forked:
    """This process's server, started when first needed."""
    made = Forked()
    atexit.register(made.close)
    return made


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


# -- the server's side ------------------------------------------------------------------------------------------------


@cache
def _parsed(path: str) -> Any:
    return JSONFileLoader().load_file(path)


class ParsedFiles(JSONFileLoader):  # type: ignore[misc]  # botocore has no types for us
    """Each fork has a copy of its own of what the server has parsed. Parsing it again took a quarter of what `aws` takes."""

    def load_file(self, file_path: str) -> Any:
        return _parsed(file_path)


def _parse() -> None:
    """The server only parses: whoever uses a model changes it."""
    Loader.FILE_LOADER_CLASS = ParsedFiles
    loader = Loader()
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for service in SERVICES:
        version = loader.determine_latest_version(service, "service-2")
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            loader.load_data(f"{service}/{version}/{kind}")


def serve(listening: socket.socket) -> None:
    for each in LIBRARIES:
        importlib.import_module(each)
    importlib.import_module("awscli.clidriver").create_clidriver()  # it imports its 200 plugins only now
    _parse()
    gc.freeze()  # a child's collector would touch, and so copy, every page of what is imported here
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
    """Fork once more. Send the process id, and later the exit code. A client that ends first, such as a shim that got a signal,
    ends the command too: a test's witness outlived the tests."""
    _, (asked, *streams), _, _ = socket.recv_fds(connection, 16, 4)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(asked, streams)
    connection.send(str(pid).encode())
    # A client sends nothing more, so its connection can be read once it is closed.
    select.select([connection.fileno(), os.pidfd_open(pid)], [], [])
    with contextlib.suppress(OSError):
        if connection.recv(1, socket.MSG_DONTWAIT) == b"":
            os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # the client gave up
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(asked: int, streams: list[int]) -> None:
    with os.fdopen(asked, "rb") as file:
        file.seek(0)
        wanted = json.load(file)
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
        os.close(descriptor)
    models = os.environ["AWS_DATA_PATH"]  # awscli sets it on import
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

"""The fork server: a fork is as a process that was started, and a server that is killed takes nothing with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from services.inherited import CHILD, for_own
from services.settings import Settings
from services.supervisor import forks
from services.supervisor.child import Child
from services.supervisor.forks import Fork, Forks, can_fork
from tests.installation import eventually

PROGRAM = "tests.faults.forked"
pytestmark = pytest.mark.skipif(not can_fork(), reason="this kernel has no descriptors of processes")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Forks]:
    found = Forks(_environment(tmp_path_factory.mktemp("server")) | {"ITS_OWN": "1"})
    yield found
    found.stop()


def _environment(folder: Path) -> dict[str, str]:
    metrics = folder / "metrics"
    metrics.mkdir(exist_ok=True)
    return for_own() | {"PYTHONPATH": str(Path(__file__).parents[2]), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}


async def started(server: Forks, folder: Path, does: str) -> Fork:
    """It writes into the files `out` and `err` of the folder."""
    start = server.starting("a-fork", PROGRAM, [does], _environment(folder), {})
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        found = await start(out.fileno(), err.fileno())
    assert isinstance(found, Fork)
    return found


async def said(folder: Path) -> dict[str, Any]:
    await asyncio.to_thread(eventually, lambda: (folder / "out").read_text().endswith("}\n"))
    found: dict[str, Any] = json.loads((folder / "out").read_text())
    return found


def the_server() -> psutil.Process:
    (found,) = (each for each in psutil.Process().children() if each.name() == "fork-server")
    return found


async def test_a_fork_is_as_a_process_that_was_started(server: Forks, tmp_path: Path) -> None:
    secret: dict[str, Any] = {
        each.name: f"postgresql://secret-of-{each.name}/" for each in fields(Settings) if each.metadata["secret"]
    }
    ids: dict[str, Any] = {
        each.replace("secret_access_key", "access_key_id"): "AKIAGIVEN" for each in secret if "secret_access" in each
    }
    settings = Settings(kafka_username="somebody", **ids, **secret)
    given = tmp_path / "given"
    given.touch()
    start = server.starting(
        "a-fork", PROGRAM, ["7"], _environment(tmp_path) | settings.environment(), settings.secrets(),
        {"PASSED": (passed := os.open(given, os.O_RDONLY))},
    )  # fmt: skip
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        fork = await start(out.fileno(), err.fileno())
    os.close(passed)
    assert await fork.wait() == 7
    found = await said(tmp_path)
    for name, value in secret.items():
        assert found["settings"][name] == value
        assert value not in found["shown"]
        assert value not in json.dumps(found["environment"])
    assert found["settings"]["kafka_username"] == "somebody"
    assert found["environment"].keys() >= settings.environment().keys()
    assert "ITS_OWN" not in found["environment"], "the environment is the one that was given, whatever the server's is"
    assert found["passed"] == str(given)
    assert (found["arguments"], found["name"], found["input"]) == (["7"], "a-fork", "")
    assert (found["leads"], found["core"], found["threads"], found["signals"]) == (True, [0, 0], 1, [True, True])
    assert (tmp_path / "err").read_text() == "to the errors\n"


async def test_each_fork_counts_into_files_of_its_own(server: Forks, tmp_path: Path) -> None:
    """Two processes that write to one file of metrics would lose each other's counts."""
    pids = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        fork = await started(server, tmp_path / str(number), "waits")
        pids.append(fork.pid)
        await said(tmp_path / str(number))
        fork.kill()
        await fork.wait()
        assert {each.name for each in (tmp_path / str(number) / "metrics").iterdir()} == {
            f"counter_{fork.pid}.db", f"gauge_mostrecent_{fork.pid}.db",
        }  # fmt: skip
    assert pids[0] != pids[1]


STARTED = """
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
for name in ("projector", "notary-1"):
    print(registry.get_sample_value("keytrail_process_starts_total", {"process": name}))
"""


async def python_says(code: str, environment: dict[str, str]) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


async def test_each_start_of_a_process_that_is_kept_up_is_counted(server: Forks, tmp_path: Path) -> None:
    """Prometheus saw the API alone, and not that another process ended again and again."""
    shared = _environment(tmp_path)
    log = (tmp_path / "out").open("wb")
    named = shared | {CHILD: "projector"}
    fork = await server.starting("projector", PROGRAM, ["7"], named, {})(log.fileno(), log.fileno())
    assert await fork.wait() == 7
    refused = named | {"KEYTRAIL_WORKERS": "0"}
    fork = await server.starting("projector", "services.projector.__main__", [], refused, {})(
        log.fileno(), log.fileno()
    )
    assert await fork.wait() > 0, "the server had loaded everything, and this one ends before it has begun"
    step = await server.starting("a-step", PROGRAM, ["7"], shared, {})(log.fileno(), log.fileno())
    assert await step.wait() == 7
    log.close()
    for _ in range(2):  # where this kernel cannot fork so
        await python_says("import services.metrics", named)
        await python_says("import services.metrics", shared)  # what it starts is no start of its own
    assert await python_says(STARTED, shared) == "4.0\nNone\n"


ALIKE = """
import gc, importlib, json, os, random
from aiohttp.http_websocket import WebSocketWriter
from services.supervisor.fork_server import PROGRAMS, STEPS
for each in (*STEPS, *PROGRAMS):
    importlib.import_module(each)
sources = [each for each in gc.get_objects() if type(each) is random.Random]
states = []
for _ in range(2):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, json.dumps([each.random() for each in sources]).encode())
        os._exit(0)
    states.append(json.loads(os.read(read, 65_536)))
alike = [source for source, one, other in zip(sources, *states) if one == other]
masks = WebSocketWriter.__init__.__kwdefaults__["random"]  # nobody of ours speaks WebSockets
alike = [source for source, one, other in zip(sources, *states) if one == other and source is not masks]
print(len(sources), alike)
"""


def test_no_fork_draws_the_numbers_of_another(tmp_path: Path) -> None:
    """Every API worker gave its calls the ids of the worker before it. A writer knows an id for ten minutes, and does not decide it
    twice: each call waited until its time was over."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALIKE], env=_environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == "3 []\n"


async def test_a_fork_is_signalled_until_it_has_ended(server: Forks, tmp_path: Path) -> None:
    fork = await started(server, tmp_path, "waits")
    await said(tmp_path)
    assert fork.returncode is None
    fork.send_signal(signal.SIGTERM)
    assert await fork.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        fork.kill()


async def test_a_server_that_is_killed_takes_nothing_with_it(server: Forks, tmp_path: Path) -> None:
    fork = await started(server, tmp_path, "waits")
    await said(tmp_path)
    former = the_server()
    former.kill()
    (tmp_path / "next").mkdir()
    following = await started(server, tmp_path / "next", "waits")
    await said(tmp_path / "next")
    assert the_server().pid != former.pid
    assert psutil.pid_exists(fork.pid)
    assert fork.returncode is None
    fork.kill()
    assert await fork.wait() == forks.UNKNOWN, "its end is noticed, though nobody tells of it"
    following.kill()
    assert await following.wait() == -signal.SIGKILL


async def test_a_child_comes_back_after_its_server_was_killed(server: Forks, tmp_path: Path) -> None:
    pids: list[int] = []
    start = server.starting("a-fork", PROGRAM, ["waits"], _environment(tmp_path), {})
    child = Child("a-fork", start, tmp_path / "output", lambda name, pid: pids.append(pid))
    child.start()
    await asyncio.to_thread(eventually, lambda: len(pids) == 1)
    the_server().kill()
    os.kill(pids[0], signal.SIGKILL)
    await asyncio.to_thread(eventually, lambda: len(pids) == 2)
    await child.stop(5)
    assert not psutil.pid_exists(pids[1])


async def test_a_start_that_is_given_up_leaves_no_process(server: Forks, tmp_path: Path) -> None:
    """Ctrl-C comes once the server was asked, and its answer later: a server that has just begun imports for a second first."""
    starting = asyncio.create_task(started(server, tmp_path, "waits"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.to_thread(eventually, lambda: the_server().children() == [])


async def test_the_server_ends_with_who_asks_it_and_with_nothing_else(server: Forks, tmp_path: Path) -> None:
    """A signal to the whole service reaches it too, while others still are to be stopped in their order."""
    fork = await started(server, tmp_path, "waits")
    its = the_server()
    its.send_signal(signal.SIGTERM)
    its.send_signal(signal.SIGINT)
    fork.kill()
    assert await fork.wait() == -signal.SIGKILL, "it still tells"
    server.stop()
    assert not its.is_running()


CLOSED_AT_ONCE = """
import os, signal, socket
from services.supervisor.fork_server import Imports, serve
asks, answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asks.close()
assert serve(answers, Imports()) is None
os.kill(os.getpid(), signal.SIGCHLD)
"""


def test_a_server_that_nobody_asks_any_more_says_nothing_of_a_fork_that_ends() -> None:
    """A `keytrail down` during a start sometimes left a traceback of a broken pipe in the terminal of `keytrail up`."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED_AT_ONCE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

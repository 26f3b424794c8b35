"""A real Keytrail for tests: `keytrail up`, as a user starts it, in a folder and on a port of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

import boto3
import psutil
from botocore.config import Config

from services.adapters.bundled import class_caches
from services.adapters.postgres import Pool, connect
from services.cli.client import Client
from services.runtime.data_folder import Folder
from services.settings import Settings, load
from services.supervisor import forks
from tests import servers
from tests.forking import forked

BIN = Path(sys.executable).parent
KEYTRAIL = BIN / "keytrail"
AWS = BIN / "aws"


def free_port() -> int:
    """Ports below those that the kernel gives to outgoing connections, which could otherwise take one before the test
    does."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment() -> dict[str, str]:
    """The environment without the variables that would point a client or Keytrail elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KEYTRAIL_"))}


def eventually(condition: Callable[[], Any], within: float = 30.0) -> Any:
    """Poll until the condition is true, and return its value. The parts under test run in other processes, so at most half of
    the time goes into asking: a command that is asked without a pause takes the processor from what it waits for. What has not
    come for a while is asked about less often: the wait is a twentieth longer for it at most, or half a second."""
    first = time.monotonic()
    while True:
        began = time.monotonic()
        found = condition()
        if found:
            return found
        now = time.monotonic()
        assert now < first + within, f"not within {within} s: {condition}"
        time.sleep(min(0.5, max(0.05, now - began, (now - first) / 20)))


def beside(database: str, name: str) -> str:
    """The address of another database on the same server."""
    address, mark, options = database.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{mark}{options}"


_making_a_client = Lock()
"""Clients are used in several threads; a session makes them in one at a time."""


@cache
def _session() -> boto3.Session:
    """Shared by all clients, which get everything else as arguments. A session reads the services' models once: 60 ms of the
    processor, and a client takes 4."""
    return boto3.Session()


def _none_waits(status: dict[str, Any]) -> bool:
    """Whether the broker says that no record waits. A count that is not known is null."""
    return bool(status["lag"]) and all(lag is not None and lag <= 0 for lag in status["lag"].values())


class Installation:
    """Use as a context manager. `extra` and `variables` are environment variables for `keytrail up`: those that the caller
    names, and those that it has as a mapping.

    `own` says why it has the bundled broker and Postgres that `keytrail up` starts. Without a reason it shares those of the
    test run (servers.py), with a topic prefix and a database of its own.
    """

    def __init__(
        self,
        data: Path,
        workers: int = 1,
        *,
        own: str = "",
        test_clock: bool = False,
        variables: Mapping[str, str] = MappingProxyType({}),
        **extra: str,
    ) -> None:
        self.data = data
        self._own = bool(own) or test_clock  # which `keytrail up` refuses on others' servers
        self._share: servers.Share | None = None
        self.test_clock = test_clock
        self.port = free_port()
        self.workers = workers
        # A process takes a second of processor time to start, so a test that needs alerts, a standby or a notary asks for it. A
        # test of the console asks for that.
        off = {
            "KEYTRAIL_ALERT_WORKERS": "0",
            "KEYTRAIL_WRITERS": "1",
            "KEYTRAIL_CONSOLE": "off",
            "KEYTRAIL_NOTARIES": "0",
        }
        self.extra = {**off, **variables, **extra}
        self.up: subprocess.Popen[str] | None = None
        self._given: dict[str, str] | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Installation:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        if self._share is not None:
            self._share.close()
            self._share = None

    def command(self) -> list[str]:
        return [
            str(KEYTRAIL),
            *("up", "--data", str(self.data), "--port", str(self.port), "--workers", str(self.workers)),
            *(["--test-clock"] if self.test_clock else []),
        ]

    def environment(self) -> dict[str, str]:
        cheap = {class_caches.WANTED: "1"}
        if "PYTHONPATH" not in self.extra:  # else its processes are of other code than the one that forks them
            cheap[forks.THERE] = servers.fork_server()
        return clean_environment() | cheap | self._servers() | self.extra

    def _servers(self) -> dict[str, str]:
        """Settings that name the shared servers, and what this installation has there."""
        if self._own:
            return {}
        if self._share is None:
            self._share = servers.Share(servers.place())
        return self._share.settings

    def start(self) -> None:
        self._given = None
        log = self.data.with_suffix(".up.log").open("a")
        with log:
            self.up = subprocess.Popen(self.command(), env=self.environment(), stdout=log, stderr=log, text=True)
        eventually(self._ready_or_dead, within=120)

    def _ready_or_dead(self) -> bool:
        assert self.up is not None
        assert self.up.poll() is None, self.data.with_suffix(".up.log").read_text()
        running = Folder(self.data).state()
        return running is not None and running.pid == self.up.pid and self.healthy()

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        if self.up is not None and self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            self.up.wait(60)

    def at(self, days: float) -> None:
        """Start again, this many days ahead of the real time."""
        self.stop()
        self.extra["KEYTRAIL_CLOCK_OFFSET"] = str(int(days * 86_400))
        self.start()

    # -- what runs ------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Settings that connect to the broker and the database of this installation."""
        settings = Folder(self.data).reached(load(self._servers() | self.extra, data=self.data, port=self.port))
        assert settings is not None
        return settings

    def pid(self, name: str) -> int:
        running = Folder(self.data).state()
        assert running is not None
        return running.children[name][0]

    def process(self, name: str) -> psutil.Process:
        """A running process. If it is just being started again, wait for it."""
        found: psutil.Process = eventually(lambda: self._live(name))
        return found

    def has_another(self, name: str, pid: int) -> None:
        """Wait until the supervisor has another process in this one's place."""
        eventually(lambda: self.process(name).pid != pid)

    def _live(self, name: str) -> psutil.Process | None:
        try:
            return psutil.Process(self.pid(name))
        except psutil.NoSuchProcess:
            return None

    def children(self) -> list[psutil.Process]:
        running = Folder(self.data).state()
        assert running is not None
        found = []
        for pid, _ in running.children.values():
            if psutil.pid_exists(pid):
                found.append(psutil.Process(pid))
        return found

    # -- its clients ----------------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, str]:
        """The variables that `keytrail env` prints. Asked once after each start, since the command takes a second."""
        if self._given is None:
            lines = self.keytrail("env").stdout.splitlines()
            exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
            self._given = dict(line.split("=", 1) for line in exports)
        return dict(self._given)

    def client(self, credentials: dict[str, str] | None = None, service: str = "kms", **config: Any) -> Any:
        given = credentials or self.credentials()
        with _making_a_client:
            return _session().client(
                service,
                region_name="us-east-1",
                endpoint_url=self.url,
                aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=given.get("AWS_SESSION_TOKEN"),
                config=Config(**{"retries": {"mode": "standard", "total_max_attempts": 1}, **config}),
            )

    def keytrail(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(KEYTRAIL), *arguments, "--data", str(self.data)]
        done = forked().run(command, self.environment(), timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done

    def keytrail_as(self, credentials: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run as a user who has credentials and an address, but no data folder."""
        command = [str(KEYTRAIL), *arguments]
        environment = clean_environment() | self.extra | credentials
        return forked().run(command, environment, timeout=120)

    def answers(self, *arguments: str) -> list[Any]:
        """The objects that a command prints with --json."""
        return [json.loads(line) for line in self.keytrail(*arguments, "--json").stdout.splitlines()]

    def verified(self, *options: str) -> dict[str, Any]:
        """What `verify --json` found, whole or not."""
        done = self.keytrail("verify", "--json", *options, check=False)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) == found["whole"], done.stderr
        return found

    def caught_up(self) -> None:
        """Wait until the projections hold everything that is on the topics now."""
        client = Client(self.data)  # in process: this is asked often, and the command takes most of a second
        eventually(lambda: _none_waits(client.get("/v1/status")))

    def judged(self) -> None:
        """Wait until the rules have judged everything that is on the topics now, and the API shows their alerts."""
        self.caught_up()
        client = Client(self.data)
        eventually(lambda: _none_waits(client.get("/v1/status")["alerts"]))
        self.caught_up()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Pool]:
        """A pool of connections to its database."""
        found = await connect(self.settings)
        yield found
        await found.close()

    def aws(
        self, *arguments: str, check: bool = True, credentials: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The real aws command line, of the root unless there are `credentials`."""
        environment = clean_environment() | self.credentials() | (credentials or {})
        environment |= {"AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"}
        command = [str(AWS), *arguments, "--output", "json"]
        done = forked().run(command, environment, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done


def account_id_of(arn: str) -> str:
    return arn.split(":")[4]

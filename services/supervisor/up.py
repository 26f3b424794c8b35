"""The order of a start: folder, servers, topics, vault, then the processes; at the end the reverse."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from domain.ports import reason_of
from services.adapters.bundled import login
from services.adapters.bundled.jars import CACHE, are_there, class_path
from services.adapters.bundled.kafka import BundledKafka, require_alone
from services.adapters.bundled.ports import free_ports
from services.adapters.bundled.postgres import BundledPostgres
from services.clock import TEST_CLOCK
from services.console.build import is_built
from services.inherited import BUNDLED_KAFKA, CHILD, for_fetch, for_own, for_server, python
from services.logs import logger_of
from services.runtime.data_folder import Credentials, Folder, Running, start_of
from services.runtime.health import ask_health
from services.runtime.listening_socket import listen
from services.runtime.task_group import together
from services.settings import Settings
from services.supervisor.child import Child, Start, executing
from services.supervisor.console import ConsoleBuild
from services.supervisor.forks import Forks, can_fork
from services.supervisor.logs import keep_rotating
from services.supervisor.patience import TELL_EVERY, CannotStart, Patience, to_its_end, until, with_children
from services.supervisor.start_step import CONTROLLER_PASSWORD, NOTHING_WANTED, StepRefused, answer_of, have_files

log = logger_of("supervisor")

StartProgress = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many); (…, 0, 0) if that cannot be counted."""


class Supervisor:
    """One installation on one data folder."""

    def __init__(
        self,
        settings: Settings,
        progress: StartProgress,
        console_progress: Callable[[str], None] = lambda what: None,
        *,
        test_clock: bool = False,
    ) -> None:
        self.settings = settings
        self._test_clock = test_clock
        self.folder = Folder(settings.data)
        self._progress = progress
        self._console_progress = console_progress
        self.console: asyncio.Task[str | None] | None = None
        """The build of the console, which ends with the reason why it failed; None if there is nothing to build."""
        self._children: list[Child] = []
        self._kafka: BundledKafka | None = None
        self._postgres: BundledPostgres | None = None
        self._broker: Child | None = None
        self._running: Running | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._socket: socket.socket | None = None
        self._forks: Forks | None = None
        """Forks our processes; None where that is impossible. Then each process is started as a program of its own."""
        self._metrics: Path | None = None
        self._wanted: Mapping[str, bool] = NOTHING_WANTED
        """Which of notifiers and audit devices the files that settings name ask for."""

    async def start(self) -> Credentials:
        """Start everything, until all of it answers. Raises CannotStart, FolderInUse, NotOurs, BadSetting, ClockRefused."""
        self._require_path()
        if have_files(self.settings):
            self._wanted = await self._step("read-files")
        self._take_folder()
        if self.folder.restoring.exists():
            raise CannotStart(
                f"A restore onto {self.folder.path} was broken off: empty the folder (but for the master key) and restore "
                "again."
            )
        self._require_clock()
        self._begin_forks()
        self._socket = listen(self.settings)
        credentials = self.folder.credentials(self.settings)
        self._running = Running(
            _pid(),
            self.settings.port,
            self.settings.url,
            self.settings.kafka,
            self.settings.postgres,
            version=version("keytrail"),
            given_root=bool(self.settings.root_access_key_id),
        )
        self.settings = replace(
            self.settings,
            data=self.folder.path,
            root_access_key_id=credentials.access_key_id,
            root_secret_access_key=credentials.secret_access_key,
        )
        if self.settings.has_console and not is_built():
            building = ConsoleBuild(self.folder.logs / "console.log", self._console_progress)
            self.console = asyncio.create_task(building.run())
            self._tasks.append(self.console)
        await together(self._start_postgres(), self._start_kafka())
        await self._prepare()
        self._start_processes()
        self._tasks.append(asyncio.create_task(keep_rotating(self._logs, self.settings.log_bytes)))
        await self._wait_until_ready()
        return credentials

    def _take_folder(self) -> None:
        """Take the folder, and end the processes that an earlier run left. This comes before every refusal that asks people to
        empty the folder: they would delete the file that names these processes. Raises FolderInUse, NotOurs."""
        self.folder.take()
        left = self.folder.clean_up()
        if left:
            log.warning("an earlier run was killed; what it left was ended", names=left)

    def _kept(self) -> list[str]:
        """The names of what the folder holds besides the master key, which a restore needs there."""
        # A path's own `resolve` raises RuntimeError for a loop of links.
        key = os.path.realpath(self.settings.master_key_path)
        return sorted(each.name for each in self.folder.path.glob("*") if os.path.realpath(each) != key)

    async def start_servers(self) -> Settings:
        """Start only the broker and the database, on a folder that holds nothing yet, for a restore. Returns settings that reach
        them.

        Raises CannotStart, FolderInUse, NotOurs, BadSetting, ClockRefused.
        """
        self._require_path()
        if kept := self._kept():
            # Without one of these files the folder is no business of ours.
            if self.folder.state_file.exists() or self.folder.restoring.exists():
                self._take_folder()
            raise CannotStart(f"{self.folder.path} is not empty ({', '.join(kept)}): restore onto an empty folder.")
        self.folder.take()
        self.folder.restoring.touch()
        self.folder.require_clock(test=False)
        self._begin_forks()
        self._running = Running(_pid(), 0, "", self.settings.kafka, self.settings.postgres)
        self.settings = replace(self.settings, data=self.folder.path)
        await together(self._start_postgres(), self._start_kafka())
        if self._kafka is not None:
            await self._once_kafka_answers("let-in")
        return self.settings

    def _require_path(self) -> None:
        """Before anything is made. Raises BadSetting."""
        if not self.settings.kafka:
            require_alone(self.folder.path)

    def _require_clock(self) -> None:
        """Raises CannotStart, ClockRefused."""
        if self._test_clock and (self.settings.kafka or self.settings.postgres):
            raise CannotStart(
                "--test-clock works with the bundled servers alone: on others, it could bring other people's work forward."
            )
        if self.settings.clock_offset and not self._test_clock:
            raise CannotStart("KEYTRAIL_CLOCK_OFFSET works only with `keytrail up --test-clock`.")
        self.folder.require_clock(test=self._test_clock)

    # -- the bundled servers --------------------------------------------------------------------------------------

    async def _start_postgres(self) -> None:
        if self.settings.postgres:
            return
        postgres = BundledPostgres(self.folder.postgres)
        self._progress("starting Postgres", 0, 0)
        await asyncio.to_thread(postgres.prepare)
        self._postgres = postgres
        await self._begin_postgres(postgres, self._tell_wait)
        self.settings = replace(self.settings, postgres=postgres.dsn)
        self._tasks.append(asyncio.create_task(self._keep_postgres(postgres)))

    async def _begin_postgres(self, postgres: BundledPostgres, tell: Callable[[str], None]) -> None:
        patience = Patience("Postgres", lambda: with_children(postgres.pid()), postgres.log, tell)
        await to_its_end(postgres.start, patience.look)
        pid = postgres.pid()
        if pid is not None:
            self._keep_pid("postgres", pid)

    def _tell_wait(self, what: str) -> None:
        self._progress(what, 0, 0)

    async def _keep_postgres(self, postgres: BundledPostgres) -> None:
        # The postmaster is pg_ctl's child, not ours: it cannot be waited for, so its pid is checked.
        told_at: float | None = None  # when it was last said that Postgres cannot be started; None since it last ran
        while True:
            await asyncio.sleep(0.5)
            if postgres.pid() is not None:
                continue
            if told_at is None:
                log.warning("postgres ended; starting it again")
            try:
                await self._begin_postgres(postgres, lambda what: None)
                told_at = None
            except Exception as fault:  # noqa: BLE001  # whatever it is: nothing works without Postgres, so it is tried again
                # On a full disk it fails twice a second.
                if told_at is None or time.monotonic() - told_at >= TELL_EVERY:
                    told_at = time.monotonic()
                    log.error("postgres could not be started again; it is tried again", reason=reason_of(fault))

    async def _start_kafka(self) -> None:
        if self.settings.kafka:
            return
        if not await asyncio.to_thread(are_there, CACHE):
            progress = partial(self._progress, "fetching Kafka from Maven Central")
            await self._step("fetch-jars", progress=progress, inherited=for_fetch())
        jars = await asyncio.to_thread(class_path, CACHE, lambda done, count: None)
        port, controller = free_ports(2)
        kafka = BundledKafka(self.folder.kafka, jars, port, controller)
        self._progress("starting Kafka", 0, 0)
        await asyncio.to_thread(kafka.prepare)
        self._broker = Child("kafka", executing(kafka.command(), for_server()), self._kafka_output, self._keep_pid)
        self._broker.start()
        self._kafka = kafka
        self.settings = login.applied(self.settings, kafka.bootstrap, login.kept(kafka.folder))

    @property
    def _kafka_output(self) -> Path:
        return self.folder.kafka / "logs" / "output.log"

    async def _once_kafka_answers(self, step: str) -> None:
        """Run a step that begins by sending the bundled broker its password; try again if the broker ended meanwhile."""
        kafka, broker = self._kafka, self._broker
        assert kafka is not None, "it is started"
        assert broker is not None, "it is started"

        patience = Patience("Kafka", lambda: with_children(broker.pid), self._kafka_output.parent, self._tell_wait)

        async def is_done() -> bool:
            password = {CONTROLLER_PASSWORD: kafka.controller_password}
            words = (broker.pid, kafka.port, kafka.controller_port)
            return broker.pid is not None and await self._step(step, *words, secrets=password, waits=patience.learn)

        await patience.wait_for(until(is_done))

    async def _prepare(self) -> None:
        self._progress("preparing topics and vault", 0, 0)
        if self._kafka is None:
            await self._step("prepare")
        else:
            await self._once_kafka_answers("prepare")

    async def _step(
        self,
        step: str,
        *arguments: object,
        secrets: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] = lambda done, count: None,
        waits: Callable[[str], None] = lambda why: None,
        inherited: Mapping[str, str] | None = None,
    ) -> Any:
        """`waits` is called with what the step waits for. `inherited`: the part of our environment that the step gets. Without
        it, the step gets the same part as our own processes. Raises CannotStart."""
        environment = dict(inherited or for_own()) | self.settings.environment() | self._marks()
        all_secrets = {**self.settings.secrets(), **(secrets or {})}
        words = [step, *map(str, arguments)]
        start = self._start_of("start", "services.supervisor.start_steps", words, environment, all_secrets)
        try:
            return await answer_of(start, step, progress, waits)
        except StepRefused as fault:
            raise CannotStart(str(fault)) from None

    def _start_of(
        self,
        name: str,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        passed: Mapping[str, int] | None = None,
    ) -> Start:
        """How one of our processes is started: as a fork, or as a program of its own."""
        if self._forks is None:
            command = [*python(program.removesuffix(".__main__")), *arguments]
            return executing(command, environment, secrets, passed)
        return self._forks.starting(name, program, arguments, environment, secrets, passed)

    def _begin_forks(self) -> None:
        """Start the fork server. Call this only once the folder is ours: the server imports for all our processes, and these
        imports make files of metrics in the folder."""
        self._metrics = self.folder.run / "metrics"
        shutil.rmtree(self._metrics, ignore_errors=True)
        self._metrics.mkdir(mode=0o700)
        if can_fork():
            self._forks = Forks(for_own() | self._marks())
            self._forks.begin()

    def _marks(self) -> dict[str, str]:
        """Variables for our processes that are not settings."""
        bundled = {BUNDLED_KAFKA: "1"} if self._kafka is not None else {}
        metrics = {"PROMETHEUS_MULTIPROC_DIR": str(self._metrics)} if self._metrics is not None else {}
        return bundled | metrics | ({TEST_CLOCK: "1"} if self._test_clock else {})

    # -- the processes --------------------------------------------------------------------------------------------

    def _start_processes(self) -> None:
        assert self._socket is not None, "start comes first"
        assert self._running is not None, "start comes first"
        self._running.kafka, self._running.postgres = self.settings.kafka, self.settings.postgres
        self._running.bundled_kafka = self._kafka is not None
        common = for_own() | self.settings.environment() | self._marks()
        for number in range(1, self.settings.writers + 1):
            self._add(f"writer-{number}", "writer", common | {"KEYTRAIL_WRITER_NAME": f"writer-{number}"})
        self._add("projector", "projector", common)
        for number in range(1, self.settings.notaries + 1):
            self._add(f"notary-{number}", "notary", common)
        for number in range(1, self.settings.alert_workers + 1):
            self._add(f"alerts-{number}", "alert_worker", common | {"KEYTRAIL_ALERTS_NAME": f"alerts-{number}"})
        if self._wanted["notifiers"]:
            self._add("notifier", "notifier", common)
        if self._wanted["audit_devices"]:
            self._add("audit-devices", "audit_devices", common)
        for number in range(1, self.settings.workers + 1):
            self._add(f"api-{number}", "api", common, {"KEYTRAIL_LISTEN_FD": self._socket.fileno()})

    def _add(
        self, name: str, program: str, environment: Mapping[str, str], passed: Mapping[str, int] | None = None
    ) -> None:
        environment = {**environment, CHILD: name}
        start = self._start_of(name, f"services.{program}.__main__", (), environment, self.settings.secrets(), passed)
        child = Child(name, start, self.folder.logs / f"{name}.log", self._keep_pid)
        self._children.append(child)
        child.start()

    def _logs(self) -> list[Path]:
        """Every log that grows; the broker limits its other logs itself."""
        bundled = [self._kafka_output, *([self._postgres.log] if self._postgres else [])]
        return [*self.folder.logs.glob("*.log"), *bundled]

    def _keep_pid(self, name: str, pid: int) -> None:
        """Keep in the folder that this process runs: commands show it, and a later start ends it if this one is killed."""
        assert self._running is not None
        with contextlib.suppress(psutil.Error):
            self._running.children[name] = (pid, psutil.Process(pid).create_time())
            self._running.starts[name] = start_of(pid)
            # `keytrail status` lists them in this order. They start at the same time, and any of them may be first.
            order = ["kafka", "postgres", *(child.name for child in self._children)]
            found = self._running.children
            self._running.children = {each: found[each] for each in sorted(found, key=order.index)}
            self.folder.keep_state(self._running)

    async def _wait_until_ready(self) -> None:
        self._progress("waiting for the API", 0, 0)
        deciding = [each for each in self._children if each.name.startswith(("api", "writer"))]
        patience = Patience(
            "The API", lambda: [each.pid for each in deciding if each.pid], self.folder.logs, self._tell_wait
        )
        await patience.wait_for(until(lambda: asyncio.to_thread(_healthy, self.settings)))

    async def stop(self) -> None:
        """Stop in order: the processes that answer, those that follow, those that decide, then the servers that they need."""
        if self._socket is not None:
            self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # one of them may be starting Postgres again
        for prefix, deadline in (
            ("api", 15.0),
            ("notifier", 5.0),
            ("audit-devices", 5.0),
            ("alerts", 5.0),
            ("projector", 10.0),
            ("notary", 5.0),
            ("writer", 5.0),
        ):
            children = [child for child in self._children if child.name.startswith(prefix)]
            await asyncio.gather(*(child.stop(deadline) for child in children))
        if self._forks is not None:
            self._forks.stop()
        await asyncio.gather(self._stop_kafka(), self._stop_postgres())
        if self._running is not None:
            self.folder.forget_state()

    async def _stop_kafka(self) -> None:
        if self._broker is not None:
            await self._broker.stop(30.0)

    async def _stop_postgres(self) -> None:
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.stop)


def _pid() -> int:
    return psutil.Process().pid


def _healthy(settings: Settings) -> bool:
    try:
        return ask_health(settings.near, settings.port, tls=settings.tls).code == 200
    except (OSError, http.client.HTTPException):
        return False

"""The whole of it: brokers, databases, and two processes of each kind, which somebody starts again when they end."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from ssl import create_default_context
from typing import Any

import boto3
import msgspec
from aiokafka.errors import KafkaError
from botocore.config import Config

from services.adapters.kafka import administering
from services.adapters.topics import names
from services.arrangement import PROCESSES, REPLICAS, Process
from services.clock import TEST_CLOCK
from services.inherited import for_own, python
from services.settings import Settings, load
from tests.certificates import Authority
from tests.cluster.brokers import ADMIN, ADMIN_PASSWORD, Brokers
from tests.cluster.databases import Databases
from tests.cluster.network import Machine, Network
from tests.cluster.proxy import Proxy
from tests.consistency.judged import RunningJudge
from tests.faults.test_alerts import SECRET, receivers
from tests.installation import BIN, clean_environment, eventually, free_port
from tests.loops import run


class AuditLine(msgspec.Struct):
    """What identifies a record. `call_id` is "" for what is no decision."""

    id: str
    call_id: str = ""


MACHINES = ("kafka1", "kafka2", "kafka3", "db1", "db2", "api1", "api2", "node1", "node2")
AGAIN_AFTER = 0.2


class Member:
    """One process of Keytrail on a machine. It is started again when it ends, unless somebody took it down."""

    def __init__(self, name: str, process: Process, machine: Machine, environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.machine = machine
        self.environment = environment
        self.ended = 0
        """How often it ended by itself."""
        self._process = process
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self.broken = ""
        """The name of a deliberate break with which it runs (breaks.py)."""
        self._lock = threading.RLock()
        """Held by whoever starts or ends it: a fault, or the thread that starts again what ended."""

    @property
    def pid(self) -> int:
        assert self._running is not None, "start comes first"
        return self._running.pid

    def start(self) -> None:
        with self._lock, self._log.open("ab") as output:
            self._wanted = True
            self._running = subprocess.Popen(
                [*self.machine.enter, *self._command()],
                env=self.environment,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _command(self) -> list[str]:
        if not self.broken:
            return python(self._process.module)
        return [sys.executable, "-m", "tests.cluster.breaks", self.broken, self._process.module]

    def keep(self) -> None:
        """Start it again if it ended."""
        if not self._lock.acquire(
            blocking=False
        ):  # whoever ends it just now is not waited for: others may have ended too
            return
        try:
            if self._wanted and self._running is not None and self._running.poll() is not None:
                self.ended += 1
                self.start()
        finally:
            self._lock.release()

    def set_clock(self, seconds: int) -> None:
        """From its next start on, its clock is so many seconds ahead."""
        changed = {"KEYTRAIL_CLOCK_OFFSET": str(seconds), TEST_CLOCK: "1"}
        self.environment = {name: text for name, text in self.environment.items() if name not in changed}
        if seconds:
            self.environment |= changed

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and keep it down."""
        with self._lock:
            self._wanted = False
            if self._running is not None and self._running.poll() is None:
                self._running.send_signal(number)
                try:
                    self._running.wait(20)
                except subprocess.TimeoutExpired:
                    self._running.kill()
                    self._running.wait()


class Cluster:
    """Use as a context manager. `settings` are of Keytrail's processes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._closing = contextlib.ExitStack()
        self.network = Network(MACHINES)
        self._extra = settings
        self.root = ("AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20))
        self.members: dict[str, Member] = {}
        self._keeping = threading.Event()
        self._lock = threading.RLock()

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._keeping.set()
        with self._lock:
            for each in self.members.values():
                each.stop(signal.SIGKILL)
        self._closing.close()

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._closing.enter_context(self.network)
        place = self.network.machines
        self.authority = Authority(self.folder / "certificates")
        machines, own = [place[f"kafka{number}"] for number in (1, 2, 3)], self.network.own_address
        self.brokers = Brokers(machines, self.folder, self.authority, own)
        ways = [(each.proxy[1], each.machine.address, each.ports["PROXIED"]) for each in self.brokers.all]
        self.proxy = self._closing.enter_context(Proxy(own, ways))
        self._closing.callback(self.brokers.stop)
        self.databases = Databases((place["db1"], place["db2"]))
        self._closing.callback(self.databases.stop)
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(self.brokers.start), pool.submit(self.databases.start)]:
                started.result()
        self.alerts = self._closing.enter_context(receivers("operators", address=own))["operators"]
        files = {"ALERTS_FILE": self._alerts_file(), "AUDIT_DEVICES_FILE": self._audit_devices_file()}
        self._extra = {f"KEYTRAIL_{name}": str(path) for name, path in files.items()} | self._extra
        master = self.folder / "master.key"
        master.write_bytes(b64encode(secrets.token_bytes(32)))
        master.chmod(0o600)
        self._make_topics()
        for number in (1, 2):
            for process in PROCESSES:
                self._add(process, number)
        with self._lock:
            for each in self.members.values():
                each.start()
        threading.Thread(target=self._keep, daemon=True).start()
        eventually(lambda: all(self.healthy(number) for number in (1, 2)), within=90)

    def _alerts_file(self) -> Path:
        """Names the receiver of every alert. Its secret is the one that the receiver checks messages with."""
        secret, file = self.folder / "webhook.secret", self.folder / "alerts.toml"
        secret.touch(0o600)
        secret.write_text(SECRET)
        file.write_text(
            f'[[webhook]]\nname = "operators"\nurl = "{self.alerts.url}"\nsecret_file = "{secret}"\nleast = "low"\n'
            "group_seconds = 0\n"
        )
        return file

    def _audit_devices_file(self) -> Path:
        """Names a file of all decisions."""
        self.audited = self.folder / "audit"
        self.audited.mkdir(0o700)
        file = self.folder / "audit-devices.toml"
        file.touch(0o600)
        file.write_text(
            f'[[file]]\nname = "archive"\npath = "{self.audited / "decisions.jsonl"}"\nrotate_bytes = 100_000_000\nkeep = 0\n'
        )
        return file

    def audit_lines(self) -> Iterator[AuditLine]:
        """What the audit device has written."""
        for path in sorted(self.audited.iterdir()):
            with path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):  # else it is being written
                        yield msgspec.json.decode(line, type=AuditLine)

    def _make_topics(self) -> None:
        """By the command that an operator has for it."""
        environment = clean_environment() | self._on_kafka(ADMIN, ADMIN_PASSWORD)
        command = [str(BIN / "keytrail"), "topics", "create", "--yes", "--users", str(self.folder / "users")]

        def done() -> bool:
            made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            self._said = made.stdout + made.stderr
            return made.returncode == 0

        try:
            eventually(done, within=60)
        except AssertionError as fault:
            raise AssertionError(self._said) from fault

    def _on_kafka(self, user: str, password: str) -> dict[str, str]:
        return {
            "KEYTRAIL_KAFKA": self.brokers.bootstrap,
            "KEYTRAIL_KAFKA_SECURITY": "SASL_SSL",
            "KEYTRAIL_KAFKA_USERNAME": user,
            "KEYTRAIL_KAFKA_PASSWORD": password,
            "KEYTRAIL_KAFKA_CA": str(self.authority.certificate),
        }

    def _environment(self, process: Process, data: Path) -> dict[str, str]:
        password = (self.folder / "users" / f"{process.user}.password").read_text().strip()
        return {
            **self._on_kafka(process.user, password),
            "KEYTRAIL_POSTGRES": self.databases.dsn,
            "KEYTRAIL_DATA": str(data),
            "KEYTRAIL_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "KEYTRAIL_TREE": str(self.folder / "tree"),
            "KEYTRAIL_ROOT_ACCESS_KEY_ID": self.root[0],
            "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": self.root[1],
            "KEYTRAIL_CONSOLE": "off",
            **self._extra,
        }

    def _add(self, process: Process, number: int) -> None:
        if process.name == "operator" or (number == 2 and process.name in ("notifier", "audit-devices")):
            return
        name = f"{process.name}-{number}"
        machine = self.network.machines[f"api{number}" if process.name == "api" else f"node{number}"]
        data = self.folder / name
        data.mkdir(mode=0o700)
        environment = for_own() | self._environment(process, data)
        environment |= {"KEYTRAIL_METRICS_HOST": machine.address, "KEYTRAIL_METRICS_PORT": str(free_port())}
        match process.name:
            case "api":
                if number == 1:
                    environment["KEYTRAIL_KAFKA"] = self.brokers.proxied
                certificate, key = self.authority.issue(name, [machine.address, "127.0.0.1"])
                environment |= {
                    "KEYTRAIL_HOST": machine.address,
                    "KEYTRAIL_PORT": str(free_port()),
                    "KEYTRAIL_TLS_CERT": str(certificate),
                    "KEYTRAIL_TLS_KEY": str(key),
                }
            case "writer":
                environment["KEYTRAIL_WRITER_NAME"] = name
            case "alerts":
                environment["KEYTRAIL_ALERTS_NAME"] = name
        self.members[name] = Member(name, process, machine, environment, self.folder / f"{name}.log")

    def _keep(self) -> None:
        while not self._keeping.wait(AGAIN_AFTER):
            with self._lock:
                if not self._keeping.is_set():
                    for each in self.members.values():
                        each.keep()

    def restart(self, broken: str = "") -> None:
        """Start every process of Keytrail again, with or without a deliberate break."""
        with self._lock:
            for each in self.members.values():
                each.stop(signal.SIGKILL)
            for each in self.members.values():
                each.broken = broken
                each.start()
        eventually(lambda: all(self.healthy(number) for number in (1, 2)), within=90)

    # -- what is asked of it --------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Settings of the operator, on a machine that reaches everything."""
        operator = next(each for each in PROCESSES if each.name == "operator")
        return load(self._environment(operator, self.folder / "operator"))

    @cached_property
    def judge(self) -> RunningJudge:
        """Of all loads, one after another."""
        return RunningJudge(self.settings)

    @property
    def admin(self) -> Settings:
        """Settings of the user who may do everything on Kafka."""
        return load(self._on_kafka(ADMIN, ADMIN_PASSWORD))

    def wait_for_replicas(self) -> None:
        """Wait until every replica of Keytrail's topics is in sync."""
        eventually(lambda: run(self._is_in_sync()), within=60)

    async def _is_in_sync(self) -> bool:
        try:
            async with administering(self.admin) as client:
                described = await client.describe_topics(list(astuple(names(self.admin))))
        except KafkaError:
            return False
        return all(len(each["isr"]) == REPLICAS for topic in described for each in topic["partitions"])

    def url(self, number: int) -> str:
        member = self.members[f"api-{number}"]
        return f"https://{member.machine.address}:{member.environment['KEYTRAIL_PORT']}"

    def metrics(self, name: str) -> str:
        """What Prometheus would get of one process."""
        member = self.members[name]
        address = f"{member.machine.address}:{member.environment['KEYTRAIL_METRICS_PORT']}"
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def healthy(self, number: int) -> bool:
        trusted = create_default_context(cafile=str(self.authority.certificate))
        try:
            with urllib.request.urlopen(f"{self.url(number)}/healthz", timeout=2, context=trusted) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def client(self, number: int = 1, service: str = "kms", **config: Any) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url(number),
            aws_access_key_id=self.root[0],
            aws_secret_access_key=self.root[1],
            verify=str(self.authority.certificate),
            config=Config(**{"retries": {"mode": "standard", "total_max_attempts": 1}, **config}),
        )

    def keytrail(self, *arguments: str, process: str = "operator") -> subprocess.CompletedProcess[str]:
        """A command of the operator's, or one with the settings of a kind of process."""
        asking = next(each for each in PROCESSES if each.name == process)
        data = self.folder / "operator"
        data.mkdir(mode=0o700, exist_ok=True)
        environment = clean_environment() | self._environment(asking, data)
        return subprocess.run(
            [str(BIN / "keytrail"), *arguments], env=environment, capture_output=True, text=True, check=False
        )

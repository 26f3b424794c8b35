"""Three brokers of the bundled Kafka, each a process on a machine of its own, as somebody with a cluster has them.

Clients log in by SCRAM over TLS. Brokers and controllers know each other by certificates. Whoever is not permitted something by an
ACL may not do it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.adapters.bundled import class_caches, login
from services.adapters.bundled.jars import CACHE, class_path
from services.adapters.bundled.kafka import KafkaFolder, new_cluster_id
from services.arrangement import BROKER_SETTINGS
from services.inherited import for_server
from tests.certificates import Authority
from tests.cluster import broker_clock
from tests.cluster.network import Machine
from tests.installation import free_port

ADMIN, ADMIN_PASSWORD = "admin", login.new()
"""The user who makes the others and their rights."""
HEAP = "384m"


class Broker:
    """One node: broker and controller."""

    def __init__(self, number: int, machine: Machine, folder: Path, authority: Authority, proxied_at: str) -> None:
        """`proxied_at`: the address at which clients reach it through a proxy."""
        self.number = number
        self.machine = machine
        self.folder = folder
        self._jars = class_path(CACHE, lambda done, count: None)
        self._clock = broker_clock.jar_of(self._jars)
        self.files = KafkaFolder(folder, list(self._jars), HEAP, self._from_cache)
        self.ahead = 0
        self.ports = {name: free_port() for name in ("CLIENTS", "PROXIED", "BROKERS", "CONTROLLER")}
        self.proxy = (proxied_at, free_port())
        certificate, key = authority.issue(f"broker-{number}", [machine.address, proxied_at])
        self._authority = authority.certificate
        self._identity = folder.with_name(f"{folder.name}.pem")
        self._identity.write_bytes(key.read_bytes() + certificate.read_bytes())
        self.process: subprocess.Popen[bytes] | None = None

    def at(self, listener: str) -> str:
        return f"{self.machine.address}:{self.ports[listener]}"

    def prepare(self, cluster: str, voters: str, names: Sequence[str], settings: Mapping[str, str]) -> None:
        self.files.make()
        self.files.configure(self._properties(voters, names) | dict(settings))
        self.files.format(cluster, "--add-scram", f"SCRAM-SHA-512=[name={ADMIN},password={ADMIN_PASSWORD}]")

    def _properties(self, voters: str, names: Sequence[str]) -> dict[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": voters,
            "listeners": ",".join(f"{each}://{self.at(each)}" for each in self.ports),
            "advertised.listeners": ",".join(
                [
                    *(f"{each}://{self.at(each)}" for each in ("CLIENTS", "BROKERS")),
                    "PROXIED://{}:{}".format(*self.proxy),
                ]
            ),
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,PROXIED:SASL_SSL,BROKERS:SSL,CONTROLLER:SSL",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "BROKERS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            **{
                f"listener.name.{each}.scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                )
                for each in ("clients", "proxied")
            },
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._identity,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority,
            "listener.name.brokers.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": ";".join([f"User:{ADMIN}", *(f"User:CN={each}" for each in names)]),
            "log.dirs": self.files.data,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8_388_608,
            "group.initial.rebalance.delay.ms": 0,
            **BROKER_SETTINGS,
        }

    def set_clock(self, ahead: int) -> None:
        """From its next start on, its clock is so many seconds ahead."""
        self.ahead = ahead
        self.files.jars[:] = [*([self._clock] if ahead else []), *self._jars]

    def _from_cache(self, what: str) -> str:
        """As the other brokers of the tests start: three that start anew are sixteen seconds of processor time. A cache is for one
        class path alone."""
        folder = self._clock.parent if self.ahead else class_caches.FOLDER
        return class_caches.option(what, folder, {class_caches.WANTED})

    def start(self) -> None:
        command = [*self.machine.enter, *self.files.command()]
        clock = {"JDK_JAVA_OPTIONS": f"-D{broker_clock.AHEAD}={self.ahead * 1000}"}
        with (self.folder / "logs" / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                command, env=for_server() | clock, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def log(self) -> str:
        path = self.folder / "logs" / "broker.log"
        return path.read_text() if path.exists() else ""

    def kill(self) -> None:
        assert self.process is not None, "start comes first"
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class Brokers:
    def __init__(
        self, machines: Sequence[Machine], folder: Path, authority: Authority, proxied_at: str, **settings: str
    ) -> None:
        """`settings`: of the broker, with underscores for dots."""
        self.all = [
            Broker(number, machine, folder / f"broker-{number}", authority, proxied_at)
            for number, machine in enumerate(machines, 1)
        ]
        self._settings = {name.replace("_", "."): value for name, value in settings.items()}

    @property
    def bootstrap(self) -> str:
        return ",".join(each.at("CLIENTS") for each in self.all)

    @property
    def proxied(self) -> str:
        return ",".join("{}:{}".format(*each.proxy) for each in self.all)

    def start(self) -> None:
        cluster = new_cluster_id()
        voters = ",".join(f"{each.number}@{each.at('CONTROLLER')}" for each in self.all)
        names = [f"broker-{each.number}" for each in self.all]
        with ThreadPoolExecutor() as pool:  # each formats its storage, by a JVM
            list(pool.map(lambda each: each.prepare(cluster, voters, names, self._settings), self.all))
        for each in self.all:
            each.start()

    def stop(self) -> None:
        """At once: nobody needs their data any more."""
        for each in self.all:
            if each.process is not None:
                each.kill()

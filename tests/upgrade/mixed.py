"""An installation whose processes are of two versions: two APIs, two writers, a projector, an alert worker and a notary, on the servers
of the test run. Each is started again when it ends, as a supervisor would, and can be replaced by one of the other version."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.inherited import BUNDLED_KAFKA, for_own, python
from services.settings import Settings, load
from tests import servers
from tests.forking import forked
from tests.installation import KEYTRAIL, clean_environment, eventually, free_port
from tests.upgrade.before import VersionBefore

READERS = {
    "api-1": "services.api",
    "api-2": "services.api",
    "projector-1": "services.projector",
    "alerts-1": "services.alert_worker",
    "notary-1": "services.notary",
}
WRITERS = {"writer-1": "services.writer", "writer-2": "services.writer"}
PROCESSES = READERS | WRITERS
"""In the order in which the documents upgrade them."""
AGAIN_AFTER = 0.2


class MixedProcess:
    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._command = python(PROCESSES[name])
        self._environment = environment
        self._of: VersionBefore | None = None
        self._running: subprocess.Popen[bytes] | None = None
        self._wanted = False

    def start(self, of: VersionBefore | None, *, wanted: bool = True) -> None:
        """`of`: the version before; None: this one. `wanted`: `keep` starts it again when it ends. Nothing else may start or keep
        it meanwhile."""
        self._of, self._wanted = of, wanted
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self._command,
                env=self._environment | (of.environment if of else {}),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def keep(self) -> None:
        if self._wanted and self._running is not None and self._running.poll() is not None:
            self.start(self._of)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self._wanted = False
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(number)
            self._running.wait(30)

    def ends_within(self, seconds: float) -> int:
        """Its exit code."""
        assert self._running is not None, "start comes first"
        return self._running.wait(seconds)


class MixedInstallation:
    """Use as a context manager. It begins with the version before."""

    def __init__(self, folder: Path, before: VersionBefore, names: Sequence[str] = tuple(PROCESSES)) -> None:
        """`names`: of the processes that there are."""
        self.before = before
        self._names = names
        self.root = ("AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20))
        self._folder = folder
        self._closing = contextlib.ExitStack()
        self._ports = {name: free_port() for name in names if name.startswith("api")}
        self.processes: dict[str, MixedProcess] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()

    def __enter__(self) -> MixedInstallation:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        with self._lock:
            for each in self.processes.values():
                each.stop(signal.SIGKILL)
        self._closing.close()

    def _start(self) -> None:
        share = self._closing.enter_context(contextlib.closing(servers.Share(servers.place())))
        self._folder.mkdir()
        master = self._folder / "master.key"
        master.write_bytes(b64encode(secrets.token_bytes(32)))
        master.chmod(0o600)
        self._settings = share.settings | {
            "KEYTRAIL_MASTER_KEY_FILE": str(master),
            "KEYTRAIL_TREE": str(self._folder / "tree"),
            "KEYTRAIL_ROOT_ACCESS_KEY_ID": self.root[0],
            "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": self.root[1],
            "KEYTRAIL_CONSOLE": "off",
        }
        for name in self._names:
            data = self._folder / name
            data.mkdir(mode=0o700)
            own = {"KEYTRAIL_DATA": str(data), "KEYTRAIL_WRITER_NAME": name, "KEYTRAIL_ALERTS_NAME": name}
            if name in self._ports:
                own["KEYTRAIL_PORT"] = str(self._ports[name])
            environment = for_own() | self._settings | own | {BUNDLED_KAFKA: "1"}
            self.processes[name] = MixedProcess(name, environment, self._folder / f"{name}.log")
        with self._lock:
            for each in self.processes.values():
                each.start(self.before)
        threading.Thread(target=self._keep, daemon=True).start()
        eventually(lambda: all(map(self.healthy, self._ports)), within=60)

    def _keep(self) -> None:
        while not self._ended.wait(AGAIN_AFTER):
            with self._lock:
                for each in self.processes.values() if not self._ended.is_set() else ():
                    each.keep()

    def replace(self, name: str, of: VersionBefore | None, number: int = signal.SIGTERM) -> None:
        """End a process by this signal, and start one of the other version in its place. Returns when it works."""
        with self._lock:
            self.processes[name].stop(number)
            seen = self.processes[name].log.stat().st_size
            self.processes[name].start(of)
        works = {"writer": '"event": "writer ', "projector": "", "alerts": "", "notary": ""}.get(name.partition("-")[0])
        if works is None:
            eventually(lambda: self.healthy(name), within=60)
        elif works:
            eventually(lambda: works in self.processes[name].log.read_text()[seen:], within=60)

    def healthy(self, name: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[name]}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports.values()]

    @property
    def settings(self) -> Settings:
        return load(self._settings, data=self._folder)

    def keytrail(self, *arguments: str, of: VersionBefore | None = None) -> subprocess.CompletedProcess[str]:
        """A command of the operator's, by this version or the one before."""
        environment = clean_environment() | self._settings | {"KEYTRAIL_DATA": str(self._folder / "api-1")}
        command = [str(KEYTRAIL), *arguments]
        if of is None:
            return forked().run(command, environment, timeout=120)
        return subprocess.run(
            command,
            env=environment | of.environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=os.sep,
        )

    def answer(self, *arguments: str) -> Any:
        """What a command of this version prints with --json."""
        done = self.keytrail(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

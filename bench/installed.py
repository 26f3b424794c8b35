"""A Keytrail for a benchmark: one API worker, started by `keytrail up`, without a rate limit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil

from bench.load import signed
from services.cli.client import Client
from services.runtime.data_folder import Folder, Running
from services.settings import Settings, load

FEW = 20  # records that the followers may lag behind: asking for the exact number makes one
IDLE = 0.4  # processor seconds a second of all processes of an idle installation


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], within: float = 90.0) -> None:
    ends = time.monotonic() + within
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > ends:
            raise SystemExit(f"not within {within} s")
        time.sleep(0.02)


class Installed:
    def __init__(self, data: Path, offset: int | None = None, checkout: Path | None = None, **extra: str) -> None:
        """`offset`: how many seconds a test clock is ahead; None for the real clock. `checkout`: the checkout whose
        `keytrail` is started; None for this one. `extra`: settings."""
        self._extra = extra
        self._checkout = checkout
        self._bin = Path(sys.executable).parent if checkout is None else checkout / ".venv" / "bin"
        self.data = data
        self.offset = offset
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._up: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Installed:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KEYTRAIL_"))}
        command = [
            str(self._bin / "keytrail"),
            "up",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
            *(["--test-clock"] if self.offset is not None else []),
        ]
        if self.offset is not None:
            clean["KEYTRAIL_CLOCK_OFFSET"] = str(self.offset)
        self._up = subprocess.Popen(
            command,
            env=clean | {"KEYTRAIL_CHANGE_RATE": "0", "KEYTRAIL_CONSOLE": "off"} | self._extra,
            cwd=self._checkout,  # earlier versions look there first for their modules
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._healthy)

    def _healthy(self) -> bool:
        if self._up is not None and self._up.poll() is not None:
            raise SystemExit("keytrail up ended")
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    def stop(self) -> None:
        if self._up is not None:
            self._up.send_signal(signal.SIGTERM)
            self._up.wait(60)

    def processes(self) -> list[psutil.Process]:
        """`keytrail up` and every process that it started."""
        assert self._up is not None
        up = psutil.Process(self._up.pid)
        return [up, *up.children(recursive=True)]

    def encrypt_request(self) -> bytes:
        """An Encrypt by a new key, which may be sent for five minutes."""
        key = self.client().create_key()["KeyMetadata"]["KeyId"]
        body = b'{"KeyId":"%b","Plaintext":"QUFB"}' % key.encode()
        return signed(self.url, self.credentials, "Encrypt", body)

    def processor_seconds(self) -> float:
        """What every process of the installation has had of a processor."""
        times = [each.cpu_times() for each in self.processes()]
        return sum(each.user + each.system for each in times)

    def until_followed(self) -> None:
        """Until projector and alert workers have caught up, and nothing works any more."""
        client = Client(self.data)
        while True:
            status = client.get("/v1/status")
            waiting = [*status["lag"].values(), *status["alerts"]["lag"].values()]
            if None not in waiting and sum(waiting) <= FEW:
                break
            time.sleep(0.5)
        spent = self.processor_seconds()
        while True:
            time.sleep(1)
            before, spent = spent, self.processor_seconds()
            if spent - before < IDLE:
                return

    def anew(self, *names: str) -> None:
        """End processes (`api-1`, ...), which are then started again."""
        before = self.running.children
        for name in names:
            psutil.Process(before[name][0]).terminate()
        until(lambda: all(self.running.children[name] != before[name] for name in names))
        until(self._healthy)

    @property
    def running(self) -> Running:
        state = Folder(self.data).state()
        assert state is not None
        return state

    @property
    def settings(self) -> Settings:
        """Settings that connect to the broker and the database of this installation."""
        settings = Folder(self.data).reached(load({}, data=self.data))
        assert settings is not None
        return settings

    @property
    def credentials(self) -> dict[str, str]:
        kept = Folder(self.data).kept_credentials()
        assert kept is not None
        return {"AWS_ACCESS_KEY_ID": kept.access_key_id, "AWS_SECRET_ACCESS_KEY": kept.secret_access_key}

    def client(self, service: str = "kms", credentials: dict[str, str] | None = None) -> Any:
        given = credentials or self.credentials
        return boto3.Session().client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
        )

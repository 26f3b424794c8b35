"""What the processes of xdist compile of the tests, each its own share first.

Every one of them imports every test. Where no bytecode is kept, as in a fresh clone, they would all compile the same files at
the same moments: five seconds of processor time each. So each begins with other files, and finds the rest compiled.
"""

from __future__ import annotations

import contextlib
import importlib

import pytest


def import_own_share(config: pytest.Config) -> None:
    """Called before tests are collected, which finds these modules imported, and shows what is wrong with one that is
    not."""
    given = getattr(config, "workerinput", None)
    if given is None or config.args != config.getini("testpaths"):
        return
    files = sorted(each for path in config.args for each in (config.rootpath / path).rglob("test_*.py"))
    number, of = int(given["workerid"].removeprefix("gw")), given["workercount"]
    for each in files[number * len(files) // of : (number + 1) * len(files) // of]:
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(each.relative_to(config.rootpath).with_suffix("").parts))

"""How often the garbage collector looks, in a process of its own: that of the tests has settings of its own."""

from __future__ import annotations

import subprocess
import sys

NESTED = """
import gc
from services.runtime.memory import look_seldom_for_cycles, seldom

def now():
    return gc.get_freeze_count() > 0, gc.get_threshold()

before = now()
with seldom():
    outer = now()
    with seldom():
        assert now() == outer
    assert now() == outer, "the inner one ended the outer one"
assert now() == before != outer
look_seldom_for_cycles()
for_good = now()
with seldom():
    pass
assert now() == for_good, "it ended what the process does for good"
"""


def test_a_while_within_another_does_not_end_it() -> None:
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

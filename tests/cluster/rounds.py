"""How many rounds of each fault have passed, added up over all runs of `make cluster-soak` in this folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

STATE = Path(".cluster.json")


def passed() -> Counter[str]:
    return Counter(json.loads(STATE.read_text()) if STATE.exists() else {})


def add(fault: str) -> None:
    """One more has passed. Written at once, so that a run which is broken off counts as far as it came."""
    sums = passed()
    sums[fault] += 1
    beside = STATE.with_suffix(".new")
    beside.write_text(json.dumps(sums, indent=1, sort_keys=True))
    beside.replace(STATE)


def line(faults: Iterable[str]) -> str:
    """What all runs come to. A fault that was never struck counts: it is the one with the fewest rounds."""
    sums, names = passed(), list(faults)
    least = min(names, key=lambda name: sums[name])
    return f"{len(names)} faults, {sum(sums[each] for each in names)} rounds, at least {sums[least]} of each ({least})"

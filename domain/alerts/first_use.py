"""A principal uses a key for the first time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.use import Use
from domain.keys.states import USES


def pairs(use: Use) -> Iterator[tuple[str, str]]:
    if not use.refused and use.operation in USES:
        for key in use.keys:
            yield use.who, key


def found(use: Use, key: str) -> Finding:
    summary = f"{use.who} used the key for the first time: {use.operation}"
    tags = use.tags if use.keys[0] == key else {}
    return Finding(f"{use.who} {key}", summary, key.split(":")[4], key, (use.who,), tags=tags)

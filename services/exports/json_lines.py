"""Writes calls unchanged, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def lines(documents: Iterable[Any]) -> Iterator[str]:
    for each in documents:
        yield json.dumps(each, separators=(",", ":")) + "\n"

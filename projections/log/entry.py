"""What a projection reads: one record of `events`, `decisions` or `alerts`, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

EVENTS = "events"
DECISIONS = "decisions"
ALERTS = "alerts"


@dataclass(slots=True)
class Entry:
    """`document`: the parsed record from the topic. `event`: its event in the newest version; None if it has no event. `digest`:
    the SHA-256 of the record's value, in hex; "" where nobody asks for it."""

    topic: str
    partition: int
    offset: int
    at: datetime
    region: str
    document: dict[str, Any]
    event: object | None = None
    digest: str = ""

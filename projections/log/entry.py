"""What a projection is given: one record of `events`, `decisions` or `alerts`, with where it stood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

EVENTS = "events"
DECISIONS = "decisions"
ALERTS = "alerts"


@dataclass(slots=True)
class Entry:
    """`document` is the record as parsed from the topic; `event` its event at the newest version, None without one."""

    topic: str
    partition: int
    offset: int
    at: datetime
    region: str
    document: dict[str, Any]
    event: object | None = None

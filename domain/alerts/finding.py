"""What a rule finds, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` tells findings of one rule on one record apart; `about` are the principals that it is about: whom a change
    lets in, else who called. `severity` is "" for the rule's own. `key` is an ARN, with the key's `tags`."""

    subject: str
    summary: str
    account: str
    key: str = ""
    about: tuple[str, ...] = ()
    severity: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tick:
    """One that counts towards a threshold. `item` is what has to differ between those that count, "" where each does."""

    subject: str
    account: str
    item: str = ""

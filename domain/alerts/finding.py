"""What a rule finds, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

THAT_MEET = " that meet "
"""Between the kind of callers and the conditions that they meet, where a finding is about callers without names. Whoever wrote
the policy wrote what stands behind it."""
MOST_NAMED = 5


def some_of(names: Sequence[str]) -> str:
    """The first of them in words, and how many more there are: whoever writes policies chooses how many."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` separates findings of one rule on one record. `about` are the principals concerned: those whom a change
    lets in, otherwise the caller. `severity` is "" for the rule's own severity. `key` is an ARN; `tags` are the key's."""

    subject: str
    summary: str
    account: str
    key: str = ""
    about: tuple[str, ...] = ()
    severity: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event that counts towards a threshold. Of events with the same `item` only one counts; with "", each counts."""

    subject: str
    account: str
    item: str = ""

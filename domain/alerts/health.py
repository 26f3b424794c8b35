"""What is seen of Keytrail itself while the log is followed."""

from __future__ import annotations

from dataclasses import dataclass

VOID, BREAK, BEHIND, MISMATCH, CLOCK_BACK, LOST, NOT_JUDGED = (
    "void", "break", "behind", "mismatch", "clock-back", "lost", "not-judged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Health:
    """`kind` is one of the words above; `where` names what tells it apart from others of its kind; `at` in microseconds."""

    kind: str
    where: str
    at: int
    summary: str

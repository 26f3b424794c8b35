"""A call as its client saw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RETRYABLE = frozenset({500, 502, 503, 504})


@dataclass(slots=True)
class ObservedCall:
    """`began`, `ended`: seconds of one monotonic clock. `status`: of its last attempt; None if that one was not answered."""

    client: int
    operation: str
    parameters: dict[str, Any]
    began: float
    ended: float = 0.0
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    attempts: list[tuple[int, float, str]] = field(default_factory=list)
    """Of each attempt: the number of the API, its seconds, and how it ended."""

    @property
    def answered(self) -> bool:
        """Whether it has its answer for good. A call without one may have had its effect, or may still have it."""
        return self.status is not None and self.status not in RETRYABLE

    @property
    def succeeded(self) -> bool:
        return self.status == 200

    @property
    def refused_as(self) -> str:
        """The kind of error that it was answered with."""
        return str(self.answer.get("__type", "")).rpartition("#")[2] if not self.succeeded else ""

"""A key policy lets in another account, one that is not known."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts import other_accounts
from domain.alerts.change import Change
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    yield from other_accounts.judge(change, known=False)

"""A principal uses a key for the first time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.use import Use
from domain.authorization.audience import Audience, account_in
from domain.keys.states import USES


def pairs(use: Use) -> Iterator[tuple[str, str]]:
    if not use.refused and use.operation in USES:
        for key in use.keys:
            yield _told(use, key), key


def found(use: Use, key: str) -> Finding:
    who = _told(use, key)
    summary = f"{who} used the key for the first time: {use.operation}"
    tags = use.tags if use.keys[0] == key else {}
    return Finding(f"{who} {key}", summary, key.split(":")[4], key, (who,), tags=tags)


def _told(use: Use, key: str) -> str:
    """Whoever it was of another account, the key's owner is told the account."""
    return Audience(account_in(key)).who(use.account, use.who)

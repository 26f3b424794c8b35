"""Finds parts of a past world by indexes, without folding the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.state.world import World
from projections.history import queries as history
from projections.history.aggregates import world_of
from projections.history.project import ACCOUNT, IDENTITY, OIDC_PROVIDER, POLICY, SERVICE
from projections.log.schema import AskedLog
from services.questions.moments import Moment

WHO = (ACCOUNT, SERVICE, IDENTITY, POLICY, OIDC_PROVIDER)
"""The kinds of what says who may use a key."""


async def world_then(log: AskedLog, region: str, moment: Moment, keys: Sequence[Any], accounts: Sequence[str]) -> World:
    """A world with these keys (rows of the history), their aliases and grants, and these accounts' identities and
    identity providers."""
    around = await history.about(log, moment.position, [row["id"] for row in keys])
    people = await history.of_accounts(log, moment.position, accounts, WHO)
    at = int(moment.at.timestamp() * 1_000_000)
    return world_of([*keys, *around, *people], region, moment.position, at, of_trail=log.is_trail)

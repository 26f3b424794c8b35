"""Compares two policies of a key (versions, moments or drafts) by their meaning: what the change lets in and keeps out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from domain.cloudtrail.known import BY
from domain.keys.key import Key
from domain.keys.states import KEY_ACTIONS
from domain.policy import unseen
from domain.policy.check import check_policy
from domain.policy.parse import KEY as KEY_POLICY
from domain.policy_analysis.budget import OutOfSteps
from domain.policy_analysis.compare import compare
from domain.policy_analysis.fixed_keys import known_of
from domain.policy_analysis.outcomes import UNKNOWN
from domain.policy_analysis.space import Side, Space
from domain.ports import Unavailable
from domain.state.principals import own_principals, principals_of
from domain.state.world import World
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.history.project import KEY
from projections.log.schema import AskedLog
from projections.policy_versions import queries as policy_versions
from services.questions.moments import LOOK_EVERY, PATIENCE, NoSuchMoment, moment_of
from services.rendering import utc


@dataclass(frozen=True, slots=True)
class ComparedPolicy:
    """A policy to compare: a version of the key's policy, with who put it and when, or a draft."""

    side: Side
    shown: dict[str, Any]


async def policy_in(log: AskedLog, key: Key, reference: str, end: int) -> ComparedPolicy:
    """The version that a number, a time or a position means. Raises NoSuchMoment, Unavailable."""
    if reference.isascii() and reference.isdigit() and len(reference) < 10:
        position = await _position_of(log, key, int(reference))
        await moment_of(log, f"@{position}", end)
    else:
        position = (await moment_of(log, reference, end)).position
    row = await history.one(log, position, KEY, key.id)
    if row is None:
        raise NoSuchMoment(f"the key was not there at {reference}")
    held = aggregate_of(row)
    assert isinstance(held, Key), "the row is a key's"
    (put,) = await policy_versions.page(log, key.id, held.policy_version - 1, 1)
    shown = {name: put[name] for name in ("version", "position", "principal", "call_id")}
    side = Side(held.policy_text, own_principals(held.principals, held.account), held.policy_version)
    if log.is_trail and unseen.is_document(put["document"]):
        # A record of the trail named the key; it does not say who wrote the key's policy, nor when.
        told = {"version": None, "principal": None, "call_id": None, "at": None, "unknown": unseen.POLICY}
        return ComparedPolicy(side, shown | told | {"settled_by": unseen.SETTLED_BY})
    if put["principal"] == BY:  # read from AWS's answer, which does not say who put it, nor when
        return ComparedPolicy(side, shown | {"principal": None, "call_id": None, "at": None, "known_by": BY})
    return ComparedPolicy(side, shown | {"at": utc(put["at"])})


async def _position_of(log: AskedLog, key: Key, version: int) -> int:
    """Where a version was put. Waits for one that was put a moment ago. Raises NoSuchMoment, Unavailable."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await policy_versions.page(log, key.id, version - 1, 1)
                if rows and rows[0]["version"] == version:
                    found: int = rows[0]["position"]
                    return found
                if rows or version > key.policy_version:
                    raise NoSuchMoment(f"the key's policy has no version {version}")
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise Unavailable("the versions of policies are behind the log") from None


def draft(text: str, world: World | None, version: int, account: str) -> ComparedPolicy:
    """`world` is None if nobody knows which principals exist. Raises MalformedPolicy, LimitExceeded."""
    policy = check_policy(text, KEY_POLICY)
    ids = principals_of(policy, world, account) if world is not None else {}
    return ComparedPolicy(Side(text, own_principals(ids, account), version), {"draft": True})


def difference(
    key: Key, old: ComparedPolicy, new: ComparedPolicy, more: list[str], *, of_trail: bool
) -> dict[str, Any]:
    """`more`: actions on keys besides those of KMS. `of_trail`: whether a trail told of the key."""
    told = {"key_id": key.id, "from": old.shown, "to": new.shown}
    try:
        space = Space(
            (old.side, new.side), key.account, [*KEY_ACTIONS, *more], key.arn, fixed=known_of(key, of_trail=of_trail)
        )
        return told | compare(space)
    except OutOfSteps:
        why = "to tell them apart takes more steps than are taken"
        return told | {"answer": UNKNOWN, "allowed": [], "denied": [], "unknown": [{"why": why}]}

"""Explains a past decision: asks its permissions again on the world of then, with every statement and grant that was
looked at.

The record comes before the explanation: if today's evaluator reaches another result, only the record is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.authorization.explain import explain
from domain.decisions.again import Callers, CaseDocument, asked_again, asks_policies
from domain.errors import CredentialDisabled, CredentialExpired
from domain.state.callers import UnreadableSession
from domain.state.world import World

OF_THE_EXPLANATION = ("layers", "grants", "context")


def permissions(case: CaseDocument, world: World, at: int) -> list[dict[str, Any]]:
    """For each permission that was asked, its reason on record and, with it, `layers`, `grants` and `context` from
    `explain`. A call that was refused before any permission was asked has no entry.

    `case` is a result of `case_of`, for a call at `at` (microseconds since the epoch); `world` is the world of the
    decision.
    """
    on_record = [dict(reason) for reason in case["reasons"]]
    if not case["access_key"] or not case.get("inputs"):
        return on_record
    try:
        caller = Callers().of(case, world, at)
    except (CredentialDisabled, CredentialExpired, UnreadableSession):
        return on_record
    return [
        dict(asked.reason) | _looked_at(asked.reason, explain(asked.caller, asked.question))
        if asks_policies(asked.reason, asked.question.resource, caller.account)
        else dict(asked.reason)
        for asked in asked_again(caller, case, world, at)
    ]


def _looked_at(reason: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    same = all(found[name] == reason[name] for name in ("effect", "by"))
    return {name: found[name] for name in OF_THE_EXPLANATION} if same else {}

"""Who decided: the one walk over a compiled key policy. An explicit Deny beats every Allow."""

from __future__ import annotations

from collections.abc import Set

from domain.policy.compile import CompiledPolicy, Decider

DENY = "deny"
ALLOW = "allow"


def evaluate(policy: CompiledPolicy, action: str, names: Set[str]) -> tuple[str, Decider] | None:
    """(DENY or ALLOW, the first statement that says so), or None where no statement speaks of the request.

    `action` is `kms:Name`; `names` are the principal names that the caller answers to.
    """
    denies, allows = policy.by_action.get(action) or policy.rows(action)
    for covers, by in denies:
        if covers(names):
            return DENY, by
    for covers, by in allows:
        if covers(names):
            return ALLOW, by
    return None

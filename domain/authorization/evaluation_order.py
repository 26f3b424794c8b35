"""The order of evaluation, as one table that every evaluator reads.

`authorization.evaluate` follows it for one request. `policy_analysis.who_could` follows it with the request left open,
`cloudtrail.judge` with parts of the request unknown, and `policy_analysis.space` for sets of requests.
`tests/oracle/test_evaluation_order.py` checks that the four agree.

1. Explicit deny: a Deny in any policy refuses, whatever else allows.
2. Way in: a statement of the resource's policy or a grant opens a way in. Without one the request is refused.
3. Limits: the permissions boundary and the session policy have to allow too, if the way in says so.
4. Identity policies: one of them has to allow too, if the way in says so.

Source: IAM user guide, reference_policies_evaluation-logic; KMS developer guide, policy-evaluation and grants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.policy.compile import DELEGATED, DIRECT, ROLE

STATEMENT, GRANT = "statement", "grant"
"""What opens a way in: an allowing statement of the resource's policy, or a grant."""
CLOSED = 0
"""The reach of a statement or grant that does not allow the request or does not mean the caller."""


@dataclass(frozen=True, slots=True)
class WayIn:
    """A way in. `opened_by` is STATEMENT or GRANT; `reach` is how closely that means the caller. `limits` and
    `identity_policy` say what else has to allow the request."""

    opened_by: str
    reach: int
    limits: bool
    identity_policy: bool


WAYS_IN = (
    #   opened by  reach      limits  identity policy
    WayIn(STATEMENT, DIRECT, False, False),
    WayIn(GRANT, DIRECT, False, False),
    WayIn(GRANT, ROLE, True, False),
    WayIn(STATEMENT, ROLE, True, False),
    WayIn(STATEMENT, DELEGATED, True, True),
    WayIn(GRANT, DELEGATED, True, True),
)  # fmt: skip
"""Every way in. If several are open, the first one decides: every later one asks for at least as much."""

NO_WAY = WayIn("", CLOSED, limits=True, identity_policy=True)

WAY_OF: Mapping[tuple[str, int], WayIn] = {(way.opened_by, way.reach): way for way in WAYS_IN}
TURN: Mapping[WayIn, int] = {way: turn for turn, way in enumerate(WAYS_IN)}
REACHES = (DIRECT, ROLE, DELEGATED)
"""From the reach that asks for nothing else to the reach that asks for most."""


def _first_open(statement: int, grant: int) -> WayIn:
    reached = {STATEMENT: statement, GRANT: grant}
    return next((way for way in WAYS_IN if reached[way.opened_by] == way.reach), NO_WAY)


FIRST_OPEN = tuple(
    tuple(_first_open(statement, grant) for grant in range(DIRECT + 1)) for statement in range(DIRECT + 1)
)
"""`FIRST_OPEN[statement][grant]`: the first open way by the reach of the closest statement and of the closest grant."""
BY_STATEMENT = tuple(row[CLOSED] for row in FIRST_OPEN)
"""The first open way if no grant lets the request in."""


def is_at_home(caller: str, owner: str) -> bool:
    """Whether the owner's account is the caller's own. A service has no account ("") and is at home everywhere."""
    return caller == owner or not caller


def reach_of(means: int, *, at_home: bool, needs_policies: bool) -> int:
    """The reach of a statement with this way to mean the caller. Across accounts an identity policy has to allow as
    well, however the statement names the caller. A root user has no identity policies and needs none."""
    if at_home or means == CLOSED:
        return means
    return DELEGATED if needs_policies else ROLE

"""The trust policy that a role gets, beside the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from domain.alerts.change import Change
from domain.arn import iam_arn
from domain.identities.identity import ROLE
from domain.log.identity_events import RoleCreated


@dataclass(frozen=True, slots=True)
class ReplacedTrust:
    """`role` is an ARN; `before` is "" for a new role."""

    role: str
    before: str


def replaced_trust(change: Change) -> ReplacedTrust:
    """For a RoleCreated or a TrustReplaced."""
    event = change.event
    if isinstance(event, RoleCreated):
        return ReplacedTrust(iam_arn(event.account, ROLE, event.path, event.name), "")
    identity = change.world.directory.identities[event.id]
    assert identity.role is not None, "a trust policy is a role's"
    return ReplacedTrust(identity.arn, identity.role.trust)

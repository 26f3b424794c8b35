"""What a record, or an answer of AWS's API, tells of a grant: whom it names, and its constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.cloudtrail.record import Broken
from domain.grants.grant import EQUALS, SOURCE_ARN, SUBSET, Constraints
from domain.policy.parse import SERVICE_NAME
from domain.state.world import World


def matched_as(named: str, world: World) -> str:
    """The name that a grant's principal answers to when it calls. Records and list-grants give a service of AWS by its plain
    name, where others have an ARN (KMS developer guide, ct-creategrant; API reference, GrantListEntry)."""
    if SERVICE_NAME.fullmatch(named):
        return f"Service:{named}"
    return world.directory.by_arn.get(named, named)


def constraints_in(told: Mapping[str, Any]) -> Constraints:
    """Raises Broken for constraints in a form that KMS does not take: without them, the grant would seem to let in every
    call. A constraint that nothing here knows is kept, and not checked."""
    constraints = told.get("Constraints")
    if constraints is None:
        return {}
    if not isinstance(constraints, dict):
        raise Broken("the grant's constraints cannot be read")
    found: dict[str, Mapping[str, str] | str] = {}
    for name, each in constraints.items():
        pairs = isinstance(each, dict) and all(isinstance(one, str) for one in each.values())
        if pairs if name in (EQUALS, SUBSET) else isinstance(each, str) or (pairs and name != SOURCE_ARN):
            found[name] = each
        elif each is not None:
            raise Broken(f"the grant's constraint {name} cannot be read")
    return found

"""What the principals of a policy mean: hosted users and roles become unique ids, so that a later one of the same name is
not meant (IAM user guide, reference_policies_elements_principal).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.arn import ACCOUNT_ID, parse_arn, root_arn
from domain.identities.identity import ROLE
from domain.policy.parse import UNIQUE_ID, Policy, Statement, invalid_principals
from domain.world import World


def principals_of(policy: Policy, world: World) -> dict[str, str]:
    """ARN to unique id of every hosted user and role that the policy names. Raises MalformedPolicy for a principal of a
    hosted account that is not there; of other accounts nothing is known."""
    result: dict[str, str] = {}
    for statement in policy.statements:
        for element, name in named(statement):
            unique = meaning(name, world)
            if unique is None:
                raise invalid_principals(f"$.Statement[{statement.index}].{element}")
            if unique != name:
                result[name] = unique
    return result


def named(statement: Statement) -> Iterator[tuple[str, str]]:
    """(element, name) of everyone whom Principal or NotPrincipal names."""
    for element, principals in (("Principal", statement.principal), ("NotPrincipal", statement.not_principal)):
        for name in sorted(principals.names) if principals is not None else ():
            yield element, name


def meaning(name: str, world: World) -> str | None:
    """The unique id of a hosted user or role, the name itself of what has none; None for one that is not there."""
    if UNIQUE_ID.fullmatch(name):
        return name if name in world.directory.identities else None
    arn = parse_arn(name)
    if arn is None or arn.account not in world.accounts:
        return name
    kind, _, rest = arn.resource.partition("/")
    if arn.service == "iam" and kind in ("user", "role"):
        return world.directory.by_arn.get(name)
    if arn.service == "sts" and kind == "assumed-role":
        role, _, session = rest.partition("/")
        return name if session and world.directory.find(ROLE, arn.account, role) is not None else None
    return name if arn.resource == "root" else None  # a group is no principal


def shown(text: str, principals: Mapping[str, str], world: World) -> str:
    """The policy as GetKeyPolicy shows it: the text as it was put, but for principals that are no more, which show as
    their unique ids; those whose name or path changed show as they are named now."""
    stale: dict[str, str] = {}
    for arn, unique in principals.items():
        identity = world.directory.identities.get(unique)
        if identity is None or identity.arn != arn:
            stale[arn] = unique if identity is None else identity.arn
    if not stale:
        return text
    document = json.loads(text)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            if isinstance(statement.get(element), dict) and "AWS" in statement[element]:
                statement[element]["AWS"] = _replaced(statement[element]["AWS"], stale)
    return json.dumps(document, indent=2, separators=(",", " : "))


def _replaced(value: Any, stale: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return stale.get(value, value)
    return [stale.get(each, each) for each in value]


def canonical(name: str) -> str:
    """An account's id is its root's ARN."""
    return root_arn(name) if ACCOUNT_ID.fullmatch(name) else name

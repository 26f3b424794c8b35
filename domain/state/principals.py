"""What the principals of a policy mean. Hosted users and roles become unique ids, so that a later principal of the same
name is not meant (IAM user guide, reference_policies_elements_principal).

A policy may name a principal of its own account only if it exists. It may name any principal of another account. One
that exists is bound to its unique id; one that does not exist means nobody. The author does not learn which it was. A
refusal, or a text that changes when a principal is deleted, would tell one account which principals another one has
(AWS refuses; this is a stated deviation).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.arn import ACCOUNT_ID, Arn, account_in, parse_arn, root_arn, session_arn
from domain.identities.identity import ROLE
from domain.policy.parse import UNIQUE_ID, Policy, Statement, invalid_principals
from domain.state.world import World


def principals_of(policy: Policy, world: World, account: str) -> dict[str, str]:
    """From ARN to unique id, for every hosted user and role that a policy of this account names. Raises MalformedPolicy
    if a principal of the account itself does not exist."""
    result: dict[str, str] = {}
    for statement in policy.statements:
        for element, name in named(statement):
            unique = meaning(name, world, account)
            if unique is None:
                raise invalid_principals(f"$.Statement[{statement.index}].{element}")
            if unique != name:
                result[name] = unique
    return result


def own_principals(principals: Mapping[str, str], account: str) -> dict[str, str]:
    """The unique ids of an account's own principals. The account does not learn which principal of another account an
    ARN meant, or whether it meant one."""
    return {name: unique for name, unique in principals.items() if account_in(name) == account}


def named(statement: Statement) -> Iterator[tuple[str, str]]:
    """(element, name) of every principal in Principal or NotPrincipal."""
    for element, principals in (("Principal", statement.principal), ("NotPrincipal", statement.not_principal)):
        for name in sorted(principals.names) if principals is not None else ():
            yield element, name


ABSENT = "absent:"
"""What another account's ARN means if nobody has it. No caller answers to this name, not even a principal that gets the
ARN later (AWS would have refused the policy)."""


def meaning(name: str, world: World, account: str) -> str | None:
    """What a name means. A hosted user or role: its unique id. A session of a hosted role: the role's unique id with
    the session's name. A name without a unique id: the name itself. A principal of `account` that does not exist: None.
    Another account's unique id counts as not existing, since its author must have guessed it."""
    if UNIQUE_ID.fullmatch(name):
        held = world.directory.identities.get(name)
        return name if held is not None and held.account == account else None
    arn = parse_arn(name)
    if arn is None or arn.account not in world.accounts:
        return name
    found = _hosted(name, arn, world)
    return found if found is not None or arn.account == account else ABSENT + name


def _hosted(name: str, arn: Arn, world: World) -> str | None:
    kind, _, rest = arn.resource.partition("/")
    if arn.service == "iam" and kind in ("user", "role"):
        return world.directory.by_arn.get(name)
    if arn.service == "sts" and kind == "assumed-role":
        name, _, session = rest.partition("/")
        role = world.directory.find(ROLE, arn.account, name)
        # The form of `aws:userid`: if a role is made again under the same name, its sessions are not meant.
        return f"{role.id}:{session}" if session and role is not None else None
    return name if arn.resource == "root" else None  # a group cannot be a principal


def shown(text: str, principals: Mapping[str, str], world: World, account: str) -> str:
    """The policy as GetKeyPolicy shows it to its account: the text as it was put, with two changes to the account's own
    principals. Deleted ones show as their unique ids; renamed or moved ones show under their present ARN."""
    stale: dict[str, str] = {}
    for arn, unique in principals.items():
        if account_in(arn) != account:
            continue
        now = arn_now(unique, world)
        if now != arn:
            stale[arn] = unique if now is None else now
    if not stale:
        return text
    document = json.loads(text)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            if isinstance(statement.get(element), dict) and "AWS" in statement[element]:
                statement[element]["AWS"] = _replaced(statement[element]["AWS"], stale)
    return json.dumps(document, indent=2, separators=(",", " : "))


def arn_now(unique: str, world: World) -> str | None:
    """The ARN that a unique id has now (for a role's session, with the session's name after it); None if the principal
    was deleted."""
    id, colon, session = unique.partition(":")
    identity = world.directory.identities.get(id)
    if identity is None:
        return None
    return session_arn(identity.account, identity.name, session) if colon else identity.arn


def role_of(unique: str) -> str:
    """The unique id of a session's role; any other unique id unchanged."""
    return unique.partition(":")[0] if UNIQUE_ID.match(unique) else unique


def _replaced(value: Any, stale: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return stale.get(value, value)
    return [stale.get(each, each) for each in value]


def canonical(name: str) -> str:
    """The root's ARN for an account's id; any other name unchanged."""
    return root_arn(name) if ACCOUNT_ID.fullmatch(name) else name

"""What the principals of a policy mean: hosted users and roles become unique ids, so that a later one of the same name is
not meant (IAM user guide, reference_policies_elements_principal).

Of its own account a policy may name only who is there. Of another account it may name anybody: who is there is bound to
the unique id, who is not is nobody, and the author is told neither. A refusal, and a text that changes when somebody is
deleted, would tell one account whom another one has (AWS refuses; this is a stated deviation).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.arn import ACCOUNT_ID, Arn, parse_arn, root_arn, session_arn
from domain.identities.identity import ROLE
from domain.policy.parse import UNIQUE_ID, Policy, Statement, invalid_principals
from domain.state.world import World


def principals_of(policy: Policy, world: World, account: str) -> dict[str, str]:
    """ARN to unique id of every hosted user and role that a policy of this account names. Raises MalformedPolicy for a
    principal of the account itself that is not there."""
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
    """The unique ids of an account's own principals: whom of another account an ARN meant, and whether anybody, is not told
    to the account that wrote it."""
    return {name: unique for name, unique in principals.items() if account_of(name) == account}


def named(statement: Statement) -> Iterator[tuple[str, str]]:
    """(element, name) of everyone whom Principal or NotPrincipal names."""
    for element, principals in (("Principal", statement.principal), ("NotPrincipal", statement.not_principal)):
        for name in sorted(principals.names) if principals is not None else ():
            yield element, name


ABSENT = "absent:"
"""What an ARN of another account means where nobody has it: no caller answers to such a name, not even one who is given
the ARN later (AWS would have refused the policy)."""


def meaning(name: str, world: World, account: str) -> str | None:
    """The unique id of a hosted user or role, of a role's session the role's with the session's name; the name itself of
    what has none; None for one that is not there, of
    `account` itself. A unique id of another account counts as not there: who names one has guessed it."""
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
        # As `aws:userid` has it: a session of a role that is made again under the same name is not meant.
        return f"{role.id}:{session}" if session and role is not None else None
    return name if arn.resource == "root" else None  # a group cannot be a principal


def shown(text: str, principals: Mapping[str, str], world: World, account: str) -> str:
    """The policy as GetKeyPolicy shows it to its account: the text as it was put, but for the account's own principals
    that are no more, which show as their unique ids; those whose name or path changed show as they are named now."""
    stale: dict[str, str] = {}
    for arn, unique in principals.items():
        if account_of(arn) != account:
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
    """The ARN that a unique id has now (a role's session has the session's name behind it); None if the principal was deleted."""
    id, colon, session = unique.partition(":")
    identity = world.directory.identities.get(id)
    if identity is None:
        return None
    return session_arn(identity.account, identity.name, session) if colon else identity.arn


def role_of(unique: str) -> str:
    """The unique id of the role whose session this is; of anything else the same."""
    return unique.partition(":")[0] if UNIQUE_ID.match(unique) else unique


def _replaced(value: Any, stale: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return stale.get(value, value)
    return [stale.get(each, each) for each in value]


def account_of(name: str) -> str:
    """The account of an ARN, "" of anything else."""
    arn = parse_arn(name)
    return "" if arn is None else arn.account


def canonical(name: str) -> str:
    """An account's id is its root's ARN."""
    return root_arn(name) if ACCOUNT_ID.fullmatch(name) else name

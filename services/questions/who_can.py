"""Who could do what with a key, and what a principal could do with which keys, in a given world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.arn import account_in, parse_arn, root_arn
from domain.authorization.audience import Audience, stranger
from domain.authorization.caller import Caller, root_of
from domain.authorization.question import Resource
from domain.commands.identity_permissions import ASSUME_WITH_TOKEN, role_resource
from domain.errors import NoSuchEntity
from domain.identities.identity import ROLE, USER
from domain.keys.key import Key
from domain.policy import unseen
from domain.policy.compile import DIRECT
from domain.policy_analysis.who_could import RETIRE, Could, could, could_retire
from domain.state.callers import caller_for
from domain.state.principals import canonical
from domain.state.world import World
from services.operations.table import CROSS_ACCOUNT
from services.questions.federated import federated_into

AccessRow = dict[str, Any]
ANYONE = "*"
ASSUME = "sts:AssumeRole"


def who_can(world: World, key: Key, action: str) -> list[AccessRow]:
    """A row for each principal that could: those of this world by kind and ARN, then others whom the policy and grants admit.

    The world holds only the asking account (a trail's world holds every account). So a row about another account says that its
    own policies decide, but never what they say.
    """
    rows = []
    for kind, caller in everyone(world, key, action):
        rows += rows_of(world, key, action, kind, caller)
    return rows


def rows_of(world: World, key: Key, action: str, kind: str, caller: Caller) -> list[AccessRow]:
    """The caller's row and, for a role, a row for those whom each identity provider lets in; nothing if the caller could not."""
    row = row_of(world, key, action, kind, caller)
    return [] if row is None else [row, *(federated_into(world, caller, row) if kind == ROLE else ())]


def everyone(world: World, key: Key, action: str) -> Iterator[tuple[str, Caller]]:
    """Every caller to check: those of this world, then others whom the policy and grants admit."""
    yield from _hosted(world, world.resource(key))
    yield from outside(world, key, action)


def row_of(world: World, key: Key, action: str, kind: str, caller: Caller) -> AccessRow | None:
    """None if the caller could not."""
    found = _could(caller, action, world.resource(key))
    if not found.paths or _only_perhaps(world, key, caller, found):
        return None
    return {"principal": caller.principal, "kind": kind, **_told(found)}


def _could(caller: Caller, action: str, resource: Resource) -> Could:
    if action == RETIRE:
        return could_retire(caller, resource)
    return could(caller, action, resource, reaches=action.removeprefix("kms:") in CROSS_ACCOUNT)


def _only_perhaps(world: World, key: Key, caller: Caller, found: Could) -> bool:
    """Whether a caller of another account is listed only because the key's policy was never seen, and so may name anybody. The
    answer says that once, for everyone."""
    return (
        world.of_trail
        and caller.account not in ("", key.account)
        and unseen.is_document(key.policy_text)
        and not any("grant" in path.document()["by"] for path in found.paths)
    )


def _told(found: Could) -> AccessRow:
    paths = [_seen(path.document() | {"open": _conditions(path.open)}) for path in found.paths]
    unless = [_seen({"by": each["by"], "open": _conditions(each["open"])}) for each in found.unless]
    return {"paths": paths, "unless": unless, "for_sure": not found.unless and not found.paths[0].open}


def _seen(path: AccessRow) -> AccessRow:
    """A path that does not show its unseen statement, only whose policy would contain it."""
    if any(each["key"] == unseen.KEY for each in path["open"]):
        for name in path.keys() & {"by", "delegation"}:
            path[name] = _statement(path[name])
    return path


def _statement(by: Mapping[str, Any]) -> AccessRow:
    if by.get("sid") not in unseen.SIDS:
        return dict(by)
    return {"kind": by["kind"], "policy": by["policy"].removesuffix(f"#{unseen.NAME}"), "unknown": True}


def _conditions(found: Sequence[AccessRow]) -> list[AccessRow]:
    return [{name: each[name] for name in ("operator", "key", "wanted")} for each in found]


def _hosted(world: World, resource: Resource) -> Iterator[tuple[str, Caller]]:
    for name in sorted(world.accounts):
        yield "root", root_of(name)
    for identity in sorted(world.directory.identities.values(), key=lambda each: each.arn):
        if identity.kind in (USER, ROLE):
            yield identity.kind, caller_for(world, identity.arn)
    for name in sorted(_named(resource)):
        arn = parse_arn(name)
        if arn is not None and arn.resource.startswith("assumed-role/"):
            try:
                yield "session", caller_for(world, name)
            except NoSuchEntity:
                continue  # of an account that is not hosted here: `outside` has it


def _named(resource: Resource) -> set[str]:
    """Every name in the key policy's statements, and every grantee."""
    assert resource.policy is not None, "a key has its policy"
    names: set[str] = set(resource.grants)
    for rule in resource.policy.statements:
        if rule.statement.principal is not None:
            names |= rule.statement.principal.names
    return names


def outside(world: World, key: Key, action: str) -> Iterator[tuple[str, Caller]]:
    """The callers whom the policy and grants name but this world does not hold; and everyone, if a statement says so."""
    resource, meant = world.resource(key), _meant(world, key)
    for name in sorted(_written(world, key)):
        kind, _, rest = name.partition(":")
        arn = parse_arn(name)
        if kind in ("Service", "Federated", "CanonicalUser"):
            yield kind.lower(), Caller("", rest, {name: DIRECT}, rest, needs_policies=False)
        elif arn is not None and arn.account not in world.accounts:
            yield (
                ("account" if name == root_arn(arn.account) else "foreign"),
                stranger(arn.account, name, meant.get(name, set())),
            )
    if _admits_everyone(resource, action):
        yield "everyone", Caller("", ANYONE, {ANYONE: DIRECT}, "", needs_policies=False)


def _written(world: World, key: Key) -> set[str]:
    """Every name in the key policy's statements, and every grantee's and retiring principal's name as it was written."""
    grants = world.grants.get(key.id, {}).values()
    shown = {grant.grantee: grant.grantee_shown for grant in grants}
    retiring = {grant.retiring_shown for grant in grants if grant.retiring}
    return {shown.get(name, name) for name in _named(world.resource(key))} | retiring


def foreign(world: World, key: Key, account: str, name: str) -> Caller:
    """A principal of another account, with everything to which this key's policy and grants bound its name."""
    return stranger(account, name, _meant(world, key).get(name, set()))


def _meant(world: World, key: Key) -> dict[str, set[str]]:
    """What each name of a principal meant where the key's policy and grants were written. A key may have fifty thousand grants,
    each to another name, so this looks at each once."""
    found = {name: {bound} for name, bound in key.principals.items()}
    for grant in world.grants.get(key.id, {}).values():
        found.setdefault(grant.grantee_shown, set()).add(grant.grantee)
        if grant.retiring:
            found.setdefault(grant.retiring_shown, set()).add(grant.retiring)
    return found


def _admits_everyone(resource: Resource, action: str) -> bool:
    assert resource.policy is not None, "a key has its policy"
    return any(
        not rule.denies
        and rule.acts is not None
        and rule.acts(action.lower())
        and not rule.elsewhere
        and ((rule.statement.principal is not None and rule.statement.principal.anyone) or rule.statement.not_principal)
        for rule in resource.policy.statements
    )


def require_principal(world: World, principal: str, audience: Audience) -> None:
    """Raises NoSuchEntity for a missing principal of the asking account. About other accounts' principals it says nothing."""
    if audience.owns(account_in(canonical(principal)) or audience.account):
        caller_for(world, principal)


def can_what(
    world: World, principal: str, keys: Sequence[Key], actions: Sequence[str], audience: Audience
) -> list[AccessRow]:
    """The operations that the principal could do, by key: those for sure, and those under conditions. For another account's
    principal, these are what the keys' own policies and grants give it. Raises NoSuchEntity."""
    name = canonical(principal)
    account = account_in(name)
    rows = []
    for key in keys:
        own = audience.owns(account or audience.account)
        caller = caller_for(world, principal) if own else foreign(world, key, account, name)
        resource = world.resource(key)
        sure: list[str] = []
        under: dict[str, AccessRow] = {}
        for action in actions:
            name_of = action.removeprefix("kms:")
            found = _could(caller, action, resource)
            if found.paths:
                told = _told(found)
                if told["for_sure"]:
                    sure.append(name_of)
                else:
                    under[name_of] = {"paths": told["paths"], "unless": told["unless"]}
        if sure or under:
            rows.append({"key_id": key.id, "arn": key.arn, "operations": sure, "under_conditions": under})
    return rows


def assumable(world: World, principal: str, audience: Audience) -> list[AccessRow]:
    """The roles of this world that a principal could assume, and by which paths. In a session it could do what the role could.
    The root user cannot assume a role (STS API reference, AssumeRole). Raises NoSuchEntity."""
    name = canonical(principal)
    account = account_in(name)
    own = audience.owns(account or audience.account)
    caller = caller_for(world, principal) if own else stranger(account, name, ())
    if caller.is_root:
        return []
    assuming = ASSUME_WITH_TOKEN if own and name in world.directory.oidc else ASSUME
    rows = []
    for role in sorted(world.directory.identities.values(), key=lambda each: each.arn):
        if role.role is None or role.arn == name:
            continue
        if not own:
            bound = role.role.principals.get(name)
            caller = stranger(account, name, () if bound is None else {bound})
        found = could(caller, assuming, role_resource(role.arn, world))
        if found.paths:
            rows.append({"principal": role.arn, **_told(found)})
    return rows

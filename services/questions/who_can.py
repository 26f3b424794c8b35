"""Who could do what with a key, and with which keys somebody could do what: `domain.access.who_could` over a whole world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from domain.access.caller import Caller, root_of
from domain.access.question import Resource
from domain.access.who_could import Could, could
from domain.arn import parse_arn, root_arn
from domain.errors import NoSuchEntity
from domain.identities.callers import caller_for
from domain.identities.identity import ROLE, USER
from domain.keys.key import Key
from domain.policy.compile import DIRECT
from domain.world import World
from services.api.explaining import OF_THE_CALLER, OF_THE_KEY
from services.operations.table import CROSS_ACCOUNT

Row = dict[str, Any]
ANYONE = "*"


def who_can(world: World, key: Key, action: str, account: str) -> list[Row]:
    """A row for everyone who could: the principals hosted here by kind and ARN, then whom else policy and grants admit.

    `account` asks: what the policies of other accounts say is not told.
    """
    resource = world.resource(key)
    found = (row_of(world, key, action, account, kind, caller) for kind, caller in everyone(world, resource, action))
    return [row for row in found if row is not None]


def everyone(world: World, resource: Resource, action: str) -> Iterator[tuple[str, Caller]]:
    """Every caller that is asked about: those hosted here, then whom else policy and grants admit."""
    yield from _hosted(world, resource)
    yield from outside(world, resource, action)


def row_of(world: World, key: Key, action: str, account: str, kind: str, caller: Caller) -> Row | None:
    """None for a caller who could not."""
    reaches = action.removeprefix("kms:") in CROSS_ACCOUNT
    found = could(caller, action, world.resource(key), reaches=reaches)
    if not found.paths:
        return None
    return {"principal": caller.principal, "kind": kind, **_told(found, _withheld(caller, key, account))}


def _withheld(caller: Caller, key: Key, account: str) -> frozenset[str]:
    """The kinds of policies that are of another account than the one that asks, as `explain` has it; none are withheld
    from "", who may read a trail."""
    if not account:
        return frozenset()
    of_the_key = OF_THE_KEY if key.account != account else frozenset()
    return of_the_key | (OF_THE_CALLER if caller.account != account else frozenset())


def _told(found: Could, withheld: frozenset[str]) -> Row:
    paths: list[Row] = []
    for path in found.paths:
        told = path.document()
        for name in ("by", "delegation"):
            if name in told:
                told[name] = _shown(told[name], withheld)
        paths.append(told | {"open": _conditions(told["open"], withheld)})
    unless = [
        {"by": each["by"], "open": _conditions(each["open"], withheld)}
        for each in found.unless
        if each["by"]["kind"] not in withheld
    ]
    return {"paths": paths, "unless": unless, "for_sure": not found.unless and not found.paths[0].open}


def _shown(by: Row, withheld: frozenset[str]) -> Row:
    return {"kind": by["kind"]} if by["kind"] in withheld else by


def _conditions(found: Sequence[Row], withheld: frozenset[str]) -> list[Row]:
    """Without those of policies that are not for the asking account."""
    return [
        {name: each[name] for name in ("operator", "key", "wanted")} for each in found if each["kind"] not in withheld
    ]


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
                continue  # of an account that is not hosted here: it comes with those


def _named(resource: Resource) -> set[str]:
    """Every name in the key policy's statements, and every grantee."""
    assert resource.policy is not None, "a key has its policy"
    names: set[str] = set(resource.grants)
    for rule in resource.policy.rules:
        if rule.statement.principal is not None:
            names |= rule.statement.principal.names
    return names


def outside(world: World, resource: Resource, action: str) -> Iterator[tuple[str, Caller]]:
    """Whom policy and grants name that is not hosted here, and everyone where a statement says so."""
    for name in sorted(_named(resource)):
        kind, _, rest = name.partition(":")
        arn = parse_arn(name)
        if kind in ("Service", "Federated", "CanonicalUser"):
            yield kind.lower(), Caller("", rest, {name: DIRECT}, rest, needs_policies=False)
        elif arn is not None and arn.account not in world.accounts:
            yield ("account" if name == root_arn(arn.account) else "foreign"), _foreign(arn.account, name)
    if _admits_everyone(resource, action):
        yield "everyone", Caller("", ANYONE, {ANYONE: DIRECT}, "", needs_policies=False)


def _foreign(account: str, name: str) -> Caller:
    """Somebody of another account, whose own policies nobody here knows: as if they allowed everything."""
    context = {"aws:principalaccount": (account,), "kms:calleraccount": (account,)}
    names = {name: DIRECT, root_arn(account): DIRECT}
    return Caller(account, name, names, name, needs_policies=False, context=context)


def _admits_everyone(resource: Resource, action: str) -> bool:
    assert resource.policy is not None, "a key has its policy"
    return any(
        not rule.denies
        and rule.acts is not None
        and rule.acts(action.lower())
        and not rule.elsewhere
        and ((rule.statement.principal is not None and rule.statement.principal.anyone) or rule.statement.not_principal)
        for rule in resource.policy.rules
    )


def can_what(world: World, caller: Caller, keys: Sequence[Key], actions: Sequence[str], account: str) -> list[Row]:
    """Of each key that the caller could do something with: the operations, those for sure and those under conditions."""
    rows = []
    for key in keys:
        resource = world.resource(key)
        sure: list[str] = []
        under: dict[str, Row] = {}
        for action in actions:
            name = action.removeprefix("kms:")
            found = could(caller, action, resource, reaches=name in CROSS_ACCOUNT)
            if found.paths:
                told = _told(found, _withheld(caller, key, account))
                if told["for_sure"]:
                    sure.append(name)
                else:
                    under[name] = {"paths": told["paths"], "unless": told["unless"]}
        if sure or under:
            rows.append({"key_id": key.id, "arn": key.arn, "operations": sure, "under_conditions": under})
    return rows

"""A key or a principal as it was after one position of the log, with the policies that decide its access."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.aliases.alias import Alias
from domain.arn import MULTI_REGION, alias_arn, is_elsewhere, parse_arn
from domain.authorization.audience import Audience, Told
from domain.cloudtrail.iam_changes import NO_TRUST
from domain.cloudtrail.keys_named import id_of
from domain.errors import KeyNotFound, NoSuchEntity
from domain.grants.grant import Grant
from domain.identities.identity import GROUP, Identity, ManagedPolicy
from domain.identities.published import PUBLISHED
from domain.keys.key import Key
from domain.keys.states import State
from domain.log.codec import micros_of
from domain.policy import unseen
from domain.state.principals import canonical, role_of
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.history.project import ALIAS, IDENTITY, KEY
from projections.log.schema import AskedLog
from services.questions.moments import Moment


def utc(micros: int) -> str:
    moment = datetime.fromtimestamp(micros / 1_000_000, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def find_key(log: AskedLog, reference: str, account: str, region: str, moment: Moment) -> Any:
    """The row of the key that an id, an ARN or an alias meant then. If `account` is "", the key may belong to any account (a
    trail has several). Raises KeyNotFound; for an ARN of another account AccessRefused, whether or not the key exists."""
    name, owner = reference, account
    arn = parse_arn(reference)
    if arn is not None and arn.service == "kms":
        Audience(account).require(arn.account)
        if account and is_elsewhere(reference, region):
            raise KeyNotFound(f"There was no key {reference} at @{moment.position}.")
        owner, name = arn.account, arn.resource.removeprefix("key/")
    if name.startswith("alias/"):
        if owner:  # a trail has aliases of every Region
            where = region if arn is None else arn.region
            alias = await history.one(log, moment.position, ALIAS, alias_arn(where, owner, name))
        else:
            alias = await _only_alias(log, moment, name)
        held = None if alias is None else aggregate_of(alias)
        name = held.key if isinstance(held, Alias) else name
    if not account:
        name = await _of_a_trail(log, moment, reference if reference.endswith(f"/{name}") else name)
    row = await history.one(log, moment.position, KEY, name)
    if row is None or owner not in ("", row["account"]):
        raise KeyNotFound(f"There was no key {reference} at @{moment.position}.")
    return row


async def _only_alias(log: AskedLog, moment: Moment, name: str) -> Any | None:
    """The row of the alias with this name in a trail. Raises KeyNotFound if there are several, of other accounts or Regions, and
    they are of different keys."""
    found = await history.aliases_named(log, moment.position, name)
    held = {row["id"]: each.key for row in found if isinstance(each := aggregate_of(row), Alias)}
    if len(set(held.values())) > 1:
        raise KeyNotFound(
            f"There are several aliases {name}. Name the one that you mean by its ARN: {', '.join(held)}."
        )
    return found[0] if found else None


async def _of_a_trail(log: AskedLog, moment: Moment, reference: str) -> str:
    """The id of a trail's key. If the id exists in several Regions, it does not tell which key is meant. Raises KeyNotFound."""
    name = id_of(reference)
    if not name.startswith(MULTI_REGION) or "@" in name:
        return name
    found = await history.in_regions(log, moment.position, name)
    if len(found) > 1:
        arns = ", ".join(each.arn for row in found if isinstance(each := aggregate_of(row), Key))
        raise KeyNotFound(f"The key {name} is in several Regions. Name it by its ARN: {arns}.")
    return str(found[0]["id"]) if found else name


async def show_key(log: AskedLog, row: Any, moment: Moment, audience: Audience) -> Told:
    """`row` comes from find_key. Raises AccessRefused."""
    key = aggregate_of(row)
    assert isinstance(key, Key), "the row is a key's"
    related = [aggregate_of(each) for each in await history.about(log, moment.position, [key.id])]
    grants = [each for each in related if isinstance(each, Grant)]
    names = {*key.principals.values(), *(name for grant in grants for name in (grant.grantee, grant.retiring) if name)}
    named = {role_of(name) for name in names}
    people = await _identities(log, moment.position, named, audience)
    unknown = unseen.unseen_of(key.tags) if log.is_trail else ""
    shown = {
        **({"unknown": unknown, "settled_by": unseen.SETTLED_BY} if unknown else {}),
        "position": moment.position,
        "at": moment.text,
        "key": _key_of(key, moment, audience),
        "as_since": row["position"],
        "policy": None if log.is_trail and unseen.is_document(key.policy_text) else _document(key.policy_text),
        "aliases": sorted(each.name for each in related if isinstance(each, Alias)),
        "grants": [_grant(each) for each in grants],
        "identities": people,
    }
    return audience.own(key.account, shown)


async def list_keys(log: AskedLog, rows: Sequence[Any], moment: Moment, audience: Audience) -> list[dict[str, Any]]:
    """The keys of the history's rows, each as `show_key` shows it, with its aliases and since when it is so."""
    aliases = await history.aliases_of(log, moment.position, [row["id"] for row in rows])
    found = []
    for row in rows:
        key = aggregate_of(row)
        assert isinstance(key, Key), "the row is a key's"
        shown = _key_of(key, moment, audience)
        found.append({**shown, "key_aliases": aliases.get(key.id, []), "as_since": row["position"]})
    return found


def list_named(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The users, groups, roles or managed policies of the history's rows."""
    found = []
    for row in rows:
        it = aggregate_of(row)
        assert isinstance(it, Identity | ManagedPolicy), "the rows have ARNs"
        unknown = unseen.NAME in it.tags or (isinstance(it, Identity) and unseen.NAME in it.inline)
        found.append(
            {
                "arn": it.arn,
                "id": None if it.id.startswith("ARN:") else it.id,
                "kind": it.kind if isinstance(it, Identity) else "policy",
                "name": it.name,
                "path": it.path,
                "created_at": None if unknown else utc(it.created),
                "as_since": row["position"],
            }
        )
    return found


async def show_principal(log: AskedLog, reference: str, moment: Moment, audience: Audience) -> Told:
    """A user, group or role, by its ARN or unique id, with the policies that apply to it. Raises NoSuchEntity, also for another
    account's identity."""
    name = canonical(reference)
    row = await history.by_arn(log, moment.position, name)
    if row is None:
        row = await history.one(log, moment.position, IDENTITY, name)
    if row is None or row["kind"] != IDENTITY or not audience.owns(row["account"]):
        raise NoSuchEntity(f"There was no user, group or role {reference} in this account at @{moment.position}.")
    (shown,) = await _identities(log, moment.position, {row["id"]}, audience)
    answer = {"position": moment.position, "at": moment.text, "as_since": row["position"], "principal": shown}
    return audience.own(row["account"], answer)


async def _identities(log: AskedLog, position: int, ids: Iterable[str], audience: Audience) -> list[dict[str, Any]]:
    """Those that belong to the asking account, by ARN, each with its own policies and those of its groups."""
    held = [each for each in await _named(log, position, IDENTITY, ids) if audience.owns(each.account)]
    groups = await _named(log, position, IDENTITY, {name for each in held for name in each.groups})
    arns = {arn for each in (*held, *groups) for arn in (*each.attached, each.boundary) if arn}
    policies = {
        each.arn: each
        for row in await history.by_arns(log, position, sorted(arns))
        if isinstance(each := aggregate_of(row), ManagedPolicy) and audience.owns(each.account)
    }
    policies |= {arn: PUBLISHED[arn] for arn in arns & PUBLISHED.keys() - policies.keys()}
    by_id = {group.id: group for group in groups}
    of_trail = log.is_trail
    return [_identity(each, by_id, policies, of_trail=of_trail) for each in sorted(held, key=lambda each: each.arn)]


async def _named(log: AskedLog, position: int, kind: str, ids: Iterable[str]) -> list[Identity]:
    rows = await history.named(log, position, kind, sorted(ids))
    return [each for row in rows if isinstance(each := aggregate_of(row), Identity)]


def _key_of(key: Key, moment: Moment, audience: Audience) -> dict[str, Any]:
    told = _key(key, key.state_at(micros_of(moment.asked)))
    return told if audience.account else told | _not_of_a_trail(key, told)


def _key(key: Key, state: State) -> dict[str, Any]:
    return {
        "key_id": key.id,
        "arn": key.arn,
        "account": key.account,
        "spec": key.spec.name,
        "usage": key.usage,
        "origin": key.origin,
        "manager": key.manager,
        "description": key.description,
        "state": state.value,
        "created_at": utc(key.created),
        "deletion_at": utc(key.deletion) if key.deletion else None,
        "tags": dict(key.tags),
        "policy_version": key.policy_version,
        "materials": [each.id for each in key.materials],
        "current_material": key.current.id or None,
        "rotation_period_in_days": key.schedule.period_days if key.schedule else None,
        "next_rotation_at": utc(key.schedule.next) if key.schedule else None,
    }


def _not_of_a_trail(key: Key, told: dict[str, Any]) -> dict[str, Any]:
    """Members of a trail's key that have no real value: its material, and, if the key is older than the trail, everything that
    no record has said since."""
    found: dict[str, Any] = {"materials": None, "current_material": None}
    if unseen.unseen_of(key.tags):
        found |= dict.fromkeys(("spec", "usage", "origin", "manager", "created_at"))
        found["description"] = told["description"] or None
        found["state"] = None if told["state"] == State.ENABLED.value else told["state"]
        found["tags"] = {name: value for name, value in told["tags"].items() if name != unseen.NAME}
        if unseen.is_document(key.policy_text):
            found["policy_version"] = None
    return found


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "grant": grant.id,
        "name": grant.name,
        "grantee": grant.grantee_shown,
        "retiring": grant.retiring_shown or None,
        "operations": sorted(each.removeprefix("kms:") for each in grant.operations),
        "constraints": grant.constraints,
        "issued_by": grant.issued_by,
        "created_at": utc(grant.created),
    }


def _identity(
    identity: Identity, groups: dict[str, Identity], policies: dict[str, ManagedPolicy], *, of_trail: bool
) -> dict[str, Any]:
    before = of_trail and unseen.NAME in identity.inline
    dated = not (before or (of_trail and unseen.NAME in identity.tags))
    shown: dict[str, Any] = {
        "arn": identity.arn,
        "id": None if identity.id.startswith("ARN:") else identity.id,
        "kind": identity.kind,
        "created_at": utc(identity.created) if dated else None,
        **({"unknown": unseen.IDENTITY, "settled_by": unseen.SETTLED_BY} if before else {}),
        "tags": {name: value for name, value in identity.tags.items() if not (of_trail and name == unseen.NAME)},
        **_policies(identity, policies, of_trail=of_trail),
    }
    if identity.boundary:
        shown["boundary"] = {identity.boundary: _managed(policies.get(identity.boundary), of_trail=of_trail)}
    if identity.kind != GROUP:
        shown["groups"] = [
            {"arn": group.arn, **_policies(group, policies, of_trail=of_trail)}
            for name in identity.groups
            if (group := groups.get(name)) is not None
        ]
        shown["access_keys"] = {name: held.status for name, held in identity.access_keys.items()}
    if identity.role is not None:
        shown["trust"] = None if identity.role.trust == NO_TRUST else _document(identity.role.trust)
    return shown


def _policies(identity: Identity, policies: dict[str, ManagedPolicy], *, of_trail: bool) -> dict[str, Any]:
    inline = {name: held for name, held in identity.inline.items() if not (of_trail and name == unseen.NAME)}
    return {
        "inline": {name: _document(held.document) for name, held in inline.items()},
        "attached": {arn: _managed(policies.get(arn), of_trail=of_trail) for arn in identity.attached},
    }


def _managed(policy: ManagedPolicy | None, *, of_trail: bool) -> Any:
    if policy is None or (of_trail and unseen.is_document(policy.document)):
        return None
    return {"version": policy.default, "document": _document(policy.document)}


def _document(text: str) -> Any:
    return json.loads(text)

"""Who gained and who lost access between two moments: by which change, when, and who made the change.

The world moves forward from the first moment over the changes that could matter: those of the key, of its aliases and
grants, and of identities and their policies. After each change, only the principals whom it could affect are checked again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from domain.arn import account_in, parse_arn
from domain.authorization.audience import Audience
from domain.errors import NoSuchEntity
from domain.identities.identity import GROUP, ROLE, USER
from domain.keys.states import KEY_ACTIONS
from domain.log import events, identity_events
from domain.log.codec import event_from
from domain.state.callers import caller_for
from domain.state.world import World
from projections.decisions import changes
from projections.history.project import IDENTITY, POLICY, touched
from projections.log.schema import AskedLog
from projections.trails.calls import MET
from services.questions.subjects import ids_in
from services.questions.who_can import AccessRow, can_what, everyone, rows_of
from services.rendering import utc
from services.turns import Turn

FETCHED = 2_000
TOLD_EVERY = 0.25
BEFORE = "before"
"""The member of a row that says how a principal had access before, if the access changed but did not end."""
PROVIDER_CHANGES = (identity_events.OidcProviderCreated, identity_events.OidcProviderDeleted)
OF_THE_CHANGE = ("position", "call_id", "principal", "access_key", "source", "operation", "summary")


class AccessHolders:
    """The principals who could do one action with one key, kept in step with the world."""

    def __init__(self, world: World, key: str, action: str) -> None:
        self._world, self._key, self._action = world, key, action
        self.rows: dict[str, AccessRow] = {}
        """By unique id, or by the principal's name if it has no unique id. Those whom an identity provider lets in as a role
        stand behind the role's unique id, by name."""
        self._turn = Turn()

    async def begin(self) -> None:
        self.rows = await self._all()

    async def take(self, event: object) -> dict[str, list[AccessRow]]:
        """Applies the event. Returns who gained access, who lost it, and whose access changed but did not end."""
        world = self._world
        before = self._of_the_key()
        whom = set(concerned(event, world))
        apply_within(event, world)
        whom |= set(concerned(event, world))
        found: dict[str, AccessRow | None] = {}
        if self._of_the_key() != before or isinstance(event, events.AccountCreated | events.ServiceRegistered):
            found = dict.fromkeys(self.rows) | await self._all()
        else:
            if isinstance(event, PROVIDER_CHANGES):
                whom |= {name for name in self.rows if name in world.directory.identities}
            found = dict.fromkeys(name for name in self.rows if name.split(" ")[0] in whom)
            for name in whom & world.directory.identities.keys():
                found |= self._rows(name)
        return self._changed(found)

    def _changed(self, found: dict[str, AccessRow | None]) -> dict[str, list[AccessRow]]:
        result: dict[str, list[AccessRow]] = {"gained": [], "lost": [], "changed": []}
        for name, row in found.items():
            had = self.rows.pop(name, None)
            if row is not None:
                self.rows[name] = row
            if had is None and row is not None:
                result["gained"].append(row)
            elif row is None and had is not None:
                result["lost"].append(had)
            elif row is not None and had is not None and _means(row) != _means(had):
                result["changed"].append(row | {BEFORE: {name: had[name] for name in ("paths", "unless", "for_sure")}})
        return result

    def _of_the_key(self) -> object:
        """The parts of the key that access depends on; None if the key does not exist."""
        key = self._world.keys.get(self._key)
        if key is None:
            return None
        resource = self._world.resource(key)
        grants = sorted(grant.id for held in resource.grants.values() for grant in held)
        return key.policy_text, key.principals, resource.context, grants

    async def _all(self) -> dict[str, AccessRow]:
        world, found = self._world, dict[str, AccessRow]()
        key = world.keys.get(self._key)
        if key is None:
            return found
        by_arn = world.directory.by_arn
        for kind, caller in everyone(world, key, self._action):
            await self._turn.give_way()
            name = caller.principal
            if kind in (USER, ROLE):
                name = by_arn[caller.context["aws:principalarn"][0]]
            found |= _by_name(name, rows_of(world, key, self._action, kind, caller))
        return found

    def _rows(self, name: str) -> dict[str, AccessRow]:
        identity, key = self._world.directory.identities[name], self._world.keys.get(self._key)
        if key is None or identity.kind not in (USER, ROLE):
            return {}
        caller = caller_for(self._world, identity.arn)
        return _by_name(name, rows_of(self._world, key, self._action, identity.kind, caller))


def _by_name(name: str, rows: list[AccessRow]) -> dict[str, AccessRow]:
    """Statements that let the same tokens in are told apart by their number."""
    found: dict[str, AccessRow] = {}
    for row in rows:
        own = f"{name} {row['principal']}" if found else name
        while own in found:
            own += " again"
        found[own] = row
    return found


def concerned(event: object, world: World) -> Iterator[str]:
    """The unique ids of the identities that an event concerns, in the present state of the world."""
    directory = world.directory
    for kind, name in touched(event, world):
        if kind == POLICY:
            arn = directory.policy_arns.get(name, "")
            holders: Iterable[str] = (*directory.attached_to.get(arn, ()), *directory.bounded_by.get(arn, ()))
        elif kind == IDENTITY:
            holders = (name,)
        else:
            continue
        for holder in holders:
            identity = directory.identities.get(holder)
            yield from directory.members.get(holder, ()) if identity and identity.kind == GROUP else (holder,)


def apply_within(event: object, world: World) -> None:
    """Applies an event to a world that holds only some keys. If an alias moves between one of them and another key, only the
    part of these keys is applied."""
    match event:
        case events.AliasMoved(account, alias, key, previous) if key not in world.keys or previous not in world.keys:
            of_these = key in world.keys
            world.apply(
                events.AliasCreated(account, alias, key) if of_these else events.AliasDeleted(account, alias, previous)
            )
        case _:
            world.apply(event)


def _means(row: AccessRow) -> object:
    """A row without policy versions, since a policy that is put again unchanged changes nothing."""
    return orjson.dumps([[each["open"] for each in row["paths"]], row["unless"], row["for_sure"], row["kind"]])


async def changes_of(
    log: AskedLog, world: World, keys: list[str], last: int, audience: Audience
) -> AsyncIterator[tuple[dict[str, Any], object]]:
    """Yields (what may be shown, event) for each change of these keys, or of the asking account's identities, up to a position.
    Moves the world's position and time; the caller applies the event."""
    while True:
        rows = await changes.of_keys_and_people(log, world.position, last, keys, audience.account, FETCHED)
        for row in rows:
            world.position, world.at = row["position"], max(world.at, int(row["at"].timestamp() * 1_000_000))
            event = orjson.loads(row["event"])
            told = audience.change(row, OF_THE_CHANGE) | {
                "at": utc(row["at"]),
                "names": _named_in(event, world, audience),
            }
            yield told, event_from({"type": row["event_type"], "data": event})
        if len(rows) < FETCHED:
            return


def _named_in(event: Mapping[str, Any], world: World, audience: Audience) -> dict[str, str]:
    """The ARNs of the asking account's identities that an event changes. The event's summary names those that it creates."""
    directory, found = world.directory, {}
    for id in ids_in(event):
        held = directory.identities.get(id) or directory.profiles.get(id)
        arn = held.arn if held is not None else directory.policy_arns.get(id, "")
        if arn and audience.owns(account_in(arn)):
            found[id] = arn
    return found


async def who_between(
    log: AskedLog, world: World, key: str, action: str, audience: Audience, last: int
) -> AsyncIterator[dict[str, Any]]:
    """Yields `{"change", "gained", "lost", "changed"}` for each change that let somebody in or kept somebody out, and
    `{"done", "of"}` now and then. `{"result"}` at the end: who gained and who lost access from the first moment to the last.

    `world` is the world of the first moment, with the key and everybody. It is moved forward.
    """
    standing = AccessHolders(world, key, action)
    await standing.begin()
    first = dict(standing.rows)
    told, count = time.monotonic(), 0
    async for change, event in changes_of(log, world, [key], last, audience):
        found = await standing.take(event)
        if change["principal"] == MET:
            # The trail added a caller or key that existed before it began: nobody gained access by that.
            first.update({name: row for name, row in standing.rows.items() if row in found["gained"]})
        elif any(found.values()):
            count += 1
            yield {"change": change, **found}
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            yield {"done": world.position, "of": last}
    gained = [row for name, row in standing.rows.items() if name not in first]
    lost = [row for name, row in first.items() if name not in standing.rows]
    yield {"result": {"changes": count, "gained": _names(gained), "lost": _names(lost)}}


def _names(rows: Iterable[AccessRow]) -> list[str]:
    return sorted(row["principal"] for row in rows)


async def what_between(
    log: AskedLog, world: World, keys: list[str], principal: str, audience: Audience, last: int
) -> AsyncIterator[dict[str, Any]]:
    """Yields `{"change", "key_id", "gained", "lost", "changed"}`: the operations that a principal gained and lost on these keys
    by each change. `changed` are operations that it could do before and after, but under different conditions."""
    held = {key: _operations(world, key, principal, audience) for key in keys}
    turn = Turn()
    async for change, event in changes_of(log, world, keys, last, audience):
        before = world.directory.by_arn.get(principal)
        whom = set(concerned(event, world))
        apply_within(event, world)
        whom |= set(concerned(event, world))
        everything = bool({before, world.directory.by_arn.get(principal), *_role_of(world, principal)} & whom)
        everything |= isinstance(event, events.AccountCreated)
        key = getattr(event, "key", None), getattr(event, "previous_key", None)
        for name in keys if everything else [each for each in key if each in held]:
            await turn.give_way()
            found = _operations(world, name, principal, audience)
            had, held[name] = held[name], found
            gained, lost = sorted(found.keys() - had.keys()), sorted(had.keys() - found.keys())
            changed = sorted(each for each in found.keys() & had.keys() if found[each] != had[each])
            if (gained or lost or changed) and change["principal"] != MET:
                told = {"change": change, "key_id": name, "gained": gained, "lost": lost, "changed": changed}
                ways = {each: {BEFORE: had[each].shown, "now": found[each].shown} for each in changed}
                yield told | ({"otherwise": ways} if ways else {})


def _role_of(world: World, principal: str) -> list[str]:
    """The unique id of a session's role."""
    arn = parse_arn(principal)
    if arn is None or not arn.resource.startswith("assumed-role/"):
        return []
    found = world.directory.find(ROLE, arn.account, arn.resource.split("/")[1])
    return [] if found is None else [found.id]


@dataclass(frozen=True, slots=True)
class AccessWay:
    """How a principal could do an operation. Two ways are equal if their conditions are."""

    conditions: bytes
    shown: dict[str, Any] = field(compare=False)


FOR_SURE = AccessWay(b"", {"paths": [], "unless": [], "for_sure": True})


def _operations(world: World, key: str, principal: str, audience: Audience) -> dict[str, AccessWay]:
    """The operations that the principal could do with the key, each with its open conditions."""
    held = world.keys.get(key)
    try:
        rows = [] if held is None else can_what(world, principal, [held], KEY_ACTIONS, audience)
    except NoSuchEntity:
        return {}
    for row in rows:
        under = {
            name: AccessWay(
                orjson.dumps([[each["open"] for each in told["paths"]], told["unless"]]), {**told, "for_sure": False}
            )
            for name, told in row["under_conditions"].items()
        }
        return dict.fromkeys(row["operations"], FOR_SURE) | under
    return {}

"""Each change of access in a span: of key policies, grants, identities and the attributes that conditions read. Each comes with
its author and with the access that it gave and took away.

A change is described from the states before and after it. The history finds them by an index, so nothing is folded.

- A key policy is compared by meaning, exactly, as `diff` does.
- A grant gives what it says.
- What an identity policy gives depends on each key's policy, so it is described in the policy's own terms
  (`domain.policy.statement_set`).
- What a tag or an alias changes depends on the policies with conditions on it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import orjson

from domain.aliases.alias import Alias
from domain.authorization.audience import Audience
from domain.cloudtrail.iam_changes import NO_TRUST
from domain.grants.grant import Grant
from domain.identities.identity import USER, Identity, ManagedPolicy
from domain.identities.published import PUBLISHED
from domain.keys.key import Key
from domain.log import events, identity_events
from domain.log.catalogue import CATALOGUE, NEWEST
from domain.log.codec import event_from
from domain.policy import statement_set, unseen
from domain.policy_analysis.fixed_keys import known_of
from domain.policy_analysis.space import Side
from domain.state.principals import own_principals
from projections.decisions import changes
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.history.project import GRANT, IDENTITY, KEY, POLICY
from projections.log.schema import AskedLog
from projections.trails.calls import MET
from services.questions.access_between import OF_THE_CHANGE
from services.questions.effects import (
    BOUNDARY,
    GIVES,
    NOT_GIVEN,
    REFUSED_OF_IT,
    STILL,
    ChangeEffects,
    ChangeScope,
    assumes,
    concerns,
    depends,
    put,
    statement,
    unseen_in,
)
from services.questions.policy_change import ComparedPolicy
from services.rendering import utc

Aggregate = TypeVar("Aggregate")
FETCHED = 500
COMPARED = 500
"""For how many pairs of policies the difference is remembered."""
TOLD_EVERY = 50
"""How many changes lie between two reports of progress."""
KIND = {row.name: row.access for row in CATALOGUE.values() if row.access}
"""The kinds of change of access, and their events."""
WIRE = [f"{name}.v{version}" for name, newest in NEWEST.items() if name in KIND for version in range(1, newest + 1)]
EMPTY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*"}]}'
"""A key policy that lets nobody in: a statement without Resource has no effect (#statement-without-action-or-resource)."""
OF_A_POLICY = (
    identity_events.InlinePolicyPut,
    identity_events.InlinePolicyDeleted,
    identity_events.PolicyAttached,
    identity_events.PolicyDetached,
)
ByGroups = tuple[tuple[str, statement_set.PermissionsGiven], ...]
"""What policies give and refuse, each with the ARN of their group."""
OWN = ""
"""In place of a group's ARN: the holder's own policies."""
Compare = Callable[[Key, ComparedPolicy, ComparedPolicy], Awaitable[dict[str, Any]]]


class AccessReview:
    """Reviews one account over one state of the projections. `compare` is `changes.difference`, run outside the event loop."""

    def __init__(self, log: AskedLog, audience: Audience, universe: list[str], compare: Compare) -> None:
        self._log = log
        self._audience = audience
        self._universe = universe
        self._compare = compare
        self._compared: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()

    async def changes(self, first: int, last: int, scope: ChangeScope) -> AsyncIterator[dict[str, Any]]:
        """Yields `{"change", ...}` for each change, oldest first, `{"done", "of"}` now and then, and `{"result"}` at the end.
        It begins after the position `first`."""
        after, count = first, 0
        while True:
            rows = await changes.of_types(self._log, after, last, WIRE, FETCHED)
            for number, row in enumerate(rows):
                after = row["position"]
                found = await self._change(row, scope, last)
                if found is not None:
                    count += 1
                    yield found
                if number % TOLD_EVERY == 0:
                    yield {"done": after - first, "of": last - first}
            if len(rows) < FETCHED:
                break
        yield {"result": {"changes": count, "from": first, "to": last, "account": self._audience.account}}

    async def _change(self, row: Any, scope: ChangeScope, last: int) -> dict[str, Any] | None:
        if row["principal"] == MET:  # a trail added what existed before it began: nobody changed it
            return None
        event = event_from({"type": row["event_type"], "data": orjson.loads(row["event"])})
        kind = KIND[row["event_type"].rpartition(".")[0]]
        told = await self._told(event, row["position"])
        if told is None or not self._audience.owns(told.account) or not concerns(told, scope):
            return None
        named = [await self._named(key, row["position"], last) for key in told.keys]
        return {
            "change": self._audience.change(row, OF_THE_CHANGE) | {"at": utc(row["at"])},
            "kind": kind,
            "keys": named,
            "about": list(told.about),
            "gained": told.gained,
            "lost": told.lost,
            "unknown": told.unknown,
            **told.more,
        }

    async def _named(self, key: str, position: int, last: int) -> dict[str, Any]:
        """A key with the aliases that it had at the position. If it had none: those just before, or else at the span's end."""
        for at in (position, position - 1, last):
            rows = await history.about(self._log, at, [key])
            if aliases := sorted(each.name for row in rows if isinstance(each := aggregate_of(row), Alias)):
                return {"key_id": key, "key_aliases": aliases}
        return {"key_id": key, "key_aliases": []}

    async def _told(self, event: Any, position: int) -> ChangeEffects | None:
        match event:
            case events.KeyCreated() | events.PolicyReplaced() | events.KeyDeleted():
                return await self._of_policy(event.key, position)
            case events.GrantCreated() | events.GrantRevoked() | events.GrantRetired():
                return await self._of_grant(event, position)
            case events.KeyTagged() | events.KeyUntagged():
                key = await self._key(event.key, position)
                return None if key is None else depends(key.account, "tags", keys=(key.id,))
            case events.AliasCreated() | events.AliasMoved() | events.AliasDeleted():
                keys = (event.key, *((event.previous_key,) if isinstance(event, events.AliasMoved) else ()))
                return depends(event.account, "aliases", keys=keys, more={"alias": event.alias})
            case identity_events.IdentityTagged() | identity_events.IdentityUntagged():
                whose = await self._whose(event.kind, event.id, position)
                return depends(event.account, "tags", about=whose)
            case events.AccountCreated() | events.AccessKeyCreated() | events.AccessKeyDisabled():
                root = (f"arn:aws:iam::{event.account}:root",)
                return self._credential(
                    event.account, root, event.access_key, on=not isinstance(event, events.AccessKeyDisabled)
                )
        return await self._of_identity(event, position)

    async def _held(self, form: type[Aggregate], kind: str, name: str, position: int) -> Aggregate | None:
        row = await history.one(self._log, position, kind, name)
        held = None if row is None else aggregate_of(row)
        return held if isinstance(held, form) else None

    # -- keys and grants --------------------------------------------------------------------------------------------------

    async def _key(self, name: str, position: int) -> Key | None:
        return await self._held(Key, KEY, name, position)

    async def _of_policy(self, name: str, position: int) -> ChangeEffects | None:
        old, new = await self._key(name, position - 1), await self._key(name, position)
        key = new or old
        if key is None:
            return None
        told = ChangeEffects(key.account, (key.id,))
        told.more = {
            "from_version": old.policy_version if old else None,
            "to_version": new.policy_version if new else None,
        }
        found = await self._difference(key, _policy(old), _policy(new))
        told.gained, told.lost = found["allowed"], found["denied"]
        told.unknown = [each.get("why") or "a condition whose values are not compared" for each in found["unknown"]]
        if unclear := [each for each in found["unknown"] if "statements" in each]:
            told.more["unclear"] = unclear
        return told

    async def _difference(self, key: Key, old: ComparedPolicy, new: ComparedPolicy) -> dict[str, Any]:
        """Compares two policies. Most keys are created with the same policy, so a pair is compared again only if it names the
        key."""
        sides = (old.side, new.side)
        if any("key/" in side.text for side in sides):
            return await self._compare(key, old, new)
        known = tuple(sorted(known_of(key, of_trail=self._log.is_trail).items()))
        name = (key.account, known, *((side.text, tuple(sorted(side.ids.items()))) for side in sides))
        if name not in self._compared:
            found = await self._compare(key, old, new)
            shown = {part: [_without_witness(each) for each in found[part]] for part in ("allowed", "denied")}
            self._compared[name] = found | shown
        self._compared.move_to_end(name)
        while len(self._compared) > COMPARED:
            self._compared.popitem(last=False)
        return self._compared[name]

    async def _of_grant(
        self, event: events.GrantCreated | events.GrantRevoked | events.GrantRetired, position: int
    ) -> ChangeEffects | None:
        made = isinstance(event, events.GrantCreated)
        row = await history.one(self._log, position if made else position - 1, GRANT, event.grant)
        grant = None if row is None else aggregate_of(row)
        if row is None or not isinstance(grant, Grant):
            key = None if made else await self._key(event.key, position)
            unknown = [f"what the grant {event.grant} let in, {unseen.NEVER}"]
            return (
                None
                if key is None
                else ChangeEffects(key.account, (key.id,), unknown=unknown, more={"grant": event.grant})
            )
        effect = {
            "who": [{"principal": grant.grantee_shown}],
            "actions": sorted(grant.operations),
            "constraints": grant.constraints,
            "before": NOT_GIVEN if made else GIVES,
            "after": GIVES if made else NOT_GIVEN,
        }
        told = ChangeEffects(row["account"], (grant.key,), (grant.grantee_shown,), more={"grant": grant.id})
        (told.gained if made else told.lost).append(effect)
        return told

    # -- identities -------------------------------------------------------------------------------------------------------

    async def _identity(self, name: str, position: int) -> Identity | None:
        return await self._held(Identity, IDENTITY, name, position)

    async def _managed(self, name: str, position: int) -> ManagedPolicy | None:
        return await self._held(ManagedPolicy, POLICY, name, position)

    async def _whose(self, kind: str, name: str, position: int) -> tuple[str, ...]:
        if kind == POLICY:
            policy = await self._managed(name, position) or await self._managed(name, position - 1)
            return (policy.arn,) if policy else ()
        identity = await self._identity(name, position) or await self._identity(name, position - 1)
        return (identity.arn,) if identity else ()

    def _credential(self, account: str, who: tuple[str, ...], access_key: str, *, on: bool) -> ChangeEffects:
        """An access key gives no access by itself: it lets its user sign."""
        return ChangeEffects(account, (), who, more={"credential": {"access_key": access_key, "may_sign": on}})

    async def _of_identity(self, event: Any, position: int) -> ChangeEffects | None:
        match event:
            case identity_events.UserAccessKeyCreated() | identity_events.UserAccessKeyDeleted():
                on = isinstance(event, identity_events.UserAccessKeyCreated)
                whose = await self._whose(USER, event.id, position)
                return self._credential(event.account, whose, event.access_key, on=on)
            case identity_events.UserAccessKeyChanged():
                whose = await self._whose(USER, event.id, position)
                return self._credential(event.account, whose, event.access_key, on=event.status == "Active")
            case identity_events.MemberAdded() | identity_events.MemberRemoved():
                return await self._of_membership(event, position)
            case (
                identity_events.ManagedPolicyCreated()
                | identity_events.PolicyVersionCreated()
                | identity_events.DefaultVersionSet()
                | identity_events.PolicyVersionDeleted()
                | identity_events.ManagedPolicyDeleted()
            ):
                return await self._of_managed(event.account, event.id, position)
        old, new = await self._identity(event.id, position - 1), await self._identity(event.id, position)
        of = new or old
        if of is None:
            return None
        told = ChangeEffects(
            event.account, (), tuple(dict.fromkeys(each.arn for each in (new, old) if each is not None))
        )
        before, after = await self._given_to(old, position - 1), await self._given_to(new, position)
        self._tell(told, before, after, beside=await self._by_groups(new, position))
        trust = [
            statement_set.trusted(_trust_of(each)) if _trust_of(each) else statement_set.NOTHING for each in (old, new)
        ]
        if old is not None and old.role is not None and not _trust_of(old) and (new is None or _trust_of(new)):
            told.unknown.append(f"the trust policy of {old.arn} from before, {unseen.NEVER}")
        gained, lost = statement_set.difference(*trust)
        for some, made in ((gained, True), (lost, False)):
            for each in some:
                put(told, assumes(each, told.about[0], made=made))
        if isinstance(event, OF_A_POLICY):
            told.more["policy"] = event.policy
        limits = [each.boundary if each else "" for each in (old, new)]
        if limits[0] != limits[1]:
            told.more[BOUNDARY] = {"from": limits[0] or None, "to": limits[1] or None}
        return told

    async def _given_to(self, identity: Identity | None, position: int) -> statement_set.PermissionsGiven:
        """What an identity's own policies give, without those of its groups."""
        if identity is None:
            return statement_set.NOTHING
        rows = await history.by_arns(self._log, position, identity.attached)
        there = [each for row in rows if isinstance(each := aggregate_of(row), ManagedPolicy)]
        # `there` also has entries for policies that a trail never saw.
        published = set(identity.attached) & PUBLISHED.keys() - {each.arn for each in there}
        managed = [each.document for each in (*there, *(PUBLISHED[arn] for arn in sorted(published)))]
        texts = [*(each.document for each in identity.inline.values()), *managed]
        return statement_set.joined(statement_set.given(text, self._universe) for text in texts)

    async def _by_groups(self, user: Identity | None, position: int) -> ByGroups:
        """What a user's groups give it."""
        groups = [await self._identity(each, position) for each in (() if user is None else user.groups)]
        return tuple([(each.arn, await self._given_to(each, position)) for each in groups if each is not None])

    def _tell(
        self,
        told: ChangeEffects,
        before: statement_set.PermissionsGiven,
        after: statement_set.PermissionsGiven,
        who: tuple[str, ...] = (),
        beside: ByGroups = (),
    ) -> None:
        """`beside`: what else gives the holder access: a user's groups; a member's own policies and other groups."""
        gained, lost = statement_set.difference(before, after)
        for some, made in ((gained, True), (lost, False)):
            for each in some:
                effect = statement(each, who or told.about, made=made)
                put(told, effect | _beside(each, ((OWN, after), *beside), made=made))

    async def _of_membership(
        self, event: identity_events.MemberAdded | identity_events.MemberRemoved, position: int
    ) -> ChangeEffects | None:
        whose = await self._whose(USER, event.user, position)
        group = await self._identity(event.group, position) or await self._identity(event.group, position - 1)
        if group is None:
            return None
        told = ChangeEffects(event.account, (), (*whose, group.arn))
        its = await self._given_to(group, position)
        user = await self._identity(event.user, position)
        own = ((OWN, await self._given_to(user, position)),)
        others = tuple(each for each in await self._by_groups(user, position) if each[0] != group.arn)
        if isinstance(event, identity_events.MemberAdded):
            self._tell(told, statement_set.NOTHING, its, whose, (*own, *others))
        else:
            self._tell(told, its, statement_set.NOTHING, whose, (*own, *others))
        return told

    async def _of_managed(self, account: str, name: str, position: int) -> ChangeEffects | None:
        old, new = await self._managed(name, position - 1), await self._managed(name, position)
        policy = new or old
        if policy is None:
            return None
        holders, limited = await self._holders(policy, position)
        told = ChangeEffects(account, (), (policy.arn, *dict.fromkeys((*holders, *limited))))
        before, after = [
            statement_set.given(each.document, self._universe) if each else statement_set.NOTHING for each in (old, new)
        ]
        if holders:
            self._tell(told, before, after, holders)
        if limited:
            self._tell_limits(told, before, after, limited)
        if not holders and not limited:
            told.more["attached_to_nobody"] = True
        return told

    def _tell_limits(
        self,
        told: ChangeEffects,
        before: statement_set.PermissionsGiven,
        after: statement_set.PermissionsGiven,
        limited: tuple[str, ...],
    ) -> None:
        gained, lost = statement_set.difference(before, after)
        for some, made in ((gained, True), (lost, False)):
            for each in some:
                put(told, statement(each, limited, made=made, limits=True))

    async def _holders(self, policy: ManagedPolicy, position: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ARNs of those who have a policy attached, and of those whose permissions boundary it is."""
        rows = await history.of_accounts(self._log, position, [policy.account], (IDENTITY,))
        held = sorted(
            (each for row in rows if isinstance(each := aggregate_of(row), Identity)), key=lambda each: each.arn
        )
        attached = tuple(each.arn for each in held if policy.arn in each.attached)
        return attached, tuple(each.arn for each in held if policy.arn == each.boundary)


def _beside(effect: Mapping[str, Any], holds: ByGroups, *, made: bool) -> dict[str, Any]:
    """What the other policies of the holder and of its groups say of the same actions: what they refuse of new access, and what
    they still give of access that was taken away."""
    if made and effect["effect"] == statement_set.REFUSED:
        return {}
    shown = []
    for group, its in holds:
        for each in statement_set.of_these(its, statement_set.REFUSED if made else effect["effect"], effect["actions"]):
            if unseen_in(each):
                continue
            told = {name: value for name, value in each.items() if name != "effect"}
            shown.append(told | ({"by": group} if group else {}))
    return {REFUSED_OF_IT if made else STILL: shown} if shown else {}


def _trust_of(identity: Identity | None) -> str:
    """ "" if there is no identity, if it is not a role, and if a trail never saw its trust policy."""
    trust = identity.role.trust if identity is not None and identity.role is not None else ""
    return "" if trust == NO_TRUST else trust


def _without_witness(region: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out the witness, since it is a request for one key."""
    return {name: value for name, value in region.items() if name != "witness"}


def _policy(key: Key | None) -> ComparedPolicy:
    if key is None:
        return ComparedPolicy(Side(EMPTY), {})
    return ComparedPolicy(Side(key.policy_text, own_principals(key.principals, key.account), key.policy_version), {})

"""Drafts: another key policy or identity policy, or a revoked grant, put into the worlds of a span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from domain.authorization.question import Resource
from domain.identities.identity import GROUP, Identity, InlinePolicy
from domain.keys.key import Key, with_policy
from domain.policy.parse import INLINE, KEY, parse_policy
from domain.policy_analysis.space import Side
from domain.state.principals import meaning, named
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions.spans import CallsOfAccount, CallsOfKey, CallsOfPrincipal, Touched, Whose
from projections.history import queries as history
from projections.history.arn_holders import held_arns
from projections.history.project import IDENTITY
from projections.log.schema import AskedLog
from services.questions.touched_calls import touched_by


class Draft(Protocol):
    def put(self, world: World) -> None:
        """Puts the draft into the world. Called again after each change of the world."""
        ...

    async def whose(self, log: AskedLog) -> Whose:
        """Selects the decisions that the draft could change."""
        ...

    async def touched(self, log: AskedLog, first: int, last: int) -> Touched | None:
        """The calls at these positions that the draft can change; None if they cannot be worked out."""
        ...

    async def epochs(self, log: AskedLog, after: int, last: int) -> tuple[int, ...] | None:
        """The positions at which something changed that such decisions could read; None if they could read anything."""
        ...


@dataclass(slots=True)
class KeyPolicyDraft:
    """Another policy for one key, in force during the whole span. Raises MalformedPolicy, LimitExceeded.

    A name in it means whoever had it when a call was made. If nobody had it then, it means whoever has it at the end of the span:
    somebody who was renamed or did not exist yet. `touched` reads who that is.
    """

    key: Key
    text: str
    _put: Key | None = None
    _names: Sequence[str] = ()
    _last: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        policy = parse_policy(self.text, KEY)
        self._names = sorted({name for statement in policy.statements for _, name in named(statement)})

    def put(self, world: World) -> None:
        held = world.keys.get(self.key.id)
        if held is None:
            return
        principals = {}
        for name in self._names:
            unique = meaning(name, world, self.key.account) or self._last.get(name, name)
            if unique != name:
                principals[name] = unique
        if held is self._put and held.principals == principals:
            return
        # While the key and whom its names mean stay the same, so does this object, and what was derived from it stays valid.
        self._put = with_policy(held, self.text, held.policy_version, principals)
        world.replace_key(self._put)

    async def whose(self, log: AskedLog) -> Whose:
        return CallsOfKey(self.key.id, self.key.arn)

    async def touched(self, log: AskedLog, first: int, last: int) -> Touched | None:
        rows = await history.by_arns(log, last, self._names)
        self._last = {row["arn"]: row["id"] for row in rows if row["kind"] == IDENTITY}
        return await touched_by(log, self.key, Side(self.text, self._last), first, last)

    async def epochs(self, log: AskedLog, after: int, last: int) -> tuple[int, ...] | None:
        return await _epochs_of(self.key, log, after, last)


@dataclass(slots=True)
class RevokedGrant:
    """A key without one of its grants."""

    key: Key
    grant: str
    _put: Resource | None = None

    def put(self, world: World) -> None:
        held = world.keys.get(self.key.id)
        if held is None or world.resources.get(held.id) is self._put is not None:
            return
        resource = world.resource(held)
        left = {
            name: kept
            for name, grants in resource.grants.items()
            if (kept := tuple(each for each in grants if each.id != self.grant))
        }
        self._put = world.resources[held.id] = replace(resource, grants=left)

    async def whose(self, log: AskedLog) -> Whose:
        return CallsOfKey(self.key.id, self.key.arn)

    async def touched(self, log: AskedLog, first: int, last: int) -> Touched | None:
        return None

    async def epochs(self, log: AskedLog, after: int, last: int) -> tuple[int, ...] | None:
        return await _epochs_of(self.key, log, after, last)


@dataclass(slots=True)
class IdentityPolicyDraft:
    """Another inline policy for a user, group or role, or an additional one. Raises MalformedPolicy, LimitExceeded."""

    identity: Identity
    name: str
    text: str
    _put: Identity | None = field(default=None)

    def __post_init__(self) -> None:
        parse_policy(self.text, INLINE)

    def put(self, world: World) -> None:
        held = world.directory.identities.get(self.identity.id)
        if held is None or held is self._put:
            return
        inline = {**held.inline, self.name: InlinePolicy(self.text, world.position)}
        self._put = world.directory.identities[held.id] = replace(held, inline=inline)
        world.directory.changes += 1

    async def whose(self, log: AskedLog) -> Whose:
        if self.identity.kind == GROUP:  # its members changed over time, so the whole account counts
            return CallsOfAccount(self.identity.account)
        return CallsOfPrincipal(await held_arns(log, [self.identity.id]))

    async def touched(self, log: AskedLog, first: int, last: int) -> Touched | None:
        return None

    async def epochs(self, log: AskedLog, after: int, last: int) -> tuple[int, ...] | None:
        return None  # the decisions may concern any key


async def _epochs_of(key: Key, log: AskedLog, after: int, last: int) -> tuple[int, ...]:
    # ReEncrypt reads another key's policy too.
    others = await decisions.asked_with(log, key.id, key.arn)
    return tuple(await history.changes_around(log, [key.id, *others], after, last))

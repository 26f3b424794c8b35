"""Routes that an auditor begins with: why one call was decided as it was, and what changed in a span."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from domain.arn import parse_arn, root_arn
from domain.authorization.audience import Told
from domain.errors import NoSuchEntity, Refusal
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.keys.key import Key
from domain.ports import Unavailable
from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.adapters.postgres import Pool
from services.audit_api.explaining import KMS_ACTIONS
from services.audit_api.questions import Questions
from services.audit_api.references import not_found
from services.kms_api.live_state import LiveState
from services.questions.access_changes import Reviewed
from services.questions.effects import Scope
from services.questions.moments import LOOK_EVERY, PATIENCE, NoSuchMoment, read_moment
from services.questions.past_call import explained
from services.questions.policy_change import Policy, difference
from services.questions.source import Source
from services.questions.subjects import with_names
from services.settings import Settings

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit

UNIVERSE = sorted(f"kms:{name}" for name in KMS_ACTIONS)


class Reviewing:
    """The routes' functions, beside those of Audit."""

    def __init__(self, audit: Audit, questions: Questions, settings: Settings, present: LiveState, pool: Pool) -> None:
        self._audit = audit
        self._questions = questions
        self._settings = settings
        self._present = present
        self._pool = pool

    async def explain_call(self, asked: Asked) -> Told:
        """Raises WireError, AccessRefused. It shows a decision, so it asks for that too."""
        await self._audit.require(asked, "keytrail:ReadDecisions")
        call = asked.request.path_params["call"]
        async with self._questions.answering():
            source = await self._questions.sources.of(asked)
            named = partial(with_names, source, with_aliases=self._audit.with_aliases)
            return await explained(
                AskedLog(self._pool), self._settings.region, asked.audience, call, self._present.position, named
            )

    async def changes(self, asked: Asked) -> AsyncGenerator[Told, None]:
        """Raises WireError, AccessRefused."""
        async with self._questions.answering():
            source = await self._questions.sources.of(asked)
            await source.moment(None)  # the history is waited for
            first = await self._before(source, asked.text("from"), -1)
            last = await self._before(source, asked.text("to"), source.end)
            scope = await self._scope(asked, source)
            since = asked.text("from")
            began = await source.before_it_began(read_moment(since)[1] if since else None)
        return self._changes(asked, source, scope, first, last, began)

    async def _changes(
        self, asked: Asked, source: Source, scope: Scope, first: int, last: int, began: dict[str, str]
    ) -> AsyncGenerator[Told, None]:
        if not source.is_trail:
            await self._reached(last)

        async def compare(key: Key, old: Policy, new: Policy) -> dict[str, Any]:
            return await self._questions.worked(asked, difference, key, old, new, [])

        async with self._questions.still(asked, source) as found:
            reviewed = Reviewed(found.connection, source.audience, UNIVERSE, compare)
            async for each in reviewed.changes(first, last, scope):
                if "result" in each:
                    each |= began
                    if not source.is_trail:
                        each["result"]["log"] = self._present.world.log
                yield source.audience.own(source.account, each)

    async def _before(self, source: Source, text: str | None, otherwise: int) -> int:
        """The last position before a time or a position; -1 before the log begins. Raises NoSuchMoment."""
        if not text:
            return otherwise
        position, at = read_moment(text)
        if at is not None:
            position = await history.position_at(source.pool, at - timedelta(microseconds=1))
            return -1 if position is None else position
        assert position is not None, "it is one of the two"
        if position > source.end + 1:
            raise NoSuchMoment(f"the log ends at @{source.end}")
        return position - 1

    async def _reached(self, position: int) -> None:
        """Until the decisions hold the log so far: whoever has just changed something reads it. Raises WireError."""
        async with self._questions.answering():
            try:
                async with asyncio.timeout(PATIENCE):
                    # The projector is another process: there is no event to wait for.
                    while await decisions.reached(AskedLog(self._pool)) < position:  # noqa: ASYNC110  # see above
                        await asyncio.sleep(LOOK_EVERY)
            except TimeoutError:
                raise Unavailable("the projections are behind the log") from None

    async def _scope(self, asked: Asked, source: Source) -> Scope:
        """What `key` or `principal` name, which has to be there or to have been. Raises WireError, Refusal."""
        key, principal = asked.text("key"), asked.text("principal")
        if key:
            if source.is_trail:
                found = await self._questions.key_id(asked, key)
                row = await history.one(source.pool, source.end, "key", found)
                if row is None:
                    await self._questions.references.known_key(source, found, key)
                return Scope(key=found, key_arn="" if row is None else row["arn"] or "")
            references = self._questions.references
            try:
                found, account = self._present.world.once(references.key(key, source.account), source.account)
            except Refusal as fault:
                raise not_found(fault, references.near_keys(key, source.account)) from None
            source.audience.require(account)
            return Scope(key=found, key_arn=f"arn:aws:kms:{source.region}:{account}:key/{found}")
        if principal:
            source.audience.require_reference(principal)
            kinds = (USER, ROLE, GROUP, POLICY)
            name = await self._questions.references.principal(asked, source, principal, kinds)
            if name != root_arn(getattr(parse_arn(name), "account", "")) and not await history.ever(source.pool, name):
                raise NoSuchEntity(
                    f"There is no user, group, role or policy {principal} in this account, and never was."
                )
            return Scope(principal=name)
        return Scope()

"""Routes that ask about the past as a whole: answers of `services/questions` over one state of the projections."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import orjson

from domain.authorization.audience import Audience, Told, account_in
from domain.cloudtrail.keys_named import MULTI_REGION, id_of
from domain.errors import AccessRefused, AliasNotFound, KeyNotFound, Refusal
from domain.identities.identity import GROUP, ROLE, USER
from domain.identities.published import AWS
from domain.keys.key import Key
from domain.keys.states import KEY_ACTIONS
from domain.policy.parse import UNIQUE_ID
from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from domain.ports import Unavailable
from domain.state.world import World
from projections.history import queries as history
from projections.history.project import ALIAS, KEY
from projections.log.schema import AskedLog
from services.adapters.postgres import Pool
from services.audit_api.explaining import KMS_ACTIONS, Explained, bad
from services.audit_api.openapi import ROUTES
from services.audit_api.references import MOST_NAMES, References, not_found
from services.audit_api.sources import Sources
from services.kms_api import errors
from services.kms_api.bounds import parsed
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState, NotFresh
from services.questions import access_between, policy_change
from services.questions.as_of import find_key, show_key, show_principal
from services.questions.moments import Moment, NoSuchMoment, moment_of, read_moment
from services.questions.nearest import in_words, nearest
from services.questions.snapshot import Still, still
from services.questions.source import Source
from services.questions.who_can import assumable, can_what, require_principal, who_can
from services.questions.worlds import world_then
from services.rendering import following
from services.settings import Settings
from services.shares import QUESTIONS, breathe

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit

CALLERS = (USER, ROLE)
"""Kinds of those who call."""
MOST_KEYS = 10_000
"""Keys of a trail that a principal's permissions are looked for on."""
KEYS_AT_ONCE = 200
"""Keys whose changes are followed in one pass over the log."""
AT_ONCE, ALTOGETHER = 2, 8
"""Long questions of one account, and of all, that one worker answers at a time: they share its processor with every
call."""
MOST_STEPS = 100_000_000
"""Of one answer (domain/policy_analysis/budget): some minutes."""
P = ParamSpec("P")
T = TypeVar("T")


DIFF_BODY = 'the body is {"from": "1", "to": "2"}: versions, times or positions; "from_policy" and "to_policy" are texts instead'


def document_in(body: bytes, words: str) -> dict[str, Any]:
    """Raises WireError."""
    try:
        found = parsed(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise bad(words)
    return found


def text_in(body: dict[str, Any], name: str, words: str) -> str:
    """Raises WireError."""
    found = body.get(name) or ""
    if not isinstance(found, str) or "\0" in found:
        raise bad(words)
    return found


class Questions:
    """The routes' functions, beside those of Audit."""

    def __init__(self, audit: Audit, settings: Settings, present: LiveState, pool: Pool) -> None:
        self._audit = audit
        self._settings = settings
        self._present = present
        self._pool = pool
        self.sources = Sources(settings, present, pool)
        self.references = References(self, present)
        self._places: Counter[str] = Counter()
        self.on_mismatch: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        """Told of a recheck's result that has any."""

    def _action(self, text: str | None) -> str:
        """Raises WireError."""
        return f"kms:{self.references.operation(text or '', KMS_ACTIONS)}"

    @asynccontextmanager
    async def place(self, account: str) -> AsyncIterator[None]:
        """A place among the long questions. Raises WireError where the account has all of its own, or all are taken."""
        if self._places[account] >= AT_ONCE or self._places.total() >= ALTOGETHER:
            raise errors.not_now(f"{AT_ONCE} such questions are being answered now; try again.")
        self._places[account] += 1
        try:
            yield
        finally:
            self._places[account] -= 1
            if not self._places[account]:
                del self._places[account]

    async def worked(self, asked: Asked, function: Callable[P, T], *given: P.args, **options: P.kwargs) -> T:
        """What a pure function gives, beside the loop and in the turn of the account that asks. Raises WireError where it
        takes too many steps."""

        def work() -> T:
            with spending(Budget(MOST_STEPS, breathe)):
                return function(*given, **options)

        try:
            return await QUESTIONS.run(asked.caller.account, work)
        except OutOfSteps:
            message = f"The answer takes more than {MOST_STEPS} steps; ask of less."
            raise WireError(400, "LimitExceededException", message) from None

    @asynccontextmanager
    async def still(self, asked: Asked, source: Source | None = None) -> AsyncIterator[Still]:
        """Raises WireError, Unavailable."""
        async with self.place(asked.caller.account):
            kept = still(self._settings) if source is None else source.still(self._settings)
            async with kept as found:
                yield found

    async def key_as_of(self, asked: Asked) -> Told:
        async with self._moment(asked) as (source, moment):
            row = await self._find_key(source, asked.request.path_params["reference"], moment)
            return await show_key(source.pool, row, moment, source.audience)

    async def principal_as_of(self, asked: Asked) -> Told:
        async with self._moment(asked) as (source, moment):
            text = asked.request.path_params["principal"]
            principal = text if UNIQUE_ID.fullmatch(text) else await self.who(asked, source, text, (*CALLERS, GROUP))
            return await show_principal(source.pool, principal, moment, source.audience)

    async def who(self, asked: Asked, source: Source, text: str, kinds: tuple[str, ...] = CALLERS) -> str:
        """The ARN of whom a text means. Raises WireError."""
        return await self.references.principal(asked, source, text, kinds)

    async def _find_key(self, source: Source, text: str, moment: Moment) -> Any:
        """The row of the key that a text meant then. Raises WireError, AccessRefused."""
        references = self.references
        reference = await references.of_trail(source, text) if source.is_trail else references.key(text, source.account)
        try:
            return await find_key(source.pool, reference, source.account, source.region, moment)
        except KeyNotFound as fault:
            if source.is_trail:
                names = await history.names(source.pool, (ALIAS, KEY), MOST_NAMES)
                raise not_found(fault, in_words(nearest(text, names))) from None
            raise not_found(fault, self.references.near_keys(text, source.account)) from None

    @asynccontextmanager
    async def _moment(self, asked: Asked) -> AsyncIterator[tuple[Source, Moment]]:
        """What is asked, and the moment that `at` names, now where it names none. Raises WireError, also for what is not
        there then."""
        async with self.answering():
            source = await self.sources.of(asked)
            yield source, await source.moment(asked.text("at"))

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """On a present fetched after the question came. Raises WireError for what an answer raises."""
        try:
            await self._present.barrier()
            yield
        except NoSuchMoment as fault:
            raise bad(str(fault)) from None
        except AccessRefused:
            raise
        except Refusal as fault:
            raise WireError(404, "NotFoundException", fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now("The log's state then cannot be read now; try again.") from None

    async def explain(self, asked: Asked) -> Told:
        """Raises WireError, AccessRefused. Of a caller's own account, the principal or the key."""
        body = Explained.read(asked.body)
        source = await self.sources.of(asked)
        body = replace(
            body,
            principal=await self.who(asked, source, body.principal),
            operation=self.references.operation(body.operation, KMS_ACTIONS),
            key=self.references.key(body.key, source.account),
        )
        origin = self._audit.origin(asked.request)
        async with self.answering():
            world = await self._of_two(body, asked.audience) if body.at else self._present.world
        at = world.at if body.at else origin.at
        return body.answer(world, asked.audience, replace(origin, source="", agent="", at=at))

    async def _of_two(self, body: Explained, audience: Audience) -> World:
        """What a question of one principal and one key needs of the asking account's world then. Raises NoSuchMoment,
        KeyNotFound."""
        moment = await moment_of(AskedLog(self._pool), body.at, self._present.position)
        rows = []
        if audience.owns(account_in(body.key) or audience.account):
            rows.append(await find_key(AskedLog(self._pool), body.key, audience.account, self._settings.region, moment))
        return await world_then(AskedLog(self._pool), self._settings.region, moment, rows, [audience.account])

    async def who_can(self, asked: Asked) -> Told:
        reference, action = asked.request.path_params["reference"], self._action(asked.text("action"))
        async with self._moment(asked) as (source, moment):
            row = await self._find_key(source, reference, moment)
            world = await self._everyone(source, moment, [row])
            key = world.keys[row["id"]]
            answer = {
                "position": moment.position,
                "at": moment.text,
                "action": action,
                "items": await self.worked(asked, who_can, world, key, action),
            }
            return source.audience.own(key.account, answer)

    async def can_what(self, asked: Asked) -> Told:
        limit, cursor = asked.limit(), asked.cursor(str)
        async with self._moment(asked) as (source, moment):
            principal = await self.who(asked, source, asked.request.path_params["principal"])
            account = source.account
            rows = await history.keys_after(source.pool, moment.position, cursor[0] if cursor else "", limit, account)
            world = await self._everyone(source, moment, rows)
            keys = [world.keys[row["id"]] for row in rows]
            require_principal(world, principal, source.audience)
            items = await self.worked(asked, can_what, world, principal, keys, KEY_ACTIONS, source.audience)
            items = await self._audit.with_aliases(source, items)
            # Of every page the same: the first has them.
            roles = [] if cursor else await self.worked(asked, assumable, world, principal, source.audience)
        more = following(len(rows), limit, [rows[-1]["id"]] if rows else None)
        found = {"items": items, "next": more, "position": moment.position, "roles": roles}
        return source.audience.own(account, found)

    async def who_between(self, asked: Asked) -> AsyncGenerator[Told, None]:
        reference, action = asked.request.path_params["reference"], self._action(asked.text("action"))
        source, first, last, began = await self._two_moments(asked)
        async with self.answering():
            # It may have been made since: where the span ends before the record, also after that.
            moments = [first, last, *([await source.moment(None)] if last is first else [])]
            row = await self._found_in(source, reference, moments)
        return self._who_between(asked, source, row["id"], action, first, last, began)

    async def _found_in(self, source: Source, reference: str, moments: list[Moment]) -> Any:
        """The key that the text meant first. Raises WireError, AccessRefused."""
        *before, last = moments
        for moment in before:
            with suppress(WireError):
                return await self._find_key(source, reference, moment)
        return await self._find_key(source, reference, last)

    async def _who_between(
        self, asked: Asked, source: Source, key: str, action: str, first: Moment, last: Moment, began: dict[str, str]
    ) -> AsyncGenerator[Told, None]:
        if began:
            yield source.audience.own(source.account, began)
        async with self.still(asked, source) as found:
            world = await self._world_of(source, [key], first, found.connection)
            async for each in access_between.who_between(
                found.connection, world, key, action, source.audience, last.position
            ):
                yield source.audience.own(source.account, each)

    async def what_between(self, asked: Asked) -> AsyncGenerator[Told, None]:
        source, first, last, began = await self._two_moments(asked)
        principal = await self.who(asked, source, asked.request.path_params["principal"])
        return self._what_between(asked, source, principal, first, last, began)

    async def _what_between(
        self, asked: Asked, source: Source, principal: str, first: Moment, last: Moment, began: dict[str, str]
    ) -> AsyncGenerator[Told, None]:
        audience = source.audience
        if began:
            yield audience.own(source.account, began)
        async with self.still(asked, source) as found:
            after, count = "", 0
            while True:
                span = (first.position, last.position)
                keys = await history.keys_between(found.connection, *span, after, KEYS_AT_ONCE, source.account)
                world = await self._world_of(source, keys, first, found.connection)
                async for each in access_between.what_between(
                    found.connection, world, keys, principal, audience, last.position
                ):
                    count += 1
                    (named,) = await self._audit.with_aliases(source, [each])
                    yield audience.own(source.account, named)
                if len(keys) < KEYS_AT_ONCE:
                    break
                after = keys[-1]
                yield audience.own(source.account, {"through": after})
            yield audience.own(source.account, {"result": {"changes": count}})

    async def _two_moments(self, asked: Asked) -> tuple[Source, Moment, Moment, dict[str, str]]:
        """The first of them is never before the record; where it was asked so, the last member says when that begins. Raises
        WireError."""
        text = asked.text("from")
        if not text:
            raise bad("from is a time or position, and not after to")
        async with self.answering():
            source = await self.sources.of(asked)
            began = await source.before_it_began(read_moment(text)[1])
            first = await source.moment(began.get("began", text))
            until = asked.text("to")
            ended = bool(began and until and await source.before_it_began(read_moment(until)[1]))
            last = first if ended else await source.moment(until)
        backwards = ended and read_moment(text)[1] > read_moment(until or "")[1]  # type: ignore[operator]  # both are times
        if first.position > last.position or backwards:
            raise bad("from is a time or position, and not after to")
        return source, first, last, began

    async def _world_of(self, source: Source, keys: list[str], moment: Moment, connection: Any) -> World:
        """Those of the keys that were there, and everybody."""
        rows = await history.named(connection, moment.position, "key", keys)
        return await world_then(connection, source.region, moment, rows, await self._accounts(source))

    async def world(self, source: Source, key: str | None) -> World:
        """What is so now; of a trail, at its end, and with one key or all of them."""
        if not source.is_trail:
            return self._present.world
        moment = await source.moment(None)
        keys = (
            [key]
            if key is not None
            else await history.keys_between(source.pool, source.end, source.end, "", MOST_KEYS, source.account)
        )
        return await self._world_of(source, keys, moment, source.pool)

    async def _everyone(self, source: Source, moment: Moment, keys: list[Any]) -> World:
        """These keys, and everybody of the account that asks; of a trail, of every account."""
        return await world_then(source.pool, source.region, moment, keys, await self._accounts(source))

    async def _accounts(self, source: Source) -> list[str]:
        """Whose people a question is asked about. What is not in the world that it is asked of cannot be told."""
        # What a trail never saw of AWS's own policies stands in it as AWS's.
        return [*await history.accounts(source.pool), AWS] if source.is_trail else [source.account]

    async def diff(self, asked: Asked) -> Told:
        """Raises WireError."""
        body = document_in(asked.body, DIFF_BODY)
        texts = {name: text_in(body, name, DIFF_BODY) for name in ("from", "to", "from_policy", "to_policy")}
        if bool(texts["from"]) is bool(texts["from_policy"]) or (texts["to"] and texts["to_policy"]):
            raise bad(DIFF_BODY)
        async with self.place(asked.caller.account), self.answering():
            source = await self.sources.of(asked)
            key = await self.key(source, asked.request.path_params["key"])
            old, new = [
                await self._side(source, key, texts[name], texts[f"{name}_policy"], name) for name in ("from", "to")
            ]
            own = sorted({route.action for route in ROUTES if route.action})
            return source.audience.own(
                key.account, await self.worked(asked, policy_change.difference, key, old, new, own)
            )

    async def key_id(self, asked: Asked, reference: str) -> str:
        """The id of a key of a trail, also of one that is no more, or that the trail has by its id alone. Raises WireError."""
        source = await self.sources.of(asked)
        reference = await self.references.of_trail(source, reference)
        if "alias/" not in reference and not reference.startswith(MULTI_REGION):
            return id_of(reference)
        async with self.answering():
            found = await self._find_key(source, reference, await source.moment(None))
            return str(found["id"])

    async def key(self, source: Source, reference: str) -> Key:
        """The key now; of a trail at its end. Raises WireError, KeyNotFound and its kin."""
        if source.is_trail:
            moment = await source.moment(None)
            found = history.aggregate(await self._find_key(source, reference, moment))
            assert isinstance(found, Key), "the row is a key's"
            return found
        try:
            key = self._present.world.key(self.references.key(reference, source.account), source.account, aliases=True)
        except (KeyNotFound, AliasNotFound) as fault:
            raise not_found(fault, self.references.near_keys(reference, source.account)) from None
        source.audience.require(key.account)
        return key

    async def _side(self, source: Source, key: Key, reference: str, text: str, name: str) -> policy_change.Policy:
        """Raises WireError, NoSuchMoment, Unavailable."""
        if not text:
            reference = reference or str(key.policy_version)
            return await policy_change.policy_in(source.pool, key, reference, source.end)
        try:
            return policy_change.draft(text, None if source.is_trail else self._present.world, 0, key.account)
        except Refusal as fault:
            raise bad(f"{name}_policy: {fault.message}") from None

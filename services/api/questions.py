"""Routes that ask about the past as a whole: answers of `services/questions` over one state of the projections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from domain.arn import parse_arn
from domain.errors import KeyNotFound, Refusal
from domain.identities.callers import caller_for
from domain.identities.principals import canonical
from domain.keys.key import Key
from domain.keys.states import KEY_ACTIONS
from domain.ports import Unavailable
from domain.world import World
from projections.decisions.queries import Filters
from projections.history import queries as history
from services.adapters.postgres import Pool
from services.api import errors
from services.api.errors import WireError
from services.api.explaining import KMS_ACTIONS, Explained, bad
from services.api.items import page
from services.api.openapi import ROUTES
from services.api.present import NotFresh, Present
from services.aside import aside
from services.questions import between, changes
from services.questions.drafts import Draft, IdentityPolicyDraft, KeyPolicyDraft, RevokedGrant
from services.questions.moments import Moment, NoSuchMoment, moment_of
from services.questions.rechecking import recheck
from services.questions.showing import find_key, show_key, show_principal
from services.questions.snapshot import Still, still
from services.questions.what_if import what_if
from services.questions.who_can import can_what, who_can
from services.questions.worlds import world_then
from services.settings import Settings

if TYPE_CHECKING:
    from services.api.audit import Asked, Audit

KEYS_AT_ONCE = 200
"""Keys whose changes are followed in one pass over the log."""
AT_ONCE = 2
"""Long questions that one worker answers at a time: they share its processor with every call."""


def _action(text: str | None) -> str:
    """Raises WireError."""
    name = (text or "").removeprefix("kms:")
    if name not in KMS_ACTIONS:
        raise bad(f"action is one of KMS, kms:Decrypt for instance, not {text!r}")
    return f"kms:{name}"


WHAT_IF_BODY = (
    'the body is {"key": "...", "policy": "..."} or {"key": "...", "grant": "..."} or {"principal": ARN, "policy": "...", '
    '"policy_name": "..."}; "since" (a time or @position), "after" (a position) and "calls" (true) may be added'
)


DIFF_BODY = 'the body is {"from": "1", "to": "2"}: versions, times or positions; "from_policy" and "to_policy" are texts instead'


def _document(body: bytes, words: str = WHAT_IF_BODY) -> dict[str, Any]:
    """Raises WireError."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise bad(words)
    return found


def _text(body: dict[str, Any], name: str, words: str = WHAT_IF_BODY) -> str:
    """Raises WireError."""
    found = body.get(name) or ""
    if not isinstance(found, str) or "\0" in found:
        raise bad(words)
    return found


class Questions:
    """The routes' functions, beside those of Audit."""

    def __init__(self, audit: Audit, settings: Settings, present: Present, pool: Pool) -> None:
        self._audit = audit
        self._settings = settings
        self._present = present
        self._pool = pool
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the long questions. Raises WireError where all are taken."""
        if self._places.locked():
            raise errors.not_now(f"{AT_ONCE} such questions are being answered now; try again.")
        async with self._places:
            yield

    @asynccontextmanager
    async def _still(self) -> AsyncIterator[Still]:
        """Raises WireError, Unavailable."""
        async with self.place(), still(self._settings) as found:
            yield found

    async def key_as_of(self, asked: Asked) -> Any:
        reference, account = asked.request.path_params["reference"], asked.caller.account
        region = self._settings.region
        async with self._moment(asked) as moment:
            row = await find_key(self._pool, reference, account, region, moment)
            if row["account"] != account:
                raise WireError(403, "AccessDeniedException", "The key belongs to another account.")
            return await show_key(self._pool, row, moment)

    async def principal_as_of(self, asked: Asked) -> Any:
        async with self._moment(asked) as moment:
            return await show_principal(
                self._pool, asked.request.path_params["principal"], asked.caller.account, moment
            )

    async def principal_history(self, asked: Asked) -> Any:
        arn = canonical(asked.request.path_params["principal"])
        return await self._audit.calls_that(asked, Filters(about=arn, changes_only=True))

    @asynccontextmanager
    async def _moment(self, asked: Asked) -> AsyncIterator[Moment]:
        """The moment that `at` names, now where it names none. Raises WireError, also for what is not there then."""
        async with self._answering():
            yield await moment_of(self._pool, asked.text("at"), self._present.position)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """On a present fetched after the question came. Raises WireError for what an answer raises."""
        try:
            await self._present.barrier()
            yield
        except NoSuchMoment as fault:
            raise bad(str(fault)) from None
        except Refusal as fault:
            raise WireError(404, "NotFoundException", fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now("The log's state then cannot be read now; try again.") from None

    async def explain(self, asked: Asked) -> Any:
        """Raises WireError. Of a caller's own account, the principal or the key."""
        body, account = Explained.read(asked.body), asked.caller.account
        came = self._audit.came(asked.request)
        async with self._answering():
            world = await self._of_two(body, account) if body.at else self._present.world
        at = world.at if body.at else came.at
        return body.answer(world, account, replace(came, source="", agent="", at=at))

    async def _of_two(self, body: Explained, account: str) -> World:
        """What a question of one principal and one key needs of the world then. Raises NoSuchMoment, KeyNotFound."""
        moment = await moment_of(self._pool, body.at, self._present.position)
        row = await find_key(self._pool, body.key, account, self._settings.region, moment)
        arn = parse_arn(canonical(body.principal))
        accounts = {account, row["account"], *([arn.account] if arn is not None else [])}
        return await world_then(self._pool, self._settings.region, moment, [row], sorted(accounts))

    async def who_can(self, asked: Asked) -> Any:
        reference, action = asked.request.path_params["reference"], _action(asked.text("action"))
        async with self._moment(asked) as moment:
            row = await find_key(self._pool, reference, asked.caller.account, self._settings.region, moment)
            if row["account"] != asked.caller.account:
                raise WireError(403, "AccessDeniedException", "The key belongs to another account.")
            world = await self._everyone(asked, moment, [row])
            key = world.keys[row["id"]]
            return {
                "position": moment.position,
                "at": moment.text,
                "action": action,
                "items": who_can(world, key, action, asked.caller.account),
            }

    async def can_what(self, asked: Asked) -> Any:
        principal, account, limit = asked.request.path_params["principal"], asked.caller.account, asked.limit()
        cursor = asked.cursor(str)
        async with self._moment(asked) as moment:
            rows = await history.keys_after(self._pool, moment.position, cursor[0] if cursor else "", limit)
            world = await self._everyone(asked, moment, rows)
            caller = caller_for(world, principal)
            keys = [world.keys[row["id"]] for row in rows]
            if caller.account != account:
                keys = [key for key in keys if key.account == account]
            items = can_what(world, caller, keys, KEY_ACTIONS, account)
        found = page(items, limit, None)
        more = page(rows, limit, [rows[-1]["id"]] if rows else None)["next"]
        return found | {"next": more, "position": moment.position}

    async def who_between(self, asked: Asked) -> AsyncGenerator[dict[str, Any], None]:
        reference, action = asked.request.path_params["reference"], _action(asked.text("action"))
        account, region = asked.caller.account, self._settings.region
        first, last = await self._two_moments(asked)
        async with self._answering():
            row = None
            for moment in (first, last):
                with suppress(KeyNotFound):
                    row = await find_key(self._pool, reference, account, region, moment)
                    break
            if row is None:
                raise KeyNotFound(f"There was no key {reference} between @{first.position} and @{last.position}.")
            if row["account"] != account:
                raise WireError(403, "AccessDeniedException", "The key belongs to another account.")
        return self._who_between(row["id"], action, account, first, last)

    async def _who_between(
        self, key: str, action: str, account: str, first: Moment, last: Moment
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with self._still() as found:
            world = await self._world_of([key], first, found.connection)
            async for each in between.who_between(found.connection, world, key, action, account, last.position):
                yield each

    async def what_between(self, asked: Asked) -> AsyncGenerator[dict[str, Any], None]:
        first, last = await self._two_moments(asked)
        principal = canonical(asked.request.path_params["principal"])
        return self._what_between(principal, asked.caller.account, first, last)

    async def _what_between(
        self, principal: str, account: str, first: Moment, last: Moment
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with self._still() as found:
            after, count = "", 0
            while True:
                span = (first.position, last.position)
                keys = await history.keys_between(found.connection, *span, after, KEYS_AT_ONCE)
                world = await self._world_of(keys, first, found.connection)
                async for each in between.what_between(
                    found.connection, world, keys, principal, account, last.position
                ):
                    count += 1
                    yield each
                if len(keys) < KEYS_AT_ONCE:
                    break
                after = keys[-1]
                yield {"through": after}
            yield {"result": {"changes": count}}

    async def _two_moments(self, asked: Asked) -> tuple[Moment, Moment]:
        """Raises WireError."""
        async with self._answering():
            first, last = [
                await moment_of(self._pool, asked.text(name), self._present.position) for name in ("from", "to")
            ]
        if not asked.text("from") or first.position > last.position:
            raise bad("from is a time or position, and not after to")
        return first, last

    async def _world_of(self, keys: list[str], moment: Moment, connection: Any) -> World:
        """Those of the keys that were there, and everybody."""
        rows = await history.named(connection, moment.position, "key", keys)
        accounts = sorted(self._present.world.accounts)
        return await world_then(connection, self._settings.region, moment, rows, accounts)

    async def _everyone(self, asked: Asked, moment: Moment, keys: list[Any]) -> World:
        """These keys, and everybody of every account."""
        accounts = sorted(self._present.world.accounts)
        return await world_then(self._pool, self._settings.region, moment, keys, accounts)

    async def what_if(self, asked: Asked) -> AsyncGenerator[dict[str, Any], None]:
        body = _document(asked.body)
        draft = await self._draft(asked, body)
        since, after = _text(body, "since"), body.get("after")
        if after is not None and not isinstance(after, int):
            raise bad("after is the position that an answer before went through to")
        moment = await self._audit.moment_in(since, "since") if since else None
        return self._what_if(draft, moment, after, calls=body.get("calls") is True)

    async def _what_if(
        self, draft: Draft, since: datetime | None, after: int | None, *, calls: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with self._still() as found:
            async for each in what_if(found, self._settings.region, draft, since, after, calls=calls):
                yield each

    async def diff(self, asked: Asked) -> Any:
        """Raises WireError."""
        body = _document(asked.body, DIFF_BODY)
        texts = {name: _text(body, name, DIFF_BODY) for name in ("from", "to", "from_policy", "to_policy")}
        if bool(texts["from"]) is bool(texts["from_policy"]) or (texts["to"] and texts["to_policy"]):
            raise bad(DIFF_BODY)
        async with self.place(), self._answering():
            world = self._present.world
            key = world.key(asked.request.path_params["key"], asked.caller.account, aliases=True)
            if key.account != asked.caller.account:
                raise WireError(403, "AccessDeniedException", "The key belongs to another account.")
            old, new = [await self._side(key, texts[name], texts[f"{name}_policy"], name) for name in ("from", "to")]
            own = sorted({route.action for route in ROUTES if route.action})
            return await aside(changes.difference, key, old, new, own)

    async def _side(self, key: Key, reference: str, text: str, name: str) -> changes.Policy:
        """Raises WireError, NoSuchMoment, Unavailable."""
        if not text:
            reference = reference or str(key.policy_version)
            return await changes.policy_in(self._pool, key, reference, self._present.position)
        try:
            return changes.draft(text, self._present.world, 0)
        except Refusal as fault:
            raise bad(f"{name}_policy: {fault.message}") from None

    async def _draft(self, asked: Asked, body: dict[str, Any]) -> Draft:
        """Raises WireError."""
        account, world = asked.caller.account, self._present.world
        key, principal, policy, grant = (_text(body, name) for name in ("key", "principal", "policy", "grant"))
        try:
            await self._present.barrier()
            if key and (policy or grant) and not (policy and grant) and not principal:
                found = world.key(key, account, aliases=True)
                if found.account != account:
                    raise WireError(403, "AccessDeniedException", "The key belongs to another account.")
                return KeyPolicyDraft(found, policy) if policy else RevokedGrant(found, grant)
            if principal and policy and not key and not grant:
                unique = world.directory.by_arn.get(principal, principal)
                identity = world.directory.identities.get(unique)
                if identity is None or identity.account != account:
                    raise WireError(404, "NotFoundException", f"There is no user, group or role {principal} here.")
                return IdentityPolicyDraft(identity, _text(body, "policy_name") or "draft", policy)
        except NotFresh:
            raise errors.not_now("The log's newest state is not known to this server now; try again.") from None
        except Refusal as fault:
            raise errors.wire_error(fault) from None
        raise bad(WHAT_IF_BODY)

    async def recheck(self, asked: Asked) -> AsyncGenerator[dict[str, Any], None]:
        if not self._audit.hosts(asked):
            raise WireError(
                403, "AccessDeniedException", "Decisions of every account are rechecked: the first account's."
            )
        return self._rechecked(await self._audit.moment(asked, "since"))

    async def _rechecked(self, since: datetime | None) -> AsyncGenerator[dict[str, Any], None]:
        async with self._still() as found:
            async for each in recheck(found, self._settings.region, since):
                yield each

"""Routes about decisions together: filtered by every field, counted, the last use of a key, what was never used."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from domain.authorization.audience import Audience, Told
from domain.errors import AccessRefused, Refusal
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.policy import unseen
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions import uses
from projections.decisions.queries import EXPRESSIONS, FIELDS, Filters
from projections.history import queries as history
from projections.log.schema import AskedLog
from services.adapters.postgres import Pool
from services.audit_api.explaining import bad
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.questions.as_of import utc as utc_of
from services.questions.nearest import in_words, nearest
from services.questions.subjects import with_names
from services.questions.unused import (
    NOT_USED_FOR,
    Decide,
    Period,
    callers_in,
    keys_in,
    of_our_own,
    unused_of_key,
    unused_of_principal,
)
from services.rendering import call_of, cursor_of, following, item, utc
from services.trails.judged_calls import let_in_by

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit
    from services.audit_api.questions import Questions
    from services.questions.source import Source

EFFECTS = ("allowed", "refused")
MOST_DAYS = 36_500
KEYS, PRINCIPALS = "keys", "principals"
AT_ONCE = 100
"""Records of a long answer that are read together."""


class Counted:
    """The routes' functions, beside those of Audit and Questions."""

    def __init__(self, audit: Audit, questions: Questions, present: LiveState, pool: Pool) -> None:
        self._audit = audit
        self._questions = questions
        self._present = present
        self._pool = pool

    async def decisions(self, asked: Asked) -> Told:
        inputs = asked.flag("inputs")
        return await self._calls(asked, await self._filters(asked), inputs=inputs)

    async def _calls(self, asked: Asked, filters: Filters, *, inputs: bool = False) -> Told:
        cursor, limit = asked.cursor(str, int, int), asked.limit()
        after = None
        if cursor is not None:
            moment, origin, record = cursor
            try:
                after = (datetime.fromisoformat(moment), origin, record)
            except ValueError:
                raise bad("cursor is not one that an earlier answer gave") from None
        source = await self._questions.sources.of(asked)
        newest_first = asked.one_of("order", ("newest",)) is not None
        rows = await decisions.page(
            source.pool, asked.caller.account, filters, after, limit, inputs=inputs, newest_first=newest_first
        )
        last = rows[-1] if rows else None
        cursor = [utc(last["at"]), last["origin"], last["record"]] if last else None
        calls = await with_names(source, [call_of(row) for row in rows], self._audit.with_aliases)
        more = {} if after is not None else await source.before_it_began(filters.since)
        return source.audience.calls(calls, following(len(rows), limit, cursor), more)

    async def events(self, asked: Asked) -> Told:
        text = asked.text("after") or "-1"
        if not text.removeprefix("-").isdigit() or not text.isascii() or len(text) > 18:
            raise bad("after is a position")
        limit = asked.limit()
        cursor = asked.cursor(int)
        after = cursor[0] if cursor else int(text)
        rows = await decisions.events(AskedLog(self._pool), asked.caller.account, after, limit)
        after_these = following(len(rows), limit, [rows[-1]["position"]] if rows else None)
        source = await self._questions.sources.of(asked)
        calls = await with_names(source, [call_of(row) for row in rows], self._audit.with_aliases)
        return asked.audience.calls(calls, after_these)

    async def _filters(self, asked: Asked) -> Filters:
        """Raises WireError."""
        asked.one_of("effect", EFFECTS)
        key, pair = asked.text("key"), asked.text("encryption_context")
        fields = {name: _value(name, text) for name in FIELDS if (text := asked.text(name)) is not None}
        if pair is not None and "=" not in pair:
            raise bad("encryption_context is NAME=VALUE")
        source = await self._questions.sources.of(asked)
        references = self._questions.references
        if "operation" in fields:
            fields["operation"] = await references.recorded(source, str(fields["operation"]))
        if "rule" in fields:
            fields["rule"] = references.rule(str(fields["rule"]))
        if "principal" in fields:
            fields["principal"] = await references.caller(asked, source, str(fields["principal"]))
        if key:
            key = await self._key(asked, source, key)
        since, until = [
            None if (text := asked.text(name)) is None else await self._audit.moment_in(source.pool, text, name)
            for name in ("from", "to")
        ]
        return Filters(
            key=key or None,
            since=since,
            until=until,
            fields=fields,
            pair=None if pair is None else (pair.partition("=")[0], pair.partition("=")[2]),
        )

    async def _key(self, asked: Asked, source: Source, text: str) -> str:
        """The id of a key that something is known of. Raises WireError."""
        if not source.is_trail:
            return await self._audit.bare_key(asked, text)
        found = await self._questions.key_id(asked, text)
        await self._questions.references.known_key(source, found, text)
        return found

    async def history(self, asked: Asked) -> Told:
        if asked.text("trail"):
            key = await self._key(asked, await self._questions.sources.of(asked), asked.request.path_params["key"])
        else:
            key = await self._audit.own_key_id(asked)
        filters = replace(await self._filters(asked), key=key, changes_only=True)
        return await self._calls(asked, filters, inputs=asked.flag("inputs"))

    async def meaning_of(self, asked: Asked) -> Told:
        source = await self._questions.sources.of(asked)
        kind, name = await self._questions.references.meaning(asked, source, asked.text("name") or "")
        return source.audience.own(source.account, {"kind": kind, "name": name})

    async def principal_history(self, asked: Asked) -> Told:
        source = await self._questions.sources.of(asked)
        text = asked.request.path_params["principal"]
        about = await self._questions.references.principal(asked, source, text, (USER, ROLE, GROUP, POLICY))
        filters = replace(await self._filters(asked), about=about, changes_only=True)
        filters = await self._concerning(filters, source, about)
        return await self._calls(asked, filters, inputs=asked.flag("inputs"))

    async def _concerning(self, filters: Filters, source: Source, about: str) -> Filters:
        """With every change that concerns a principal: those of other names that it had, of the groups that it is in, and of
        grants, key policies and trust policies that name it. Of another account's principal, those that name this ARN."""
        ids, arns = await history.all_arns(source.pool, about, source.account)
        own = await history.changed_at(source.pool, ids)
        names = [*ids, about]
        grants, others = await history.named_at(source.pool, source.account, names)
        named = await decisions.naming(source.pool, others, names)
        return replace(filters, earlier=arns, positions=sorted({*own, *grants, *named}))

    async def log(self, asked: Asked) -> AsyncGenerator[Told, None]:
        """The auditor's copy of an account's own part of the log: everything that `decisions` would give, page after page."""
        since, until = [await self._audit.moment(asked, name) for name in ("from", "to")]
        return self._log(asked, Filters(since=since, until=until))

    async def _log(self, asked: Asked, filters: Filters) -> AsyncGenerator[Told, None]:
        audience, count, after = asked.audience, 0, None
        async with self._questions.place(audience.account):
            while True:
                rows = await decisions.page(
                    AskedLog(self._pool), audience.account, filters, after, AT_ONCE, inputs=True
                )
                for row in rows:
                    yield audience.line(call_of(row))
                count += len(rows)
                if len(rows) < AT_ONCE:
                    break
                after = (rows[-1]["at"], rows[-1]["origin"], rows[-1]["record"])
            end = {"position": self._present.position, "records": count}
            source = await self._questions.sources.of(asked)
            more = await source.before_it_began(filters.since)
        yield audience.own(audience.account, {"end": end, **more})

    async def counts(self, asked: Asked) -> Told:
        by = list(dict.fromkeys((asked.text("by") or "").split(",")))
        if not set(by) <= EXPRESSIONS.keys():
            strange = next(name for name in by if name not in EXPRESSIONS)
            near = in_words(nearest(strange, EXPRESSIONS))
            raise bad(f"by is one or several of {', '.join(sorted(EXPRESSIONS))}, separated by commas.{near}")
        filters = await self._filters(asked)
        async with self._questions.place(asked.caller.account):
            source = await self._questions.sources.of(asked)
            rows = await decisions.counts(source.pool, asked.caller.account, filters, by, asked.limit())
            more = await source.before_it_began(filters.since)
            counted = [item(row) for row in rows]
            if "key" in by:
                named = await self._audit.with_aliases(source, [{"key_id": row["key"]} for row in counted])
                counted = [row | {"key_aliases": its["key_aliases"]} for row, its in zip(counted, named, strict=True)]
        # By what is told of each call: the query itself counts no other way.
        return source.audience.own(source.account, {"items": counted, "next": None, **more})

    async def last_use(self, asked: Asked) -> Told:
        source = await self._questions.sources.of(asked)
        if source.is_trail:
            key_id = await self._key(asked, source, asked.request.path_params["key"])
            key, arn = None, await uses.destination(source.pool, key_id)
        else:
            key_id = await self._audit.own_key_id(asked)
            key = self._present.world.keys.get(key_id)
            arn = key.arn if key is not None else ""
        rows = [_use(item(row), source.audience) for row in await uses.last_uses(source.pool, key_id, arn)]
        used = {"key_id": key_id, "created_at": None if key is None else utc_of(key.created)}
        answer = used | {"last": rows[0] if rows else None, "by_operation": rows}
        return source.audience.own(source.account, answer)

    async def unused(self, asked: Asked) -> Told:
        text = asked.text("days") or str(NOT_USED_FOR)
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_DAYS:
            raise bad(f"days is a number from 1 to {MOST_DAYS}")
        key, principal = asked.text("key"), asked.text("principal")
        if key is not None and principal is not None:
            raise bad("name a key or a principal, or neither")
        source = await self._questions.sources.of(asked)
        since, until = [
            None
            if (asked_for := asked.text(name)) is None
            else await self._audit.moment_in(source.pool, asked_for, name)
            for name in ("from", "to")
        ]
        ends = (await source.ended() if source.is_trail else None) or datetime.now(UTC)
        until = ends if until is None else min(until, ends)
        since = until - timedelta(days=int(text)) if since is None else since
        # Of a time before the record nobody knows what was used.
        began = await source.began()
        times = (since if began is None else max(since, began), until)
        async with self._questions.place(asked.caller.account):
            try:
                found, cursor, unknown = await self._unused(asked, source, key, principal, times)
            except AccessRefused:
                raise
            except Refusal as fault:
                raise WireError(404, "NotFoundException", fault.message) from None
        shown: dict[str, Any] = {"since": utc(times[0]), "until": utc(until)}
        shown |= {"began": None if began is None else utc(began)}
        if unknown:
            shown |= {"unknown": unknown, "settled_by": unseen.SETTLED_BY}
        return source.audience.own(source.account, shown | {"items": found, "next": cursor})

    async def _unused(
        self, asked: Asked, source: Source, key: str | None, principal: str | None, times: Period
    ) -> tuple[list[dict[str, Any]], str | None, str]:
        """(rows, the cursor of the next page, what is not known)."""
        decide, questions = let_in_by if source.is_trail else of_our_own(source.audience), self._questions
        if key is not None:
            held = await questions.key(source, key)
            world = await questions.world(source, held.id)
            rows = await unused_of_key(source.pool, world, held, source.audience, times, decide)
            return rows, None, unseen.unseen_of(held.tags)
        world = await questions.world(source, None)
        if principal is not None:
            name = await questions.references.principal(asked, source, principal)
            rows = await unused_of_principal(source.pool, world, name, source.audience, times, decide)
            return rows, None, unseen.IDENTITY if source.is_trail else ""
        rows, cursor = await self._unused_of_all(asked, source, world, times, decide)
        return rows, cursor, unseen.IDENTITY if source.is_trail else ""

    async def _unused_of_all(
        self, asked: Asked, source: Source, world: World, times: Period, decide: Decide
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Every key of the account, and then its users and roles, so many of them at a time."""
        limit, cursor = asked.limit(), asked.cursor(str, str)
        kind, after = cursor or (KEYS, "")
        names = keys_in(world, source.account) if kind == KEYS else callers_in(world, source.account)
        begin = bisect_right(names, after) if after else 0
        some = names[begin : begin + limit]
        rows: list[dict[str, Any]] = []
        for name in some:
            if kind == KEYS:
                held = world.keys[name]
                of = {"key_id": name, "key_aliases": list(world.aliases_of(name))}
                found = await unused_of_key(source.pool, world, held, source.audience, times, decide)
            else:
                of = {"principal": name}
                found = await unused_of_principal(source.pool, world, name, source.audience, times, decide)
            rows += [of | row for row in found]
        if begin + limit < len(names):
            return rows, cursor_of([kind, some[-1]])
        return rows, cursor_of([PRINCIPALS, ""]) if kind == KEYS else None


def _use(row: dict[str, Any], audience: Audience) -> dict[str, Any]:
    account = row.pop("account")
    return row | {"principal": audience.who(account, row["principal"])}


def _value(name: str, text: str) -> str | int:
    """Raises WireError."""
    if FIELDS[name] == "text":
        return text
    digits = text.removeprefix("@")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18 or (FIELDS[name] == "int" and len(digits) > 9):
        raise bad(f"{name} is a number")
    return int(digits)

"""Routes about decisions together: filtered by every field, counted, the last use of a key, what was never used."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from domain.access.audience import Audience, Told
from domain.cloudtrail import unseen
from domain.errors import AccessRefused, Refusal
from projections.decisions import queries as decisions
from projections.decisions.queries import EXPRESSIONS, FIELDS, Filters
from services.adapters.postgres import Pool
from services.api.errors import WireError
from services.api.explaining import bad
from services.api.items import call_of, item, utc
from services.api.present import Present
from services.questions.showing import utc as utc_of
from services.questions.unused import NOT_USED_FOR, of_our_own, unused_of_key, unused_of_principal
from services.trails.judging import let_in_by

if TYPE_CHECKING:
    from services.api.asked import Asked
    from services.api.audit import Audit
    from services.api.questions import Questions

EFFECTS = (None, "allowed", "refused")
MOST_DAYS = 36_500
AT_ONCE = 500
"""Records of a long answer that are read together."""


class Counted:
    """The routes' functions, beside those of Audit and Questions."""

    def __init__(self, audit: Audit, questions: Questions, present: Present, pool: Pool) -> None:
        self._audit = audit
        self._questions = questions
        self._present = present
        self._pool = pool

    async def decisions(self, asked: Asked) -> Told:
        inputs = asked.text("inputs") == "true"
        return await self._audit.calls_that(asked, await self._filters(asked), inputs=inputs)

    async def _filters(self, asked: Asked) -> Filters:
        """Raises WireError."""
        if asked.text("effect") not in EFFECTS:
            raise bad("effect is allowed or refused")
        key, pair = asked.text("key"), asked.text("encryption_context")
        fields = {name: _value(name, text) for name in FIELDS if (text := asked.text(name)) is not None}
        if pair is not None and "=" not in pair:
            raise bad("encryption_context is NAME=VALUE")
        source = await self._questions.sources.of(asked)
        if key:
            key = await self._questions.key_id(asked, key) if source.is_trail else self._audit.bare_key(asked, key)
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

    async def log(self, asked: Asked) -> AsyncGenerator[Told, None]:
        """The auditor's copy of an account's own part of the log: everything that `decisions` would give, page after page."""
        since, until = [await self._audit.moment(asked, name) for name in ("from", "to")]
        return self._log(asked, Filters(since=since, until=until))

    async def _log(self, asked: Asked, filters: Filters) -> AsyncGenerator[Told, None]:
        audience, count, after = asked.audience, 0, None
        async with self._questions.place(audience.account):
            while True:
                rows = await decisions.page(self._pool, audience.account, filters, after, AT_ONCE, inputs=True)
                for row in rows:
                    yield audience.line(call_of(row))
                count += len(rows)
                if len(rows) < AT_ONCE:
                    break
                after = (rows[-1]["at"], rows[-1]["origin"], rows[-1]["record"])
            end = {"position": self._present.position, "records": count}
        yield audience.own(audience.account, {"end": end})

    async def counts(self, asked: Asked) -> Told:
        by = list(dict.fromkeys((asked.text("by") or "").split(",")))
        if not set(by) <= EXPRESSIONS.keys():
            raise bad(f"by is one or several of {', '.join(sorted(EXPRESSIONS))}, separated by commas")
        filters = await self._filters(asked)
        async with self._questions.place(asked.caller.account):
            source = await self._questions.sources.of(asked)
            rows = await decisions.counts(source.pool, asked.caller.account, filters, by, asked.limit())
        # By what is told of each call: the query itself counts no other way.
        return source.audience.own(source.account, {"items": [item(row) for row in rows], "next": None})

    async def last_use(self, asked: Asked) -> Told:
        source = await self._questions.sources.of(asked)
        if source.is_trail:
            key_id = await self._questions.key_id(asked, asked.request.path_params["key"])
            key, arn = None, await decisions.destination(source.pool, key_id)
        else:
            key_id = await self._audit.own_key_id(asked)
            key = self._present.world.keys.get(key_id)
            arn = key.arn if key is not None else ""
        rows = [_use(item(row), source.audience) for row in await decisions.last_uses(source.pool, key_id, arn)]
        used = {"key_id": key_id, "created_at": None if key is None else utc_of(key.created)}
        answer = used | {"last": rows[0] if rows else None, "by_operation": rows}
        return source.audience.own(source.account, answer)

    async def unused(self, asked: Asked) -> Told:
        text = asked.text("days") or str(NOT_USED_FOR)
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_DAYS:
            raise bad(f"days is a number from 1 to {MOST_DAYS}")
        key, principal = asked.text("key"), asked.text("principal")
        if (key is None) is (principal is None):
            raise bad("name a key or a principal")
        source = await self._questions.sources.of(asked)
        # A trail ends when its last record was written, and nobody knows what was used after.
        end = (await source.moment(None)).at if source.is_trail else datetime.now(UTC)
        since = end - timedelta(days=int(text))
        decide = let_in_by if source.is_trail else of_our_own(source.audience)
        async with self._questions.place(asked.caller.account):
            try:
                if key is not None:
                    held = await self._questions.key(source, key)
                    world = await self._questions.world(source, held.id)
                    found = await unused_of_key(source.pool, world, held, source.audience, since, decide)
                    unknown = unseen.unseen_of(held.tags)
                else:
                    world = await self._questions.world(source, None)
                    found = await unused_of_principal(
                        source.pool, world, principal or "", source.audience, since, decide
                    )
                    unknown = unseen.IDENTITY if source.is_trail else ""
            except AccessRefused:
                raise
            except Refusal as fault:
                raise WireError(404, "NotFoundException", fault.message) from None
        answer: dict[str, Any] = {"since": utc(since), "items": found}
        if unknown:
            answer |= {"unknown": unknown, "settled_by": unseen.SETTLED_BY}
        return source.audience.own(source.account, answer)


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

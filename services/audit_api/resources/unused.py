"""Permissions that nobody used: of one key, of one principal, or of everything in the account."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.authorization.audience import Told
from domain.errors import AccessRefused, Refusal
from domain.policy import unseen
from domain.state.world import World
from services.audit_api.answer_shapes import One
from services.audit_api.begun_decisions import decisions_began
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid, missing
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, SPAN, Parameter, RouteRow
from services.audit_api.schemas import Member
from services.audit_api.times import span_of
from services.audit_api.worlds import world_now
from services.questions.source import Source
from services.questions.unused import (
    NOT_USED_FOR,
    Decide,
    UsePeriod,
    callers_in,
    keys_in,
    of_our_own,
    unused_of_key,
    unused_of_principal,
)
from services.rendering import cursor_of, utc
from services.trails.judged_calls import let_in_by

MOST_DAYS = 36_500
KEYS, PRINCIPALS = "keys", "principals"


async def unused(audit: AuditContext, request: AuditRequest) -> Told:
    days = _days(request)
    key, principal = request.text("key"), request.text("principal")
    if key is not None and principal is not None:
        raise invalid("name a key or a principal, not both")
    source = await audit.sources.of(request)
    since, until = await span_of(source.log, request)
    ends = (await source.ended() if source.is_trail else None) or datetime.now(UTC)
    until = ends if until is None else min(until, ends)
    since = until - timedelta(days=days) if since is None else since
    # Nobody knows what was used before the record began.
    began = await decisions_began(audit, source)
    times = (since if began is None else max(since, began), until)
    async with audit.long_questions.place(request):
        try:
            found, cursor, unknown = await _unused(audit, request, source, key, principal, times)
        except AccessRefused:
            raise
        except Refusal as fault:
            raise missing(fault.message) from None
    shown: dict[str, Any] = {"since": utc(times[0]), "until": utc(until)}
    shown |= {"began": None if began is None else utc(began)}
    if unknown:
        shown |= {"unknown": unknown, "settled_by": unseen.SETTLED_BY}
    return source.audience.own(source.account, shown | {"items": found, "next": cursor})


def _days(request: AuditRequest) -> int:
    """Raises WireError."""
    text = request.text("days") or str(NOT_USED_FOR)
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= MOST_DAYS:
        raise invalid(f"days must be a number from 1 to {MOST_DAYS}")
    return int(text)


async def _unused(
    audit: AuditContext, request: AuditRequest, source: Source, key: str | None, principal: str | None, times: UsePeriod
) -> tuple[list[dict[str, Any]], str | None, str]:
    """(rows, the cursor of the next page, what is not known)"""
    decide = let_in_by if source.is_trail else of_our_own(source.audience)
    if key is not None:
        held = await audit.keys.now(source, key)
        world = await world_now(audit.live, source, held.id)
        rows = await unused_of_key(source.log, world, held, source.audience, times, decide)
        return rows, None, unseen.unseen_of(held.tags) if source.is_trail else ""
    world = await world_now(audit.live, source, None)
    unknown = unseen.IDENTITY if source.is_trail else ""
    if principal is not None:
        name = await audit.principals.principal(request, source, principal)
        return await unused_of_principal(source.log, world, name, source.audience, times, decide), None, unknown
    rows, cursor = await _unused_of_all(request, source, world, times, decide)
    return rows, cursor, unknown


async def _unused_of_all(
    request: AuditRequest, source: Source, world: World, times: UsePeriod, decide: Decide
) -> tuple[list[dict[str, Any]], str | None]:
    """First every key of the account and then its users and roles, one page at a time."""
    limit, cursor = request.limit(), request.cursor(str, str)
    kind, after = cursor or (KEYS, "")
    names = keys_in(world, source.account) if kind == KEYS else callers_in(world, source.account)
    begin = bisect_right(names, after) if after else 0
    some = names[begin : begin + limit]
    rows: list[dict[str, Any]] = []
    for name in some:
        if kind == KEYS:
            held = world.keys[name]
            of = {"key_id": name, "key_aliases": list(world.aliases_of(name))}
            found = await unused_of_key(source.log, world, held, source.audience, times, decide)
        else:
            of = {"principal": name}
            found = await unused_of_principal(source.log, world, name, source.audience, times, decide)
        rows += [of | row for row in found]
    if begin + limit < len(names):
        return rows, cursor_of([kind, some[-1]])
    return rows, cursor_of([PRINCIPALS, ""]) if kind == KEYS else None


UNUSED = RouteRow(
    "GET",
    "/v1/unused",
    "unused",
    unused,
    "What the statements and grants on a key, of a principal, or of all of the account, allow and nobody used",
    tag="decisions",
    action="keytrail:ReadDecisions",
    parameters=(
        Parameter("key", "id, ARN or alias of a key; without it and a principal, everything of the account"),
        Parameter("principal", "or a user or role"),
        Parameter(
            "days",
            "how many days are looked at; 90 where left out",
            {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": NOT_USED_FOR},
        ),
        *SPAN,
        LIMIT,
        CURSOR,
    ),
    takes_trail=True,
    answer=One(
        (
            Member("items", "objects", "a row for each Allow statement and grant"),
            Member("since", "time", "when the time looked at began: never before the record"),
            Member("until", "time?", "when it ended"),
            Member("began", "time?", "when the record began"),
            Member("next", "text?", "where neither a key nor a principal is named: the cursor of the next page"),
        ),
        items=(
            Member("by", "object", "the statement or grant"),
            Member("used", "object", "the actions that it let in since, with the number of calls and the last"),
            Member("unused", "texts", "the actions that it allows and let nobody in for"),
            Member("principals_unused", "texts", "whom it names and who never came in by it"),
            Member("never_used", "yes-or-no", "whether it let nobody in"),
            Member("not_counted", "texts", "what it allows beside actions on keys, whose use is not looked for"),
        ),
    ),
)


ROUTES = (UNUSED,)

"""Who can do what with a key: at one moment, and what changed between two moments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from domain.authorization.audience import Told
from domain.keys.states import KEY_ACTIONS
from projections.history import queries as history
from services.audit_api.answer_shapes import Lines, One, Page
from services.audit_api.context import AuditContext
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import AT, CURSOR, LIMIT, Parameter, RouteRow
from services.audit_api.schemas import MOMENT, Member
from services.audit_api.times import at_moment, two_moments
from services.audit_api.worlds import world_of_keys, world_of_rows
from services.kms_api.errors import WireError
from services.questions import access_between
from services.questions import who_can as questions
from services.questions.moments import Moment
from services.questions.source import Source
from services.rendering import following

KEYS_AT_ONCE = 200
"""How many keys one pass over the log follows."""
BETWEEN = (
    Parameter("from", "the first moment: a time or a position", MOMENT, required=True),
    Parameter("to", "the last moment; now if left out", MOMENT),
)


def _action(audit: AuditContext, request: AuditRequest) -> str:
    """Raises WireError."""
    return f"kms:{audit.operations.of_kms(request.text('action') or '')}"


async def who_can(audit: AuditContext, request: AuditRequest) -> Told:
    action = _action(audit, request)
    async with at_moment(audit, request) as (source, moment):
        row = await audit.keys.row(source, request.place("reference"), moment)
        world = await world_of_rows(source, [row], moment)
        key = world.keys[row["id"]]
        answer = {
            "position": moment.position,
            "at": moment.text,
            "action": action,
            "items": await audit.long_questions.compute(request, questions.who_can, world, key, action),
        }
        return source.audience.own(key.account, answer)


WHO_CAN = RouteRow(
    "GET",
    "/v1/who-can/{reference:path}",
    "who_can",
    who_can,
    "Everyone who could do something with a key, and by which path",
    tag="past",
    action="keytrail:WhoCan",
    parameters=(Parameter("action", "kms:Decrypt, for instance", required=True), AT),
    takes_trail=True,
    answer=One(
        (
            Member("action", "text", "what was asked about"),
            Member("items", "objects", "a row for each principal that could"),
            Member("position", "integer", "the last record at that moment"),
            Member("at", "time", "that record's time"),
        ),
        items=(
            Member("principal", "text", "who"),
            Member(
                "kind",
                "text?",
                "root, user, role, federated (anyone with a token of an OpenID Connect provider, as a role), session, service, "
                "everyone; of other accounts: account, foreign",
            ),
            Member("for_sure", "yes-or-no", "yes: it could, whatever the request says; no: only under conditions"),
            Member(
                "paths",
                "objects",
                "the statement or grant that allows it, its delegation, and the conditions to meet",
            ),
            Member("unless", "objects", "statements that deny if their conditions are met"),
        ),
    ),
)


async def can_what(audit: AuditContext, request: AuditRequest) -> Told:
    limit, cursor, compute = request.limit(), request.cursor(str), audit.long_questions.compute
    async with at_moment(audit, request) as (source, moment):
        principal = await audit.principals.principal(request, source, request.place("principal"))
        account, after = source.account, cursor[0] if cursor else ""
        rows = await history.keys_after(source.log, moment.position, after, limit, account)
        world = await world_of_rows(source, rows, moment)
        keys = [world.keys[row["id"]] for row in rows]
        questions.require_principal(world, principal, source.audience)
        items = await compute(request, questions.can_what, world, principal, keys, KEY_ACTIONS, source.audience)
        items = await audit.keys.with_aliases(source, items)
        # The roles are the same for every page, so only the first page has them.
        roles = [] if cursor else await compute(request, questions.assumable, world, principal, source.audience)
    more = following(len(rows), limit, [rows[-1]["id"]] if rows else None)
    found = {"items": items, "next": more, "position": moment.position, "roles": roles}
    return source.audience.own(account, found)


CAN_WHAT = RouteRow(
    "GET",
    "/v1/can-what/{principal:path}",
    "can_what",
    can_what,
    "Every key of the account that a principal could do something with, and what",
    tag="past",
    action="keytrail:CanWhat",
    parameters=(AT, LIMIT, CURSOR),
    takes_trail=True,
    answer=Page(
        (
            Member("key_id", "text?", "the key"),
            Member("arn", "text", "its ARN"),
            Member("key_aliases", "texts", "the names of its aliases"),
            Member("operations", "texts", "what it could do, whatever the request says"),
            Member("under_conditions", "object", "what it could do under conditions, with the paths"),
        ),
        beside=(
            Member("position", "integer", "the last record at that moment"),
            Member("roles", "objects", "on the first page: roles that the principal could assume, and by which paths"),
        ),
    ),
)


async def who_between(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    action = _action(audit, request)
    source, first, last, began = await two_moments(audit, request)
    async with fresh(audit.live):
        # If the log begins after `to`, both moments are the log's first record, and the key may have been created later.
        moments = [first, last, *([await source.moment(None)] if last is first else [])]
        row = await _earliest_row(audit, source, request.place("reference"), moments)
    return _who_between(audit, request, source, row["id"], action, first, last, began)


async def _earliest_row(audit: AuditContext, source: Source, reference: str, moments: list[Moment]) -> Any:
    """The key that `reference` named, at the earliest of these moments when it named one. Raises WireError, AccessRefused."""
    *before, last = moments
    for moment in before:
        with suppress(WireError):
            return await audit.keys.row(source, reference, moment)
    return await audit.keys.row(source, reference, last)


async def _who_between(
    audit: AuditContext,
    request: AuditRequest,
    source: Source,
    key: str,
    action: str,
    first: Moment,
    last: Moment,
    began: dict[str, str],
) -> AsyncGenerator[Told, None]:
    audience = source.audience
    if began:
        yield audience.own(source.account, began)
    async with audit.long_questions.snapshot(request, source) as snapshot:
        connection = snapshot.log
        world = await world_of_keys(source, [key], first, connection)
        async for each in access_between.who_between(connection, world, key, action, audience, last.position):
            yield audience.own(source.account, each)


WHO_BETWEEN = RouteRow(
    "GET",
    "/v1/who-could/{reference:path}",
    "who_between",
    who_between,
    "Who gained and who lost access to a key between two moments, and by which change; a JSON object a line",
    tag="past",
    action="keytrail:WhoCan",
    parameters=(Parameter("action", "kms:Decrypt, for instance", required=True), *BETWEEN),
    takes_trail=True,
    answer=Lines(
        (
            Member("change", "object", "the change: position, at, principal, operation, summary, names, call_id"),
            Member("gained", "objects", "rows such as those of /v1/who-can: principals that could not before"),
            Member("lost", "objects", "principals that can no longer, with how they could before"),
            Member(
                "changed",
                "objects",
                "principals that could before and still can, under other conditions; `before` says how they could",
            ),
            Member(
                "result",
                "object",
                "on the last line: the number of changes, and who gained and lost over the whole time",
            ),
        )
    ),
)


async def what_between(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    source, first, last, began = await two_moments(audit, request)
    principal = await audit.principals.principal(request, source, request.place("principal"))
    return _what_between(audit, request, source, principal, first, last, began)


async def _what_between(
    audit: AuditContext,
    request: AuditRequest,
    source: Source,
    principal: str,
    first: Moment,
    last: Moment,
    began: dict[str, str],
) -> AsyncGenerator[Told, None]:
    audience = source.audience
    if began:
        yield audience.own(source.account, began)
    async with audit.long_questions.snapshot(request, source) as snapshot:
        connection, after, count = snapshot.log, "", 0
        while True:
            span = (first.position, last.position)
            keys = await history.keys_between(connection, *span, after, KEYS_AT_ONCE, source.account)
            world = await world_of_keys(source, keys, first, connection)
            async for each in access_between.what_between(connection, world, keys, principal, audience, last.position):
                count += 1
                (named,) = await audit.keys.with_aliases(source, [each])
                yield audience.own(source.account, named)
            if len(keys) < KEYS_AT_ONCE:
                break
            after = keys[-1]
            yield audience.own(source.account, {"through": after})
        yield audience.own(source.account, {"result": {"changes": count}})


WHAT_BETWEEN = RouteRow(
    "GET",
    "/v1/could-what/{principal:path}",
    "what_between",
    what_between,
    "What a principal gained and lost on every key between two moments, and by which change; a JSON object a line",
    tag="past",
    action="keytrail:CanWhat",
    parameters=BETWEEN,
    takes_trail=True,
    answer=Lines(
        (
            Member("change", "object", "the change: position, at, principal, operation, summary, names, call_id"),
            Member("key_id", "text?", "the key"),
            Member("gained", "texts", "operations that it could not call before"),
            Member("lost", "texts", "operations that it can no longer call"),
            Member("changed", "texts", "operations that it could call before and still can, under other conditions"),
            Member(
                "otherwise", "object", "for each operation in `changed`: how it was allowed `before`, and how `now`"
            ),
            Member("result", "object", "on the last line: the number of changes"),
        )
    ),
)


ROUTES = (WHO_CAN, CAN_WHAT, WHO_BETWEEN, WHAT_BETWEEN)

"""Keys: their present state, their history, the versions of their policies, and their last use."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

from domain.authorization.audience import Audience, Told
from domain.keys.states import State
from domain.log.codec import micros_of
from projections.decisions import uses
from projections.keys import queries as keys
from projections.keys.queries import KeyFilters
from projections.policy_versions import queries as policy_versions
from services.audit_api.aliased_keys import AT_ONCE, keys_with_alias
from services.audit_api.answer_shapes import BEGAN, One, Page
from services.audit_api.begun_decisions import decisions_began
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import DECISION, OF_HISTORY, ORDER, calls_answer, filters_of
from services.audit_api.key_filters import KEY_FILTERS, key_filters
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, RouteRow
from services.audit_api.schemas import Member, with_types
from services.kms_api import errors
from services.questions.as_of import utc as utc_of
from services.rendering import item, page, utc

KEY = (
    Member("key_id", "text?", "the key"),
    Member("account", "text", "whose it is"),
    Member("arn", "text", "its ARN"),
    Member("spec", "text", "KeySpec"),
    Member("usage", "text", "KeyUsage"),
    Member("origin", "text", "Origin: AWS_KMS, or EXTERNAL where the material is imported"),
    Member("state", "text", "KeyState"),
    Member("description", "text", "Description"),
    Member("tags", "object", "tags"),
    Member("policy_version", "integer", "the version of its policy in force"),
    Member("manager", "text?", "the service that manages it for the account"),
    Member("deletion_at", "time?", "when a scheduled deletion falls due; a deleted key stays, in the state Deleted"),
    Member("rotation_days", "integer?", "of automatic rotation, where there is one"),
    Member("next_rotation_at", "time?", "when it is next rotated automatically"),
    Member("expires_at", "time?", "when the material that was imported last expires"),
    Member("created_at", "time", "when it was made"),
    Member("created_by", "text", "by whom"),
    Member("key_aliases", "texts", "the names of its aliases"),
    Member("changed_at", "time", "when it was last changed"),
    Member("position", "integer?", "the last change's position"),
)


def _now(audit: AuditContext, row: Any) -> dict[str, Any]:
    """A key's row as it is now: imported material is good until its ValidTo, and no longer if nobody has recorded its end yet."""
    found = item(row, ("tags",))
    key = audit.live.world.keys.get(found["key_id"])
    if key is not None and found["state"] in keys.MAY_HAVE_ENDED:
        ended = key.state_at(audit.clock.now()) is State.PENDING_IMPORT
        found |= {"state": State.PENDING_IMPORT.value} if ended else {}
    return found


async def _page(audit: AuditContext, account: str, after: str, limit: int, filters: KeyFilters) -> list[dict[str, Any]]:
    """The next keys that the filters leave, as they are now."""
    wanted, found = filters.fields.get("state"), list[dict[str, Any]]()
    size = limit if wanted is None else max(limit, AT_ONCE)
    while len(found) < limit:
        rows = await keys.page(audit.log, account, after, size, filters)
        shown = (_now(audit, row) for row in rows)
        found += [each for each in shown if wanted in (None, each["state"])]
        if len(rows) < size:
            break
        after = rows[-1]["key_id"]
    return found[:limit]


async def list_keys(audit: AuditContext, request: AuditRequest) -> Told:
    cursor, limit, filters, alias = request.cursor(str), request.limit(), key_filters(request), request.text("alias")
    after = cursor[0] if cursor else ""
    async with audit.filtered_questions.place(request):
        if not alias:
            rows = await _page(audit, request.account, after, limit, filters)
        else:
            rows = []
            async with aclosing(keys_with_alias(audit.live.world, request.account, alias, after, limit)) as parts:
                async for ids in parts:
                    those = replace(filters, ids=ids)
                    rows += await _page(audit, request.account, after, limit - len(rows), those)
                    if len(rows) == limit:
                        break
    items = [audit.keys.with_aliases_now(row, request.audience) for row in rows]
    found = page(items, limit, [rows[-1]["key_id"]] if rows else None)
    return request.audience.own(request.account, found)


LIST_KEYS = RouteRow(
    "GET",
    "/v1/keys",
    "list_keys",
    list_keys,
    "The account's keys as they are now",
    tag="keys",
    action="keytrail:ListKeys",
    parameters=(*KEY_FILTERS, LIMIT, CURSOR),
    answer=Page(KEY),
)


async def key_history(audit: AuditContext, request: AuditRequest) -> Told:
    source = await audit.sources.of(request)
    if source.is_trail:
        key = await audit.keys.recorded(request, source, request.place("key"))
    else:
        key = await audit.keys.own_of_path(request)
    arn = await audit.keys.arn_of(source, key, key)
    filters = replace(await filters_of(audit, request), key=key, key_arn=arn, changes_only=True)
    return await calls_answer(audit, request, filters)


KEY_HISTORY = RouteRow(
    "GET",
    "/v1/keys/{key:path}/history",
    "history",
    key_history,
    "Every change of a key, refused attempts included",
    tag="keys",
    action="keytrail:ReadHistory",
    parameters=OF_HISTORY,
    takes_trail=True,
    answer=Page(DECISION, beside=(BEGAN,)),
)


VERSION = (
    Member("key_id", "text?", "the key"),
    Member("version", "integer", "counts from 1"),
    Member("document", "text", "the policy's text as it was put"),
    Member("at", "time", "when"),
    Member("position", "integer?", "where on the log"),
    Member("principal", "text", "who put it"),
    Member("access_key", "text", "with which credential"),
    Member("call_id", "text", "by which call"),
    Member("bypassed_lockout_check", "yes-or-no", "whether the safety check was bypassed"),
    Member("locked_out", "yes-or-no", "whether its author may not put another"),
)


AFTER_ALL = 2**31 - 1
"""More than any version."""


async def key_policies(audit: AuditContext, request: AuditRequest) -> Told:
    key_id, cursor, limit = await audit.keys.own_of_path(request), request.cursor(int), request.limit()
    if request.one_of("order", ("newest",)) is None:
        rows = await policy_versions.page(audit.log, key_id, cursor[0] if cursor else 0, limit)
    else:
        rows = await policy_versions.newest(audit.log, key_id, cursor[0] if cursor else AFTER_ALL, limit)
    found = page([item(row) for row in rows], limit, [rows[-1]["version"]] if rows else None)
    return request.audience.own(request.account, found)


KEY_POLICIES = RouteRow(
    "GET",
    "/v1/keys/{key:path}/policies",
    "policies",
    key_policies,
    "Every version of a key's policy",
    tag="keys",
    action="keytrail:ReadPolicies",
    parameters=(ORDER, LIMIT, CURSOR),
    answer=Page(VERSION),
)


async def last_use(audit: AuditContext, request: AuditRequest) -> Told:
    source = await audit.sources.of(request)
    if source.is_trail:
        key_id = await audit.keys.recorded(request, source, request.place("key"))
        key, arn = None, await uses.destination(source.log, key_id)
    else:
        key_id = await audit.keys.own_of_path(request)
        key = audit.live.world.keys.get(key_id)
        arn = key.arn if key is not None else ""
    async with audit.filtered_questions.place(request):  # it counts every use
        found = await uses.last_uses(source.log, key_id, arn)
    rows = [_use(item(row), source.audience) for row in found]
    used = {"key_id": key_id, "created_at": None if key is None else utc_of(key.created), "began": None}
    began = None if source.is_trail else await decisions_began(audit, source)
    if began is not None and (key is None or micros_of(began) > key.created):
        used["began"] = utc(began)
    answer = used | {"last": rows[0] if rows else None, "by_operation": rows}
    return source.audience.own(source.account, answer)


def _use(row: dict[str, Any], audience: Audience) -> dict[str, Any]:
    account = row.pop("account")
    return row | {"principal": audience.who(account, row["principal"])}


LAST_USE = RouteRow(
    "GET",
    "/v1/keys/{key:path}/last-use",
    "last_use",
    last_use,
    "When a key was last used, for what and by whom, operation by operation",
    tag="keys",
    action="keytrail:ReadDecisions",
    takes_trail=True,
    answer=One(
        (
            Member("key_id", "text?", "the key"),
            Member("created_at", "time?", "when it was made, where it is still there"),
            Member("began", "time?", "since when every use is on record, where that is after the key was made"),
            Member(
                "last", "object?", "the last use on record: operation, last, principal, call_id; null if there is none"
            ),
            Member("by_operation", "objects", "the same of every operation, with the number of calls"),
        )
    ),
)


async def show_key(audit: AuditContext, request: AuditRequest) -> Told:
    key_id = await audit.keys.own_of_path(request)
    row = await keys.one(audit.log, request.account, key_id)
    if row is None:
        raise errors.not_now("The key was created a moment ago and is not in the projection yet; try again.")
    found = audit.keys.with_aliases_now(_now(audit, row), request.audience)
    return request.audience.own(request.account, found)


SHOW_KEY = RouteRow(
    "GET",
    "/v1/keys/{key:path}",
    "show_key",
    show_key,
    "One key, by id, ARN or alias",
    tag="keys",
    action="keytrail:ReadKey",
    answer=One(with_types(KEY, position="integer")),
)


ROUTES = (LIST_KEYS, KEY_HISTORY, KEY_POLICIES, LAST_USE)
ONE_KEY = (SHOW_KEY,)

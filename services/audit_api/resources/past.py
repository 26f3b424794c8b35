"""A key or a principal as it was at a moment, and what keys and principals there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.aliases.alias import whole_pattern
from domain.authorization.audience import Told
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from domain.policy.parse import UNIQUE_ID
from projections.history import queries as history
from projections.history.aggregates import VersionRow
from projections.keys.queries import KeyFilters
from services.audit_api.answer_shapes import One, Page
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.key_filters import KEY_FILTERS, key_filters
from services.audit_api.principal_references import CALLERS
from services.audit_api.request import AuditRequest
from services.audit_api.route import AT, CURSOR, LIMIT, Parameter, RouteRow
from services.audit_api.schemas import Member, one_of
from services.audit_api.times import at_moment
from services.questions.as_of import list_keys, list_named, show_key, show_principal
from services.rendering import page

AT_ONCE = 200
"""Keys that are looked at in one go for their state, which takes the loop a few milliseconds."""
NAMED = (USER, GROUP, ROLE, POLICY)
"""What has an ARN of IAM and can be listed."""


async def key_as_of(audit: AuditContext, request: AuditRequest) -> Told:
    async with at_moment(audit, request) as (source, moment):
        row = await audit.keys.row(source, request.place("reference"), moment)
        return await show_key(source.log, row, moment, source.audience)


KEY_AS_OF = RouteRow(
    "GET",
    "/v1/as-of/keys/{reference:path}",
    "key_as_of",
    key_as_of,
    "A key as it was, by the id, ARN or alias that it had then",
    tag="past",
    action="keytrail:ReadKey",
    parameters=(AT,),
    takes_trail=True,
    answer=One(
        (
            Member("position", "integer", "the last record at that moment"),
            Member("at", "time", "that record's time"),
            Member("key", "object", "its metadata, state and tags"),
            Member("as_since", "integer", "the position of the last change to the key up to then"),
            Member("policy", "object", "the policy document"),
            Member("aliases", "texts", "the names of its aliases"),
            Member("grants", "objects", "every grant on it"),
            Member(
                "identities",
                "objects",
                "the identities in its account that the policy or a grant names, with the policies that they had",
            ),
        )
    ),
)


async def principal_as_of(audit: AuditContext, request: AuditRequest) -> Told:
    async with at_moment(audit, request) as (source, moment):
        principal = request.place("principal")
        if not UNIQUE_ID.fullmatch(principal):
            principal = await audit.principals.principal(request, source, principal, (*CALLERS, GROUP))
        return await show_principal(source.log, principal, moment, source.audience)


PRINCIPAL_AS_OF = RouteRow(
    "GET",
    "/v1/as-of/principals/{principal:path}",
    "principal_as_of",
    principal_as_of,
    "A user, group or role as it was, with every policy that applied to it",
    tag="past",
    action="keytrail:ReadPrincipal",
    parameters=(AT,),
    takes_trail=True,
    answer=One(
        (
            Member("position", "integer", "the last record at that moment"),
            Member("at", "time", "that record's time"),
            Member("principal", "object", "tags, inline and attached policies, boundary, groups, access keys, trust"),
            Member("as_since", "integer", "the position of the last change to the principal up to then"),
        )
    ),
)


async def keys_as_of(audit: AuditContext, request: AuditRequest) -> Told:
    limit, cursor, filters, alias = (
        request.limit(),
        request.cursor(str),
        key_filters(request),
        request.text("alias"),
    )
    size = max(limit, AT_ONCE) if "state" in filters.fields else limit
    items: list[dict[str, Any]] = []
    async with at_moment(audit, request) as (source, moment):
        after: str | None = cursor[0] if cursor else ""
        while after is not None and len(items) < limit:
            async with audit.filtered_questions.place(request):
                rows = await history.keys_found(
                    source.log,
                    moment.position,
                    after,
                    size,
                    source.account,
                    filters,
                    whole_pattern(alias) if alias else "",
                )
            shown = await list_keys(source.log, rows, moment, source.audience)
            items += [each for each in shown if _is_known_as(each, filters)]
            after = rows[-1]["id"] if len(rows) == size else None
    found = page(items[:limit], limit, [items[:limit][-1]["key_id"]] if items else None)
    return source.audience.own(source.account, found | {"position": moment.position, "at": moment.text})


def _is_known_as(key: dict[str, Any], filters: KeyFilters) -> bool:
    """Whether the key had the state that is asked for, and nothing that is asked for is null: a trail may not show it."""
    wanted = [*filters.fields, *(["manager"] if filters.managed is not None else [])]
    return all(key[name] is not None for name in wanted) and filters.fields.get("state") in (None, key["state"])


_AT_THAT_MOMENT = (
    Member("position", "integer", "the last record at that moment"),
    Member("at", "time", "that record's time"),
)
"""Beside a list."""

KEYS_AS_OF = RouteRow(
    "GET",
    "/v1/as-of/keys",
    "keys_as_of",
    keys_as_of,
    "The account's keys as they were, in the order of their ids",
    tag="past",
    action="keytrail:ListKeys",
    parameters=(*KEY_FILTERS, AT, LIMIT, CURSOR),
    takes_trail=True,
    answer=Page(
        (
            Member("key_id", "text", "the key"),
            Member("arn", "text", "its ARN"),
            Member("account", "text", "whose it is"),
            Member("spec", "text?", "KeySpec; null where a trail does not show it, as with every member below"),
            Member("usage", "text?", "KeyUsage"),
            Member("origin", "text?", "Origin"),
            Member("manager", "text?", "the service that manages it for the account"),
            Member("description", "text?", "Description"),
            Member("state", "text?", "KeyState"),
            Member("created_at", "time?", "when it was made"),
            Member("deletion_at", "time?", "when a scheduled deletion falls due"),
            Member("tags", "object", "tags"),
            Member("policy_version", "integer?", "the version of its policy in force"),
            Member("materials", "texts?", "the ids of its key material"),
            Member("current_material", "text?", "the one that it encrypts with"),
            Member("rotation_period_in_days", "integer?", "of automatic rotation, where there was one"),
            Member("next_rotation_at", "time?", "when it was to be rotated next"),
            Member("key_aliases", "texts", "the names of its aliases"),
            Member("as_since", "integer", "the position of the last change to the key up to then"),
        ),
        beside=_AT_THAT_MOMENT,
    ),
)


async def principals_as_of(audit: AuditContext, request: AuditRequest) -> Told:
    kind, limit, cursor = request.one_of("kind", NAMED), request.limit(), request.cursor(str)
    if kind is None:
        raise invalid(f"kind must be one of {', '.join(NAMED)}")
    async with at_moment(audit, request) as (source, moment):
        after = cursor[0] if cursor else ""
        async with audit.filtered_questions.place(request):
            rows = await history.named_after(source.log, moment.position, after, limit, source.account, kind)
        found = page(list_named(rows), limit, _last(rows, "arn"))
    return source.audience.own(source.account, found | {"position": moment.position, "at": moment.text})


def _last(rows: Sequence[VersionRow], column: str) -> list[str] | None:
    return [rows[-1][column]] if rows else None


PRINCIPALS_AS_OF = RouteRow(
    "GET",
    "/v1/as-of/principals",
    "principals_as_of",
    principals_as_of,
    "The account's users, groups, roles or managed policies as they were, in the order of their ARNs",
    tag="past",
    action="keytrail:ReadPrincipal",
    parameters=(Parameter("kind", "user, group, role or policy", one_of(NAMED), required=True), AT, LIMIT, CURSOR),
    takes_trail=True,
    answer=Page(
        (
            Member("arn", "text", "its ARN"),
            Member("id", "text?", "its unique id; null where a trail does not show it"),
            Member("kind", "text", "user, group, role or policy"),
            Member("name", "text", "its name"),
            Member("path", "text", "its path"),
            Member("created_at", "time?", "when it was made; null where a trail does not show it"),
            Member("as_since", "integer", "the position of the last change to it up to then"),
        ),
        beside=_AT_THAT_MOMENT,
    ),
)


ROUTES = (KEYS_AS_OF, KEY_AS_OF, PRINCIPALS_AS_OF, PRINCIPAL_AS_OF)

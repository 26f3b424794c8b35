"""A key or a principal as it was at a moment."""

from __future__ import annotations

from domain.authorization.audience import Told
from domain.identities.identity import GROUP
from domain.policy.parse import UNIQUE_ID
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.principal_references import CALLERS
from services.audit_api.request import AuditRequest
from services.audit_api.route import AT, RouteRow
from services.audit_api.schemas import Member
from services.audit_api.times import at_moment
from services.questions.as_of import show_key, show_principal


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
    of_trails=True,
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
    of_trails=True,
    answer=One(
        (
            Member("position", "integer", "the last record at that moment"),
            Member("at", "time", "that record's time"),
            Member("principal", "object", "tags, inline and attached policies, boundary, groups, access keys, trust"),
            Member("as_since", "integer", "the position of the last change to the principal up to then"),
        )
    ),
)


ROUTES = (KEY_AS_OF, PRINCIPAL_AS_OF)

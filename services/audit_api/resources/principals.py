"""Principals: the history of one, and what a name belongs to."""

from __future__ import annotations

from dataclasses import replace

from domain.arn import KEY_ID
from domain.authorization.audience import Told
from domain.identities.identity import GROUP, POLICY, ROLE, USER
from services.audit_api.answer_shapes import BEGAN, One, Page
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import DECISION, OF_HISTORY, calls_answer, concerning_principal, filters_of
from services.audit_api.faults import missing
from services.audit_api.key_references import names_in
from services.audit_api.principal_references import MOST_NAMES
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import Member
from services.kms_api.errors import WireError
from services.questions.nearest import in_words, meant, nearest
from services.questions.source import Source

KINDS = (USER, ROLE, GROUP, POLICY)


async def principal_history(audit: AuditContext, request: AuditRequest) -> Told:
    source = await audit.sources.of(request)
    about = await audit.principals.principal(request, source, request.place("principal"), KINDS)
    filters = replace(await filters_of(audit, request), about=about, changes_only=True)
    async with audit.filtered_questions.place(request):
        filters = await concerning_principal(filters, source, about)
    return await calls_answer(audit, request, filters)


PRINCIPAL_HISTORY = RouteRow(
    "GET",
    "/v1/principals/{principal:path}/history",
    "principal_history",
    principal_history,
    "Every change of a user, group, role or managed policy, refused attempts included",
    tag="past",
    action="keytrail:ReadHistory",
    parameters=OF_HISTORY,
    takes_trail=True,
    answer=Page(DECISION, beside=(BEGAN,)),
)


async def meaning_of_name(audit: AuditContext, request: AuditRequest) -> Told:
    source = await audit.sources.of(request)
    kind, name = await _meaning(audit, request, source, (request.text("name") or "").strip())
    return source.audience.own(source.account, {"kind": kind, "name": name})


async def _meaning(audit: AuditContext, request: AuditRequest, source: Source, text: str) -> tuple[str, str]:
    """("keys" or "principals", the name). Raises WireError."""
    if source.is_trail:
        keys = meant(text, await names_in(source))
        key = keys[0] if len(keys) == 1 else text
    else:
        keys, key = [], audit.keys.written(text, source.account)
    if keys or key != text or text.startswith(("arn:aws:kms:", "alias/")) or KEY_ID.fullmatch(text):
        return "keys", key
    try:
        return "principals", await audit.principals.principal(request, source, text, KINDS)
    except WireError as fault:
        if fault.status != 404:
            raise
        near = fault.message.partition("Near it: ")[2].rstrip(".")
        names = [*near.split(", ")] if near else []
        if source.is_trail:
            names += nearest(text, await names_in(source))
        else:
            names += nearest(text, [*audit.live.world.alias_names(source.account)[:MOST_NAMES]])
        message = f"There is no key, alias, user, group, role or policy {text}.{in_words(names)}"
        raise missing(message) from None


NAMES = RouteRow(
    "GET",
    "/v1/names",
    "meaning_of",
    meaning_of_name,
    "Whose name a word is: of a key (by its alias or the beginning of its id), or of a user, group, role or policy",
    tag="past",
    action="keytrail:ReadHistory",
    parameters=(Parameter("name", "bob, payroll, role/app, an alias, an id or an ARN", required=True),),
    takes_trail=True,
    answer=One(
        (
            Member("kind", "text?", "keys or principals: the part of a path that the name then stands behind"),
            Member("name", "text", "the reference or ARN that is meant"),
        )
    ),
)


ROUTES = (PRINCIPAL_HISTORY, NAMES)

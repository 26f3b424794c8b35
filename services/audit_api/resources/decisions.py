"""Decided calls: lists them, and counts them by any of their fields."""

from __future__ import annotations

from domain.authorization.audience import Told
from projections.decisions import queries as decisions
from projections.decisions.queries import EXPRESSIONS
from services.audit_api.answer_shapes import BEGAN, Page
from services.audit_api.context import AuditContext
from services.audit_api.decided_calls import DECISION, FILTERS, INPUTS, ORDER, calls_answer, filters_of
from services.audit_api.faults import invalid
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, Parameter, RouteRow
from services.audit_api.schemas import Member, TypeName
from services.questions.nearest import in_words, nearest
from services.rendering import item, only_page


async def list_decisions(audit: AuditContext, request: AuditRequest) -> Told:
    return await calls_answer(audit, request, await filters_of(audit, request))


DECISIONS = RouteRow(
    "GET",
    "/v1/decisions",
    "decisions",
    list_decisions,
    "Every call that concerned the account, and what decided it",
    tag="decisions",
    action="keytrail:ReadDecisions",
    parameters=(*FILTERS, INPUTS, ORDER, LIMIT, CURSOR),
    takes_trail=True,
    answer=Page(DECISION, beside=(BEGAN,)),
)


async def count_decisions(audit: AuditContext, request: AuditRequest) -> Told:
    by = list(dict.fromkeys((request.text("by") or "").split(",")))
    if not set(by) <= EXPRESSIONS.keys():
        unknown = next(name for name in by if name not in EXPRESSIONS)
        near = in_words(nearest(unknown, EXPRESSIONS))
        raise invalid(f"by must be one or more of {', '.join(sorted(EXPRESSIONS))}, separated by commas.{near}")
    filters, limit = await filters_of(audit, request), request.limit()
    async with audit.long_questions.place(request):
        source = await audit.sources.of(request)
        async with audit.filtered_questions.turn(request):
            rows = await decisions.counts(source.log, request.account, filters, by, limit + 1)
        began = await source.before_it_began(filters.since)
        counted = [item(row) for row in rows[:limit]]
        if "key" in by:
            named = await audit.keys.with_aliases(source, [{"key_id": row["key"]} for row in counted])
            counted = [row | {"key_aliases": its["key_aliases"]} for row, its in zip(counted, named, strict=True)]
    # The query counts only what the account may read of each call, so the counts reveal no more than the calls.
    return source.audience.own(source.account, only_page(counted) | {"more": len(rows) > limit} | began)


_COUNTED_BY: dict[str, TypeName] = {"statement": "integer?", "hour": "time?", "day": "time?"}
"""The types of fields that are not texts."""


_BY = "|".join(sorted(EXPRESSIONS))
COUNTS = RouteRow(
    "GET",
    "/v1/decisions/counts",
    "counts",
    count_decisions,
    "How many calls there were by principal, operation, key, hour or any other field. The largest counts come first. If the "
    "calls are counted by hour or day, the latest comes first",
    tag="decisions",
    action="keytrail:ReadDecisions",
    parameters=(
        Parameter(
            "by",
            f"one or several of {', '.join(sorted(EXPRESSIONS))}, separated by commas",
            {"type": "string", "pattern": f"^({_BY})(,({_BY}))*$"},
            required=True,
        ),
        *FILTERS,
        LIMIT,
    ),
    takes_trail=True,
    answer=Page(
        (
            Member("calls", "integer", "how many"),
            Member("refused", "integer", "how many of them were refused"),
            Member("first", "time", "when the first was decided"),
            Member("last", "time", "when the last was"),
            *(Member(name, _COUNTED_BY.get(name, "text?"), "only if `by` names it") for name in sorted(EXPRESSIONS)),
            Member("key_aliases", "texts", "only if `by` names `key`: the names of the key's aliases"),
        ),
        beside=(Member("more", "yes-or-no", "whether there are more rows than `limit`"), BEGAN),
    ),
)


ROUTES = (DECISIONS, COUNTS)

"""What a draft would have done: decides logged calls with the draft in force."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from domain.authorization.audience import Told
from domain.errors import Refusal
from domain.identities.identity import GROUP, Identity
from domain.keys.key import Key
from projections.decisions.spans import TimeBounds
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from services.audit_api.answer_shapes import Lines
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid, missing
from services.audit_api.freshness import fresh
from services.audit_api.principal_references import CALLERS
from services.audit_api.request import AuditRequest
from services.audit_api.request_shape import whole
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import MOMENT, Member
from services.audit_api.times import time_of
from services.kms_api import errors
from services.questions.drafts import Draft, IdentityPolicyDraft, KeyPolicyDraft, RevokedGrant
from services.questions.source import Source
from services.questions.what_if import what_if
from services.trails import what_if as trails

WHAT_IF_BODY = (
    'the body must be {"key": "...", "policy": "..."} or {"key": "...", "grant": "..."} or {"principal": ARN, "policy": "...", '
    '"policy_name": "..."}; "from" and "to" (a time or @position), "after" (a position) and "calls" (true) may be added'
)


async def calls_under_draft(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    body = document_in(request.body, WHAT_IF_BODY)
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        draft = await _draft(audit, request, source, body)
    # earlier versions called it `since`
    since = text_in(body, "from", WHAT_IF_BODY) or text_in(body, "since", WHAT_IF_BODY)
    until, after = text_in(body, "to", WHAT_IF_BODY), whole(body.get("after"))
    if after is not None and not isinstance(after, int):
        raise invalid("after must be the position that an earlier answer reached")
    begin, end = [
        await time_of(source.log, text, name) if text else None for text, name in ((since, "from"), (until, "to"))
    ]
    return _answers(audit, request, source, draft, (begin, end), after, calls=body.get("calls") is True)


async def _answers(
    audit: AuditContext,
    request: AuditRequest,
    source: Source,
    draft: Draft,
    times: TimeBounds,
    after: int | None,
    *,
    calls: bool,
) -> AsyncGenerator[Told, None]:
    more = await source.before_it_began(times[0])
    async with audit.long_questions.snapshot(request, source) as found:
        if source.is_trail:
            answers = trails.what_if(found.log, draft, found.last, times, after, calls=calls)
        else:
            answers = what_if(found, source.region, draft, times, after, source.audience, calls=calls)
        async for each in answers:
            yield source.audience.own(source.account, each | more if "end" in each else each)


async def _draft(audit: AuditContext, request: AuditRequest, source: Source, body: dict[str, Any]) -> Draft:
    """Raises WireError, and refusals for things that do not exist."""
    key, principal, policy, grant = (
        text_in(body, name, WHAT_IF_BODY) for name in ("key", "principal", "policy", "grant")
    )
    if key and (policy or grant) and not (policy and grant) and not principal:
        found = await audit.keys.now(source, key)
        return _of_policy(KeyPolicyDraft, found, policy) if policy else await _revoked(source, found, grant)
    if principal and policy and not key and not grant:
        principal = await audit.principals.principal(request, source, principal, (*CALLERS, GROUP))
        identity = await _identity(audit, source, principal)
        if identity is None or source.account not in ("", identity.account):
            raise missing(f"There is no user, group or role {principal} here.")
        name = text_in(body, "policy_name", WHAT_IF_BODY) or "draft"
        return _of_policy(IdentityPolicyDraft, identity, name, policy)
    raise invalid(WHAT_IF_BODY)


async def _revoked(source: Source, key: Key, grant: str) -> Draft:
    """A grant by its id, or by the first characters of its id, which tables show. Raises WireError."""
    begun = grant.rstrip("…")
    found = await history.grants_begun(source.log, key.id, begun) if begun.isalnum() else []
    if len(found) == 1:
        return RevokedGrant(key, found[0])
    if found:
        raise invalid(f"{grant} is the beginning of several grants' ids: {', '.join(found)}")
    raise missing(f"The key has no grant {grant}, and never had one; `keytrail show` lists its grants.")


def _of_policy(made: Callable[..., Draft], *given: Any) -> Draft:
    """Raises WireError for a text that is not a policy."""
    try:
        return made(*given)
    except Refusal as fault:
        raise errors.wire_error(fault) from None


async def _identity(audit: AuditContext, source: Source, principal: str) -> Identity | None:
    if not source.is_trail:
        directory = audit.live.world.directory
        return directory.identities.get(directory.by_arn.get(principal, principal))
    row = await history.by_arn(source.log, source.end, principal)
    found = None if row is None else aggregate_of(row)
    return found if isinstance(found, Identity) else None


WHAT_IF = RouteRow(
    "POST",
    "/v1/what-if",
    "what_if",
    calls_under_draft,
    "What a draft would have done to every logged call; a JSON object a line",
    tag="past",
    action="keytrail:WhatIf",
    body=(
        Parameter("key", "the key, with `policy` (a draft) or `grant` (one that would be revoked)"),
        Parameter("principal", "a user, group or role, with `policy` and `policy_name` (an inline policy)"),
        Parameter("from", "a time or a position", MOMENT),
        Parameter("to", "the same", MOMENT),
        Parameter(
            "after",
            "go on behind this position",
            {"type": "integer", "format": "int64", "minimum": -1, "maximum": 2**53},
        ),
        Parameter("policy", "the text of a draft: of the key's policy, or of an inline policy of the principal"),
        Parameter("policy_name", "the name of the principal's inline policy"),
        Parameter("grant", "the id of a grant on the key that would be revoked"),
        Parameter("calls", "true for the calls themselves", {"type": "boolean"}),
    ),
    takes_trail=True,
    answer=Lines(
        (
            Member("done", "integer", "how many decisions were decided again until now, `of` how many"),
            Member(
                "through",
                "integer",
                "the position up to which they were: with `after` the same question goes on behind it",
            ),
            Member(
                "result",
                "object",
                "until now: decisions, flipped, unknown, and groups by principal, operation and reason",
            ),
            Member("end", "yes-or-no", "true in the last line"),
            Member(
                "began",
                "time?",
                "in the last line too: when the record begins, where that is after the time that was asked from",
            ),
            Member("flipped", "object", "where calls were asked for: one that comes out otherwise"),
        )
    ),
)


ROUTES = (WHAT_IF,)

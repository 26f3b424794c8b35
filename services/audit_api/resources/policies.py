"""What another policy of a key lets in and keeps out."""

from __future__ import annotations

from domain.authorization.audience import Told
from domain.errors import Refusal
from domain.keys.key import Key
from services.audit_api.answer_shapes import One
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import VERSION_OR_MOMENT, Member
from services.questions import policy_change
from services.questions.source import Source

DIFF_BODY = (
    'the body must be {"from": "1", "to": "2"}, of versions, times or positions; "from_policy" and "to_policy" give texts '
    "instead"
)


async def policy_difference(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    body = document_in(request.body, DIFF_BODY)
    texts = {name: text_in(body, name, DIFF_BODY) for name in ("from", "to", "from_policy", "to_policy")}
    if bool(texts["from"]) is bool(texts["from_policy"]) or (texts["to"] and texts["to_policy"]):
        raise invalid(DIFF_BODY)
    async with audit.long_questions.place(request), fresh(audit.live):
        source = await audit.sources.of(request)
        key = await audit.keys.now(source, request.place("key"))
        old, new = [
            await _side(audit, source, key, texts[name], texts[f"{name}_policy"], name) for name in ("from", "to")
        ]
        own = sorted(audit.operations.actions)
        found = await audit.long_questions.compute(
            request, policy_change.difference, key, old, new, own, of_trail=source.is_trail
        )
        return source.audience.own(key.account, found)


async def _side(
    audit: AuditContext, source: Source, key: Key, reference: str, text: str, name: str
) -> policy_change.ComparedPolicy:
    """Raises WireError, NoSuchMoment, Unavailable."""
    if not text:
        reference = reference or str(key.policy_version)
        return await policy_change.policy_in(source.log, key, reference, source.end)
    try:
        return policy_change.draft(text, None if source.is_trail else audit.live.world, 0, key.account)
    except Refusal as fault:
        raise invalid(f"{name}_policy: {fault.message}") from None


DIFF = RouteRow(
    "POST",
    "/v1/keys/{key:path}/diff",
    "diff",
    policy_difference,
    "What another version of a key's policy, or a draft, lets in and keeps out",
    tag="past",
    action="keytrail:Diff",
    body=(
        Parameter("from", "a version, a time or a position", VERSION_OR_MOMENT),
        Parameter("to", "the same; the version in force where left out", VERSION_OR_MOMENT),
        Parameter("from_policy", "the text of a policy instead"),
        Parameter("to_policy", "the same"),
    ),
    takes_trail=True,
    answer=One(
        (
            Member("key_id", "text?", "the key"),
            Member("from", "object", "the one side: a version with who put it and when, or what else was named"),
            Member("to", "object", "the other"),
            Member("answer", "text", "equivalent (proven), different, or unknown"),
            Member(
                "allowed",
                "objects",
                "what the second policy lets in: principals, actions, conditions, and a witness of each",
            ),
            Member("denied", "objects", "what it keeps out, in the same form"),
            Member("unknown", "objects", "what could not be told, with the statements that caused it"),
        )
    ),
)


ROUTES = (DIFF,)

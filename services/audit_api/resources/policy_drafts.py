"""Drafts of key policies: whether PutKeyPolicy would take one, where its fault stands, and the words that it may use."""

from __future__ import annotations

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import One
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import missing
from services.audit_api.freshness import fresh
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.audit_api.schemas import TEXT, Member
from services.questions import policy_words as words
from services.questions.policy_draft import checked
from services.shares import QUESTIONS

BODY = 'the body must be {"policy": "..."}, with the text of a draft'


async def check_policy_draft(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    text = text_in(document_in(request.body, BODY), "policy", BODY)
    key_id = await audit.keys.own_of_path(request)
    async with fresh(audit.live):
        world = audit.live.world
        key = world.keys.get(key_id)
        if key is None:
            raise missing(f"The key {key_id} has been deleted.")
        # A long policy takes tens of milliseconds, so it is checked in the account's turn.
        found = await QUESTIONS.run(request.account, checked, text or "", key, request.caller, world)
        return request.audience.own(key.account, {"key_id": key.id} | found)


CHECK_POLICY_DRAFT = RouteRow(
    "POST",
    "/v1/keys/{key:path}/check-policy",
    "check_policy_draft",
    check_policy_draft,
    "Whether a draft of a key's policy could be put now: where its fault stands, and whether it locks its author out",
    tag="keys",
    action="keytrail:CheckPolicy",
    body=(Parameter("policy", "the text of the draft", TEXT, required=True),),
    answer=One(
        (
            Member("key_id", "text?", "the key"),
            Member("version", "integer", "the version of the policy in force"),
            Member("unchanged", "yes-or-no", "whether the draft is, to the byte, the policy in force"),
            Member(
                "fault", "object?", "why the draft could not be put: message, and path, line and column where known"
            ),
            Member("locked_out", "yes-or-no", "whether the caller could not put another policy afterwards"),
            Member("refusal", "text?", "with which words PutKeyPolicy refuses a policy that locks its author out"),
        )
    ),
)


async def policy_words(audit: AuditContext, request: AuditRequest) -> Told:
    return request.audience.own(request.account, words.policy_words())


POLICY_WORDS = RouteRow(
    "GET",
    "/v1/policy-words",
    "policy_words",
    policy_words,
    "The actions, condition operators and condition keys that a key policy may use, for an editor to offer",
    tag="keys",
    answer=One(
        (
            Member("actions", "texts", "kms:*, and every action that a key policy decides"),
            Member("operators", "texts", "the operators of a Condition"),
            Member("condition_keys", "objects", "name, source and meaning of each key that can have a value here"),
        )
    ),
)


ROUTES = (CHECK_POLICY_DRAFT, POLICY_WORDS)

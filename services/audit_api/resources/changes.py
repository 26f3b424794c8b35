"""Changes of access in a span: who has gained access, and who has lost it."""

from __future__ import annotations

from services.audit_api.answer_shapes import Lines
from services.audit_api.reviewed_changes import access_changes
from services.audit_api.route import SPAN, Parameter, RouteRow
from services.audit_api.schemas import Member

CHANGES = RouteRow(
    "GET",
    "/v1/changes",
    "changes",
    access_changes,
    "Every change of who may do what in a span, and what it let in and took away; a JSON object a line, oldest first",
    tag="past",
    action="keytrail:ReadHistory",
    parameters=(
        Parameter("key", "id, ARN or alias of a key: its own changes, and those of identities that reach it"),
        Parameter("principal", "or the ARN of a user, group, role or managed policy"),
        *SPAN,
    ),
    takes_trail=True,
    answer=Lines(
        (
            Member(
                "change",
                "object",
                "the change: position, at, principal, access_key, source, operation, summary, call_id",
            ),
            Member("kind", "text?", "key policy, grant, identity, tags or alias"),
            Member("keys", "objects", "the keys concerned: key_id and key_aliases"),
            Member("about", "texts", "the principals or managed policies concerned, by ARN"),
            Member(
                "gained",
                "objects",
                "what is let in since: who, actions, conditions; `before` and `after` say how it is answered",
            ),
            Member(
                "lost",
                "objects",
                "what is let in no more, in the same form; of an identity policy `still` and `refused` say what the holder's "
                "other statements say of the same actions",
            ),
            Member("unknown", "objects", "what could not be compared, and why"),
            Member(
                "unclear",
                "objects",
                "of a key policy: whom and what that concerns, as the comparison of two policies has it under `unknown`",
            ),
            Member("depends", "text", "of tags and aliases: the policies that it depends on"),
            Member("grant", "text", "of a grant: its id"),
            Member(
                "policy",
                "text",
                "of a policy that an identity got or lost: an inline policy's name, or a managed policy's ARN",
            ),
            Member("done", "integer", "in a line of its own: positions looked at, `of` how many"),
            Member(
                "result",
                "object",
                "at last: changes, the account that asked, the log's name, and the positions between which they were looked for",
            ),
            Member(
                "began", "time?", "beside it: when the record begins, where that is after the time that was asked from"
            ),
        )
    ),
)


ROUTES = (CHANGES,)

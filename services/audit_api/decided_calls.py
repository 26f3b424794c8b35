"""Decided calls: the filters that several routes take, and the page that they send."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.authorization.audience import Told
from projections.decisions import queries as decisions
from projections.decisions.queries import FIELDS, CallFilters
from projections.history import queries as history
from services.audit_api.begun_decisions import before_decisions_began
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid
from services.audit_api.operation_names import rule_named
from services.audit_api.request import AuditRequest
from services.audit_api.route import CURSOR, LIMIT, SPAN, Parameter
from services.audit_api.schemas import TRUE_OR_FALSE, WORD, JsonSchema, Member, one_of
from services.audit_api.times import span_of
from services.kms_api.errors import QuestionRefused
from services.questions.source import Source
from services.questions.subjects import with_names
from services.rendering import call_of, following, utc

EFFECTS = ("allowed", "refused")
DECISION = (
    Member("at", "time", "when it was decided"),
    Member("position", "integer?", "the record's place on the log, for changing calls; null for others"),
    Member("seen", "integer?", "the position of the log that it was decided at"),
    Member("call_id", "text", "the call, as in x-amzn-RequestId"),
    Member("account", "text", "whose principal called"),
    Member("principal", "text", "who called"),
    Member("via", "text?", "the service that called for it"),
    Member("access_key", "text", "with which credential"),
    Member("operation", "text", "what was asked"),
    Member("effect", "text", "allowed or refused"),
    Member("key_id", "text?", "the key concerned"),
    Member("key_aliases", "texts", "the names that it has now, where it is the account's own"),
    Member(
        "kind",
        "text?",
        "what decided: key-policy, identity-policy, grant, boundary, session-policy, implicit-deny, key-state, ...",
    ),
    Member("decided_by", "text?", "the policy or grant that decided"),
    Member("policy_version", "text?", "the policy's version; of an inline policy, the position at which it was put"),
    Member("sid", "text?", "the deciding statement's Sid"),
    Member("statement", "integer?", "the deciding statement's index, from 0"),
    Member("rule", "text?", "the rule that decided where no statement did"),
    Member("error", "text?", "the kind of refusal"),
    Member("message", "text?", "what the caller was told"),
    Member("source", "text", "the caller's address"),
    Member("agent", "text", "the caller's user agent"),
    Member("encryption_context", "object?", "the encryption context, where there was one"),
    Member("event_type", "text?", "the event that the call caused"),
    Member("summary", "text", "one line"),
    Member(
        "names",
        "object",
        "of the ids that the summary has: the ARN that a user, group, role or policy had then, the alias that a key has now",
    ),
    Member("parameters", "object", "the request, with secrets left out"),
    Member("reasons", "objects", "every permission that was asked, and what decided each"),
    Member("resources", "texts", "the ARNs that were asked about"),
    Member("materials", "texts?", "the key material that was used"),
    Member("event", "object?", "the event's data"),
)
_DIGITS = {"int": 9, "bigint": 17}


def _schema(name: str) -> JsonSchema:
    if name == "effect":
        return one_of(EFFECTS)
    digits = _DIGITS.get(FIELDS[name])
    return WORD if digits is None else {"type": "string", "pattern": f"^@?[0-9]{{1,{digits}}}$"}


_DESCRIBED = {each.name: each.description for each in DECISION}
_OF_CALLS = (
    Parameter("encryption_context", "NAME=VALUE", {"type": "string", "pattern": r"^[^\u0000=]*=[^\u0000]*$"}),
    *(Parameter(name, f"{_DESCRIBED.get(name, 'as shown')}; * for any characters", _schema(name)) for name in FIELDS),
    *SPAN,
)
FILTERS = (
    Parameter("key", "id, ARN or alias of a key"),
    Parameter(
        "unanswered",
        "false: without questions to the audit API that it could not answer (a wrong filter, a key that is not there)",
        one_of(("false",)),
    ),
    *_OF_CALLS,
)
ORDER = Parameter("order", "newest: the last first; in the order of time where left out", one_of(("newest",)))
INPUTS = Parameter(
    "inputs",
    "true: with everything that the evaluator read, in members `inputs` and `session` of each item",
    TRUE_OR_FALSE,
)
OF_HISTORY = (*_OF_CALLS, INPUTS, ORDER, LIMIT, CURSOR)


async def filters_of(audit: AuditContext, request: AuditRequest) -> CallFilters:
    """Raises WireError."""
    request.one_of("effect", EFFECTS)
    key, pair = request.text("key"), request.text("encryption_context")
    fields = {name: _value(name, text) for name in FIELDS if (text := request.text(name)) is not None}
    if pair is not None and "=" not in pair:
        raise invalid("encryption_context must be NAME=VALUE")
    source = await audit.sources.of(request)
    if "operation" in fields:
        fields["operation"] = await audit.operations.recorded(source, str(fields["operation"]))
    if "rule" in fields:
        fields["rule"] = rule_named(str(fields["rule"]))
    principal = fields.pop("principal", None)
    arn = ""
    if key:
        text, key = key, await audit.keys.recorded(request, source, key)
        arn = await audit.keys.arn_of(source, text, key)
    since, until = await span_of(source.log, request)
    filters = CallFilters(
        key=key or None,
        key_arn=arn,
        since=since,
        until=until,
        fields=fields,
        pair=None if pair is None else (pair.partition("=")[0], pair.partition("=")[2]),
        without_error=None if request.one_of("unanswered", ("false",)) is None else QuestionRefused.kind,
    )
    return filters if principal is None else await audit.principals.calls_of(request, source, str(principal), filters)


async def calls_answer(audit: AuditContext, request: AuditRequest, filters: CallFilters) -> Told:
    """A page of calls. Raises WireError."""
    inputs = request.flag("inputs")
    cursor, limit = request.cursor(str, int, int), request.limit()
    after = None
    if cursor is not None:
        moment, origin, record = cursor
        try:
            after = (datetime.fromisoformat(moment), origin, record)
        except ValueError:
            raise invalid("the cursor does not come from an earlier answer") from None
    source = await audit.sources.of(request)
    newest_first = request.one_of("order", ("newest",)) is not None
    async with audit.filtered_questions.place(request):
        rows = await decisions.page(
            source.log, request.account, filters, after, limit, inputs=inputs, newest_first=newest_first
        )
    last = rows[-1] if rows else None
    cursor = [utc(last["at"]), last["origin"], last["record"]] if last else None
    calls = await with_names(source, [call_of(row) for row in rows], audit.keys.with_aliases)
    more = {} if after is not None else await source.before_it_began(filters.since)
    if not rows and after is None and not filters.changes_only:
        more |= await before_decisions_began(audit, source, filters.since)
    return source.audience.calls(calls, following(len(rows), limit, cursor), more)


async def concerning_principal(filters: CallFilters, source: Source, about: str) -> CallFilters:
    """Adds every change that concerns a principal: those of its earlier names, of its groups, and of the grants, key
    policies and trust policies that name it. For another account's principal: those that name this ARN."""
    ids, arns = await history.all_arns(source.log, about, source.account)
    own = await history.changed_at(source.log, ids)
    names = [*ids, about]
    grants, others = await history.named_at(source.log, source.account, names)
    named = await decisions.naming(source.log, others, names)
    return replace(filters, earlier=arns, positions=sorted({*own, *grants, *named}))


def _value(name: str, text: str) -> str | int:
    """Raises WireError."""
    if FIELDS[name] == "text":
        return text
    digits = text.removeprefix("@")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18 or (FIELDS[name] == "int" and len(digits) > 9):
        raise invalid(f"{name} must be a number")
    return int(digits)

"""Raised alerts: how a question selects them, and how an answer shows them."""

from __future__ import annotations

from typing import Any

from domain.alerts.engine.telling import telling
from domain.alerts.rules.table import RULES
from domain.alerts.severities import SEVERITIES
from domain.commands.mark_alert import STATES
from domain.identities.identity import GROUP, ROLE, USER
from projections.alerts.queries import AlertFilters
from services.audit_api.context import AuditContext
from services.audit_api.operation_names import rule_named
from services.audit_api.request import AuditRequest
from services.audit_api.route import SPAN, Parameter
from services.audit_api.schemas import TRUE_OR_FALSE, Member, one_of
from services.audit_api.times import span_of
from services.rendering import item

DOCUMENTS = ("suppressed", "evidence", "source")
"""Columns that hold JSON."""
FINDING = (
    Member("at", "time", "when what raised it was decided"),
    Member("rule", "text?", "the rule"),
    Member("severity", "text", "info, low, medium, high or critical"),
    Member("account", "text", "whose it is; empty for one about Keytrail itself"),
    Member("key_id", "text?", "the key concerned"),
    Member("key_aliases", "texts", "the names that it has now"),
    Member("subject", "text", "what it is about"),
    Member("about", "texts", "the principals it is about"),
    Member("title", "text", "the rule's title"),
    Member("summary", "text", "what happened"),
)
"""The members with a rule's finding."""
ALERT = (
    Member("id", "text", "follows from the rule and what raised it: the same alert has the same id for ever"),
    Member("number", "integer", "its place in the order of raising"),
    *FINDING,
    Member("suppressed", "object?", "the entry of the allow-list that allows it; null where none does"),
    Member("source", "object", "the record that raised it"),
    Member("state", "text", "open, acknowledged or resolved"),
    Member("marked_at", "time?", "when that was said"),
    Member("marked_by", "text?", "by whom"),
    Member("note", "text?", "with which words"),
)
EXPLAINED = (
    Member("by", "text", "who did it"),
    Member("operation", "text", "what they called"),
    Member("position", "integer", "where on the log that stands"),
    Member("from_version", "integer", "of a key policy: the version before"),
    Member("to_version", "integer", "and since"),
    Member("call_id", "text", "the call"),
    Member("means", "text", "what it means"),
    Member("do", "text", "what to do"),
    Member("references", "texts", "CIS, Security Hub, MITRE ATT&CK"),
    Member("commands", "texts", "the commands that show more, as a shell takes them"),
)
"""The members that an answer adds to an alert's row."""
EVIDENCE = Member("evidence", "object?", "what it rests on: sets of requests with a witness each, for a policy")
MARKS = Member("marks", "objects", "everything that was done about it, with who and when")
FILTERS = (
    Parameter("state", "open, acknowledged or resolved", one_of(STATES)),
    Parameter("rule", "one rule"),
    Parameter("severity", "the mildest that is asked for", one_of(SEVERITIES)),
    Parameter("key", "id, ARN or alias of a key"),
    Parameter("principal", "whom it is about"),
    Parameter("suppressed", "true: with those that are allowed", TRUE_OR_FALSE),
    *SPAN,
)


async def filters_of(audit: AuditContext, request: AuditRequest) -> AlertFilters:
    """Raises WireError."""
    rule, key, principal = (request.text(name) for name in ("rule", "key", "principal"))
    state, severity = request.one_of("state", STATES), request.one_of("severity", SEVERITIES)
    if rule is not None:
        rule = rule_named(rule, RULES)
    if principal is not None:
        source = await audit.sources.of(request)
        principal = await audit.principals.principal(request, source, principal, (USER, ROLE, GROUP))
    since, until = await span_of(audit.log, request)
    return AlertFilters(
        accounts_of(audit, request),
        state,
        rule,
        0 if severity is None else SEVERITIES.index(severity),
        None if key is None else await audit.keys.called(request, key),
        principal,
        request.flag("suppressed"),
        since,
        until,
    )


def accounts_of(audit: AuditContext, request: AuditRequest) -> list[str]:
    """The accounts whose alerts the caller sees. The first account also sees alerts about Keytrail itself, whose
    account is ""."""
    return [request.account, ""] if audit.is_host(request) else [request.account]


def shown(audit: AuditContext, request: AuditRequest, row: Any) -> dict[str, Any]:
    """A raised alert, with who did it and what to do."""
    found = item(row, DOCUMENTS)
    return audit.keys.with_aliases_now(found | telling(found), request.audience)

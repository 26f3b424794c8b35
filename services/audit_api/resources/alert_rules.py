"""The rules of alerts, with this installation's settings."""

from __future__ import annotations

from typing import Any

from domain.alerts.allow import EVERY
from domain.alerts.rule import AlertRule
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings
from domain.authorization.audience import Told
from services.audit_api.alert_settings import alert_settings
from services.audit_api.answer_shapes import Page
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest
from services.audit_api.route import LIMIT, RouteRow
from services.audit_api.schemas import Member
from services.rendering import only_page


async def alert_rules(audit: AuditContext, request: AuditRequest) -> Told:
    settings, limit = alert_settings(audit.settings), request.limit()
    rules = [_rule(rule, settings) for rule in RULES.values()]
    if audit.is_host(request):  # an entry of an allow-list may name principals and keys of any account
        rules = [rule | {"allowed": _allowed(rule["rule"], settings)} for rule in rules]
    return request.audience.public(only_page(rules[:limit]))


def _rule(rule: AlertRule, settings: AlertSettings) -> dict[str, Any]:
    own = settings.of(rule)
    return {
        "rule": rule.id,
        "title": rule.title,
        "severity": own.severity or rule.severity,
        "off": own.off,
        "means": rule.means,
        "do": rule.do,
        "references": list(rule.references),
        "numbers": {number.name: value for number, value in settings.numbers_of(rule).items()},
    }


def _allowed(rule: str, settings: AlertSettings) -> list[dict[str, str]]:
    return [each.document() for each in settings.allow if each.rule in (EVERY, rule)]


ALERT_RULES = RouteRow(
    "GET",
    "/v1/alert-rules",
    "alert_rules",
    alert_rules,
    "Every rule, as the settings have it",
    tag="alerts",
    action="keytrail:ReadAlerts",
    parameters=(LIMIT,),
    answer=Page(
        (
            Member("rule", "text?", "its id"),
            Member("title", "text", "in a few words"),
            Member("severity", "text", "info, low, medium, high or critical"),
            Member("off", "yes-or-no", "whether it is off"),
            Member("means", "text", "what an alert means"),
            Member("do", "text", "what to do"),
            Member("references", "texts", "CIS, Security Hub, MITRE ATT&CK"),
            Member("numbers", "object", "its thresholds"),
            Member(
                "allowed",
                "objects",
                "for the first account: the entries of the allow-list that concern it, each with its reason and its end",
            ),
        )
    ),
)


ROUTES = (ALERT_RULES,)

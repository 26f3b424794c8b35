"""The audit API's routes about alerts."""

from __future__ import annotations

from services.api.route import CURSOR, LIMIT, RouteRow

ALERT = (
    ("id", "follows from the rule and what raised it: the same alert has the same id for ever"),
    ("number", "its place in the order of raising"),
    ("at", "when what raised it was decided"),
    ("rule", "the rule"),
    ("severity", "info, low, medium, high or critical"),
    ("account", "whose it is; empty for one about Keytrail itself"),
    ("key_id", "the key concerned"),
    ("subject", "what it is about"),
    ("about", "the principals it is about"),
    ("title", "the rule's title"),
    ("summary", "what happened"),
    ("suppressed", "the entry of the allow-list that allows it; null where none does"),
    ("source", "the record that raised it"),
    ("state", "open, acknowledged or resolved"),
    ("marked_at", "when that was said"),
    ("marked_by", "by whom"),
    ("note", "with which words"),
)
MORE = (
    ("evidence", "what it rests on: sets of requests with a witness each, for a policy"),
    ("means", "what it means"),
    ("do", "what to do"),
    ("references", "CIS, Security Hub, MITRE ATT&CK"),
    ("marks", "everything that was done about it, with who and when"),
)
FILTERS = (
    ("state", "open, acknowledged or resolved"),
    ("rule", "one rule"),
    ("severity", "the mildest that is asked for"),
    ("key", "id, ARN or alias of a key"),
    ("principal", "whom it is about"),
    ("suppressed", "true: with those that are allowed"),
)

ALERTS: tuple[RouteRow, ...] = (
    RouteRow(
        "GET",
        "/v1/alerts",
        "alerts",
        "The alerts that were raised, the newest first",
        ALERT,
        (*FILTERS, LIMIT, CURSOR),
        action="keytrail:ReadAlerts",
    ),
    RouteRow(
        "GET",
        "/v1/alerts/stream",
        "alert_stream",
        "Alerts as they are raised: server-sent events, an alert in JSON each, its number as the id",
        (*ALERT, MORE[0]),
        (*FILTERS, ("after", "the number after which to begin; the newest where left out, as Last-Event-ID says")),
        is_list=False,
        action="keytrail:ReadAlerts",
    ),
    RouteRow(
        "GET",
        "/v1/alerts/scan",
        "alert_scan",
        "What the rules find in history, an object a line: alerts, progress, and the result at the end",
        (*ALERT, ("raised", "whether it was raised when it happened"), ("progress", "records done, of how many")),
        (("since", "a time or position; everything where left out"),),
        is_list=False,
        of_trails=True,
        action="keytrail:ScanAlerts",
    ),
    RouteRow(
        "GET",
        "/v1/alerts/{alert}",
        "alert",
        "One alert, with what it means, what to do, and what was done",
        (*ALERT, *MORE),
        is_list=False,
        action="keytrail:ReadAlerts",
    ),
    RouteRow(
        "POST",
        "/v1/alerts/{alert}",
        "mark_alert",
        "Acknowledge or resolve an alert, or open it again: a change on the log",
        (("state", "acknowledged, resolved or open"), ("note", "why"), ("position", "the record of it")),
        is_list=False,
        action="keytrail:UpdateAlert",
    ),
    RouteRow(
        "GET",
        "/v1/alert-rules",
        "alert_rules",
        "Every rule, as the settings have it",
        (
            ("rule", "its id"),
            ("title", "in a few words"),
            ("severity", "info, low, medium, high or critical"),
            ("off", "whether it is off"),
            ("means", "what an alert means"),
            ("do", "what to do"),
            ("references", "CIS, Security Hub, MITRE ATT&CK"),
            ("numbers", "its thresholds"),
        ),
        action="keytrail:ReadAlerts",
    ),
)
CHECK = RouteRow(
    "POST",
    "/v1/keys/{key:path}/alerts",
    "check_draft",
    "What the rules would find if this policy were put now",
    (*ALERT[2:12], MORE[0]),
    action="keytrail:CheckAlerts",
)
"""Stands with the other routes of a key."""

"""An alert as an event of the Open Cybersecurity Schema Framework: Detection Finding (class 2004), version 1.3.0.

Source: schema.ocsf.io, classes/detection_finding and its objects. Members without a place in the schema are under `unmapped`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.exports.ocsf import VERSION

CLASS, CATEGORY = 2004, 2
CREATE, UPDATE, CLOSE = 1, 2, 3
ACTIVITIES = {CREATE: "Create", UPDATE: "Update", CLOSE: "Close"}
SEVERITIES = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
STATES = {"open": (1, "New", CREATE), "acknowledged": (2, "In Progress", UPDATE), "resolved": (4, "Resolved", CLOSE)}
RESOURCE_UID = 10
"""An observable's type: a resource's id."""
SUPPRESSED = (3, "Suppressed")
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


def finding_of(
    alert: dict[str, Any], count: int = 1, version: str = "", others: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """`alert` comes from /v1/alerts and is the first of `count` alerts; `version` is Keytrail's version. `others` are lines of
    further alerts (services/notifier/storms.py), each of which is a finding of its own by its id."""
    status, name, activity = STATES[alert["state"]]
    if alert.get("suppressed"):
        status, name = SUPPRESSED
    severity, word = SEVERITIES[alert["severity"]]
    moment = round(datetime.fromisoformat(alert["at"]).timestamp() * 1000)
    event: dict[str, Any] = {
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "activity_id": activity,
        "activity_name": ACTIVITIES[activity],
        "type_uid": CLASS * 100 + activity,
        "type_name": f"Detection Finding: {ACTIVITIES[activity]}",
        "time": moment,
        "count": count,
        "severity_id": severity,
        "severity": word,
        "status_id": status,
        "status": name,
        "message": alert["summary"],
        "is_alert": True,
        "finding_info": {
            "uid": alert["id"],
            "title": alert["title"],
            "desc": alert["summary"],
            "created_time": moment,
            "analytic": {"uid": alert["rule"], "name": alert["title"], "type": "Rule", "type_id": 1},
            "types": [alert["rule"]],
        },
        "metadata": {
            "version": VERSION,
            "uid": alert["id"],
            "product": {"name": "Keytrail", "vendor_name": "Keytrail", **({"version": version} if version else {})},
            "log_name": "alerts",
        },
        "unmapped": {
            each: alert[each]
            for each in ("subject", "about", "source", "evidence", "suppressed", "note", "marked_by")
            if alert.get(each)
        },
    }
    attacks = [each for each in alert.get("references") or () if _TECHNIQUE.fullmatch(each)]
    if attacks:
        event["finding_info"]["attacks"] = [{"technique": {"uid": each, "name": each}} for each in attacks]
    if others:
        event["finding_info"]["related_events"] = [_related(each) for each in others]
        event["unmapped"]["others"] = list(others)
    if alert.get("do"):
        event["remediation"] = {"desc": alert["do"]}
    if alert.get("key_id"):
        event["resources"] = [
            {"uid": alert["key_id"], "type": "AWS::KMS::Key", "owner": {"account": {"uid": alert["account"]}}}
        ]
    if alert.get("note"):
        event["comment"] = alert["note"]
    return event


def _related(other: dict[str, Any]) -> dict[str, Any]:
    """Source: objects/related_event. It has no place for a text or a time."""
    made: dict[str, Any] = {
        "uid": other["id"],
        "type_uid": CLASS * 100 + CREATE,
        "type_name": "Detection Finding: Create",
    }
    if other.get("key_id"):
        made["observables"] = [{"name": "resources.uid", "type_id": RESOURCE_UID, "value": other["key_id"]}]
    return made

"""A decision as an event of the Open Cybersecurity Schema Framework: API Activity (class 6003), version 1.3.0.

Source: schema.ocsf.io, classes/api_activity and its objects. Members without a place in the schema are under `unmapped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

from services.exports import json_lines
from services.exports.member_names import service_of

VERSION = "1.3.0"
CLASS, CATEGORY = 6003, 6
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
ACTIVITIES = {CREATE: "Create", READ: "Read", UPDATE: "Update", DELETE: "Delete", OTHER: "Other"}
_BY_VERB = {
    "Create": CREATE, "Import": CREATE, "Describe": READ, "Get": READ, "List": READ, "Simulate": READ, "Update": UPDATE,
    "Put": UPDATE, "Enable": UPDATE, "Disable": UPDATE, "Tag": UPDATE, "Untag": UPDATE, "Add": UPDATE, "Remove": UPDATE,
    "Attach": UPDATE, "Detach": UPDATE, "Set": UPDATE, "Rotate": UPDATE, "Cancel": UPDATE, "Delete": DELETE,
    "Schedule": DELETE, "Revoke": DELETE, "Retire": DELETE,
}  # fmt: skip
SUCCESS, FAILURE = 1, 2


def activity_of(operation: str) -> int:
    """What an operation does to the resource that it names. Using a key (Encrypt, Sign) is none of the four activities."""
    return next((found for verb, found in _BY_VERB.items() if operation.startswith(verb)), OTHER)


def lines(calls: Iterable[dict[str, Any]], region: str) -> Iterator[str]:
    """Yields one event a line."""
    own = version("keytrail")
    return json_lines.lines(event_of(each, region, own) for each in calls)


def event_of(item: dict[str, Any], region: str, product_version: str) -> dict[str, Any]:
    """`item` comes from /v1/decisions; `product_version` is Keytrail's version."""
    operation, refused = item["operation"], item["effect"] == "refused"
    activity = activity_of(operation)
    moment = datetime.fromisoformat(item["at"])
    user = {
        "uid": item["principal"],
        "name": item["principal"].rpartition("/")[2] or item["principal"],
        "account": {"uid": item["account"], "type": "AWS Account", "type_id": 10},
    }
    if item["access_key"]:
        user["credential_uid"] = item["access_key"]
    actor: dict[str, Any] = {"user": user}
    if item.get("via"):
        actor["invoked_by"] = item["via"]
    service = service_of(operation)
    event: dict[str, Any] = {
        "class_uid": CLASS,
        "class_name": "API Activity",
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "activity_id": activity,
        "activity_name": ACTIVITIES[activity],
        "type_uid": CLASS * 100 + activity,
        "type_name": f"API Activity: {ACTIVITIES[activity]}",
        "time": round(moment.timestamp() * 1000),
        "severity_id": 1,
        "severity": "Informational",
        "status_id": FAILURE if refused else SUCCESS,
        "status": "Failure" if refused else "Success",
        "actor": actor,
        "api": {"operation": operation, "service": {"name": service}, "request": {"uid": item["call_id"]}},
        "src_endpoint": {"ip": item["source"]} if item["source"] else {"name": service},
        "cloud": {"provider": "Keytrail", "region": region, "account": {"uid": item["account"]}},
        "metadata": {
            "version": VERSION,
            "uid": item["call_id"],
            "profiles": ["cloud"],
            "product": {"name": "Keytrail", "vendor_name": "Keytrail", "version": product_version},
            "log_name": "decisions" if item["position"] is None else "events",
        },
        "resources": [_resource(name, item) for name in item["resources"]],
        "unmapped": {
            name: item[name]
            for name in ("kind", "decided_by", "policy_version", "sid", "statement", "rule", "position", "seen", "reasons",
                         "encryption_context", "event_type", "summary")
            if item.get(name) is not None
        },
    }  # fmt: skip
    if item["agent"]:
        event["http_request"] = {"user_agent": item["agent"]}
    if refused:
        event["status_code"], event["status_detail"] = item["error"], item["message"]
        event["api"]["response"] = {"error": item["error"], "error_message": item["message"]}
    return event


_TYPES = {":key/": "AWS::KMS::Key", ":alias/": "AWS::KMS::Alias", ":user/": "AWS::IAM::User", ":role/": "AWS::IAM::Role",
          ":group/": "AWS::IAM::Group", ":policy/": "AWS::IAM::ManagedPolicy", ":mfa/": "AWS::IAM::VirtualMFADevice",
          ":oidc-provider/": "AWS::IAM::OIDCProvider", ":instance-profile/": "AWS::IAM::InstanceProfile"}  # fmt: skip


def type_of(arn: str) -> str:
    """The CloudFormation type of the resource that an ARN names, as CloudTrail writes it."""
    return next((found for part, found in _TYPES.items() if part in arn), "AWS::Account")


def _resource(arn: str, item: dict[str, Any]) -> dict[str, Any]:
    parts = arn.split(":", 5)
    owner = {"owner": {"account": {"uid": parts[4]}}} if len(parts) == 6 else {}
    aliases = item.get("key_aliases") if item.get("key_id") and arn.endswith(f":key/{item['key_id']}") else None
    return {"uid": arn, "type": type_of(arn)} | owner | ({"name": " ".join(aliases)} if aliases else {})

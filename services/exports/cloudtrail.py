"""A decision as a CloudTrail record, for any tool that reads CloudTrail, including our own import.

Source: CloudTrail user guide, record contents and the userIdentity element; KMS developer guide, logging-using-cloudtrail.
Errors have the API's names. `additionalEventData.keytrail` holds what CloudTrail has no place for: the time in microseconds
(a record's own time has only seconds), the position, and what decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from domain.arn import account_in
from domain.crypto.uses import USES
from services.exports import json_lines
from services.exports.member_names import camel, service_of, shapes_of
from services.exports.ocsf import READ, activity_of, type_of
from services.kms_api.errors import CODES

EVENT_VERSION = "1.11"
OWN = "keytrail"
SIGN_IN = frozenset({"ConsoleLogin", "CheckMfa"})
"""Not calls of an API: CloudTrail user guide, cloudtrail-event-reference-aws-console-sign-in-events."""
_KEPT = ("position", "seen", "kind", "decided_by", "policy_version", "sid", "statement", "rule", "event_type")
SERVICE_EVENTS = {
    "key.deleted.v1": "DeleteKey",
    "key.rotated.v1": "RotateKey",
    "key.material-expired.v1": "DeleteExpiredKeyMaterial",
}


def lines(calls: Iterable[dict[str, Any]], region: str) -> Iterator[str]:
    """Yields one record a line."""
    return json_lines.lines(record_of(each, region) for each in calls)


def record_of(item: dict[str, Any], region: str) -> dict[str, Any]:
    """`item` comes from /v1/decisions, with its inputs."""
    operation = item["operation"]
    signs_in = operation in SIGN_IN
    service = "signin" if signs_in else service_of(operation)
    event_name = SERVICE_EVENTS.get(item["event_type"] or "", operation) if item["kind"] == "due" else operation
    input_shape, _ = shapes_of(service, operation)
    context = (item.get("inputs") or {}).get("context") or {}
    kept = {name: item[name] for name in _KEPT if item.get(name) is not None}
    if item.get("session"):
        kept["session"] = item["session"]
    if item.get("inputs"):
        kept["context"] = context
    record: dict[str, Any] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": _identity(item, context),
        "eventTime": f"{item['at'][:19]}Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": event_name,
        "awsRegion": region,
        "sourceIPAddress": item.get("via") or item["source"] or "AWS Internal",
        "userAgent": item.get("via") or item["agent"] or "AWS Internal",
        "requestParameters": None if signs_in else camel(input_shape, item["parameters"]) or None,
        "responseElements": _response(item),
        "additionalEventData": {OWN: {"at": item["at"], **kept}} | _of_grant(item),
        "requestID": item["call_id"],
        "eventID": item["call_id"],
        "readOnly": activity_of(operation) == READ or operation in USES or operation.startswith("Generate"),
        "resources": [_resource(name) for name in item["resources"]],
        "eventType": _type(item, event_name),
        "managementEvent": True,
        "recipientAccountId": item["account"],
        "eventCategory": "Management",
    }
    if (item.get("session") or {}).get("console"):
        record["sessionCredentialFromConsole"] = "true"
    if item["effect"] == "refused":
        record["errorCode"], record["errorMessage"] = _error(item["error"]), item["message"]
    return record


def _type(item: dict[str, Any], event_name: str) -> str:
    if item["operation"] in SIGN_IN:
        return "AwsConsoleSignIn"
    return "AwsServiceEvent" if event_name != item["operation"] or item["kind"] == "due" else "AwsApiCall"


def _error(kind: str) -> str:
    """The name of an error. CloudTrail writes AccessDenied, also for KMS."""
    code = CODES.get(kind, (0, kind))[1]
    return "AccessDenied" if code == "AccessDeniedException" else code


def _resource(arn: str) -> dict[str, Any]:
    parts = arn.split(":", 5)
    return {"accountId": parts[4] if len(parts) == 6 else "", "type": type_of(arn), "ARN": arn}


def _identity(item: dict[str, Any], context: dict[str, list[str]]) -> dict[str, Any]:
    arn, account = item["principal"], item["account"]
    if arn == account:  # another account called, and its principal is not shown
        return {"type": "AWSAccount", "principalId": account, "accountId": account}
    if not arn.startswith("arn:"):
        return {"type": "AWSService", "invokedBy": item.get("via") or arn}
    unique = (context.get("aws:userid") or [""])[0]
    session = item.get("session") or {}
    identity: dict[str, Any] = {"principalId": unique or account, "arn": arn, "accountId": account}
    if item["access_key"]:
        identity["accessKeyId"] = item["access_key"]
    if ":oidc-provider/" in arn:
        return _of_provider(arn, context)
    if arn.endswith(":root"):
        identity["type"] = "Root"
    elif ":assumed-role/" in arn:
        role = arn.split("/")[1]
        issuer_arn = (context.get("aws:principalarn") or [session.get("arn") or f"arn:aws:iam::{account}:role/{role}"])[
            0
        ]
        issuer = {"type": "Role", "principalId": unique.partition(":")[0], "arn": issuer_arn, "accountId": account}
        identity |= {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer | {"userName": role}}}
    else:
        identity |= {"type": "IAMUser", "userName": arn.rpartition("/")[2]}
    if session.get("issued"):
        issued = (context.get("aws:tokenissuetime") or [""])[0]
        shown = (context.get("aws:multifactorauthpresent") or ["false"])[0]
        attributes = {"creationDate": f"{issued[:19]}Z" if issued else "", "mfaAuthenticated": shown}
        identity.setdefault("sessionContext", {})["attributes"] = attributes
    if item.get("via"):
        identity["invokedBy"] = item["via"]
    return identity


def _of_provider(arn: str, context: dict[str, list[str]]) -> dict[str, Any]:
    """The sender of a provider's token, before it is somebody's session (CloudTrail user guide,
    cloudtrail-event-reference-user-identity)."""
    before, _, rest = arn.partition(":oidc-provider/")
    provider = (context.get("aws:federatedprovider") or [f"{before}:oidc-provider/{rest.partition(':')[0]}"])[0]
    subject = (context.get(f"{provider.partition('/')[2].lower()}:sub") or [arn.rpartition(":")[2]])[0]
    return {"type": "WebIdentityUser", "principalId": arn, "userName": subject, "identityProvider": provider}


def _of_grant(item: dict[str, Any]) -> dict[str, Any]:
    """The grant of a RetireGrant, which CloudTrail names here (developer guide, ct-retire-grant)."""
    event = item.get("event") or {}
    return {"grantId": event["grant"]} if item["operation"] == "RetireGrant" and event.get("grant") else {}


_MADE = {"CreateUser": "user", "CreateGroup": "group", "CreateRole": "role", "CreatePolicy": "policy"}


def _response(item: dict[str, Any]) -> dict[str, Any] | None:
    """What the answer said about the created resource, since the request does not name it."""
    operation, event = item["operation"], item.get("event") or {}
    if operation in SIGN_IN:
        return {operation: "Failure" if item["effect"] == "refused" else "Success"}
    if item["effect"] == "refused" or not event:
        return None
    resources = item["resources"]
    if operation == "CreateKey":
        # A trail's record may name no resource; then the event gives the rest.
        arn = resources[0] if resources else None
        metadata = {
            "aWSAccountId": account_in(arn or "") or event.get("account"),
            "keyId": event["key"],
            "arn": arn,
            "creationDate": item["at"],
            "enabled": event["origin"] != "EXTERNAL",
            "description": event["description"],
            "keyUsage": event["usage"],
            "keyState": "PendingImport" if event["origin"] == "EXTERNAL" else "Enabled",
            "origin": event["origin"],
            "keyManager": "CUSTOMER",
            "keySpec": event["spec"],
            "customerMasterKeySpec": event["spec"],
            "multiRegion": False,
        }
        return {"keyMetadata": metadata}
    if operation == "CreateGrant":
        return {"grantId": event["grant"], "keyId": resources[0] if resources else None}
    if operation in _MADE:
        noun = _MADE[operation]
        made = {"arn": resources[0] if resources else None, "path": event.get("path"), f"{noun}Id": event["id"]}
        return {noun: made | {"createDate": item["at"], f"{noun}Name": event.get("name")}}
    if operation == "CreatePolicyVersion":
        return {"policyVersion": {"versionId": event["version"], "isDefaultVersion": event.get("default", False)}}
    if operation == "CreateAccessKey":
        return {"accessKey": {"userName": event.get("user"), "accessKeyId": event["access_key"], "status": "Active"}}
    return None

"""A gap in the formats of others, which have no word for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.audit_devices.records import DeviceRecord
from services.exports.cloudtrail import EVENT_VERSION, OWN
from services.exports.ocsf import VERSION

MEDIUM, OTHER = 3, 99
SAID = "Kafka removed records of decisions before this device had confirmed them: so many are missing at most."


def ocsf_gap(record: DeviceRecord, product_version: str) -> dict[str, Any]:
    """A Base Event (class 0), which is for what the schema does not define. Source: schema.ocsf.io, classes/base_event."""
    return {
        "class_uid": 0,
        "class_name": "Base Event",
        "category_uid": 0,
        "category_name": "Uncategorized",
        "activity_id": OTHER,
        "activity_name": "Gap",
        "type_uid": OTHER,
        "type_name": "Base Event: Gap",
        "time": round(datetime.fromisoformat(record.at).timestamp() * 1000),
        "severity_id": MEDIUM,
        "severity": "Medium",
        "message": SAID,
        "count": record.item["count"],
        "metadata": {
            "version": VERSION,
            "uid": record.id,
            "product": {"name": "Keytrail", "vendor_name": "Keytrail", "version": product_version},
            "log_name": record.item["topic"],
        },
        "unmapped": record.item,
    }


def cloudtrail_gap(record: DeviceRecord, region: str) -> dict[str, Any]:
    """A service event, as CloudTrail writes what nobody called for."""
    return {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": OWN},
        "eventTime": f"{record.at[:19]}Z",
        "eventSource": f"{OWN}.amazonaws.com",
        "eventName": "AuditRecordsMissing",
        "awsRegion": region,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": {OWN: record.item | {"message": SAID}},
        "eventID": record.id,
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "eventCategory": "Management",
    }

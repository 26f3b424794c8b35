"""Audit devices: what waits for each, why one fails, and forgetting one that the file no longer names. Only the first account
sees them."""

from __future__ import annotations

import asyncio

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import One, Page
from services.audit_api.context import AuditContext
from services.audit_api.faults import missing
from services.audit_api.request import AuditRequest
from services.audit_api.route import LIMIT, RouteRow
from services.audit_api.schemas import Member
from services.audit_api.topic_ends import topic_ends
from services.audit_devices import device_rows
from services.audit_devices.devices_file import SETTING, named_here
from services.followers import lag
from services.kms_api.errors import WireError
from services.rendering import only_page
from services.settings import BadSetting


async def audit_devices(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    limit = request.limit()
    found = await lag.devices(audit.pool, await topic_ends(audit))
    items = [{"device": name, **each} for name, each in found.items()]
    return request.audience.public(only_page(items[:limit]))


AUDIT_DEVICES = RouteRow(
    "GET",
    "/v1/audit-devices",
    "audit_devices",
    audit_devices,
    "Of each audit device, what waits for it, and why it takes nothing",
    tag="installation",
    action="keytrail:ReadAuditDevices",
    parameters=(LIMIT,),
    answer=Page(
        (
            Member("device", "text", "its name"),
            Member("kind", "text", "file, syslog or otlp; empty if no process of this version has run it"),
            Member("lag", "integer?", "how many records wait for it; null if the broker does not say"),
            Member("named", "yes-or-no?", "whether the file names it; null if no process for audit devices is at work"),
            Member("fault", "text", "why it takes nothing; empty if it does"),
            Member("since", "time?", "since when it takes nothing"),
        )
    ),
)


async def forget(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError."""
    audit.require_host(request)
    device = request.place("device")
    try:
        named = await asyncio.to_thread(named_here, audit.settings)
    except BadSetting as fault:
        raise _conflict(f"{fault}: mend the file first, since it may name the audit device {device}.") from None
    if device in named:
        raise _still_named(device)
    forgotten = await device_rows.forget(audit.pool, device)
    if forgotten is None:
        raise missing(f"There is no audit device {device}; `keytrail audit-devices` lists them.")
    if not forgotten:
        raise _still_named(device)
    return request.audience.public({"forgotten": device})


def _still_named(device: str) -> WireError:
    return _conflict(
        f"{SETTING} names the audit device {device}, or did when Keytrail started: remove it from that file, start Keytrail "
        "again (on several machines, the process audit-devices), and forget it then."
    )


def _conflict(why: str) -> WireError:
    return WireError(409, "ConflictException", why)


FORGET = RouteRow(
    "POST",
    "/v1/audit-devices/{device}/forget",
    "forget_audit_device",
    forget,
    "Forget an audit device that the file no longer names, with its position",
    tag="installation",
    action="keytrail:ForgetAuditDevice",
    answer=One((Member("forgotten", "text", "the device"),)),
)


ROUTES = (AUDIT_DEVICES, FORGET)

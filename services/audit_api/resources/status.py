"""The state of the installation: who leads, how far every process has come, and what waits."""

from __future__ import annotations

from typing import Any

from domain.authorization.audience import Told
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.permissions import READ_STATUS
from services.audit_api.request import AuditRequest
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member
from services.audit_api.topic_ends import topic_ends
from services.followers import lag
from services.runtime import collector_faults


async def status(audit: AuditContext, request: AuditRequest) -> Told:
    """Only the first account sees the whole installation, since sizes and the log's head reveal what other accounts do.
    Any other account sees how far the log has come, and what the account itself has."""
    live, account = audit.live, request.account
    if not audit.is_host(request):
        own = {
            "log": live.world.log,
            "position": live.position,
            "keys": len(live.world.key_ids(account)),
            "accounts": [account],
        }
        return request.audience.own(account, own)
    reached = await lag.projected(audit.pool)
    size = await audit.pool.fetchval("SELECT pg_database_size(current_database())")
    ends = await topic_ends(audit)
    whole = {
        "log": live.world.log,
        "leader": live.world.writer,
        "position": live.position,
        "head": live.head,
        "next_command": live.world.next_command,
        "void_records": live.voids,
        "keys": len(live.world.keys),
        "accounts": sorted(live.world.accounts),
        "projections": reached,
        "lag": lag.unprojected(reached, ends),
        "alerts": await _judged(audit, ends),
        "notary": await _notarised(audit, ends) if audit.settings.notaries else None,
        "audit_devices": await lag.devices(audit.pool, ends),
        "traces": await collector_faults.state(audit.pool) if audit.settings.traces_endpoint else None,
        "database_bytes": size,
    }
    return request.audience.public(whole)


async def _judged(audit: AuditContext, ends: lag.TopicEnds) -> dict[str, Any]:
    """How far each partition is judged, and how many records still wait."""
    judged = await lag.judged(audit.pool)
    if judged is None:
        return {"judged": {}, "lag": {}}
    return {"judged": judged, "lag": lag.unjudged(judged, ends)}


async def _notarised(audit: AuditContext, ends: lag.TopicEnds) -> dict[str, Any]:
    """The leaves of the transparency log, and how many records are not leaves yet."""
    order, reached = await lag.notarised(audit.pool)
    return {"leaves": order.size, "lag": lag.waiting(reached, ends)}


STATUS = RouteRow(
    "GET",
    "/v1/status",
    "status",
    status,
    "Where the log stands and what the account has; for the first account who leads, lag and sizes too",
    tag="installation",
    action=READ_STATUS,
    answer=One(
        (
            Member("log", "text", "the log's name"),
            Member("position", "integer", "the last valid record"),
            Member("keys", "integer", "how many keys the account has; for the first account, how many there are"),
            Member("leader", "text", "the writer in force"),
            Member("head", "text", "its digest: keep it to check the log's end later"),
            Member(
                "lag",
                "object",
                "records of its topics that each projection has not taken in; null if the broker does not say where one ends",
            ),
            Member("alerts", "object", "how far each partition is judged, and what waits to be"),
            Member(
                "notary",
                "object?",
                "the leaves of the transparency log, and how many records are not leaves yet (null if the broker does not say); "
                "null where there is no such log",
            ),
            Member("audit_devices", "object", "by device, what /v1/audit-devices says of it"),
            Member(
                "traces",
                "object?",
                "why the collector of traces takes nothing, and since when; null otherwise",
            ),
            Member("accounts", "texts", "the account; for the first account every one that there is"),
            Member("next_command", "integer", "where on its topic the next command stands that is not decided yet"),
            Member("void_records", "integer", "values on the log that Keytrail did not write"),
            Member("projections", "object", "how far each projection has taken in each partition"),
            Member("database_bytes", "integer", "how large the database is"),
        )
    ),
)


ROUTES = (STATUS,)

"""The state of the installation: who leads, how far every process has come, and what waits."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.authorization.audience import Told
from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from projections.registry import PROJECTIONS
from services.adapters.topics import names
from services.alert_worker.positions import reached as judged_up_to
from services.audit_api.answer_shapes import One
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest
from services.audit_api.route import RouteRow
from services.audit_api.schemas import Member
from services.notary import leaf_rows
from services.projector.store import positions

ASK_PATIENCE = 2.0
"""Seconds in which the broker has to say where its topics end."""


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
    async with audit.pool.acquire() as connection:
        reached = {
            name: {f"{topic}/{partition}": after for (topic, partition), after in found.items()}
            for name in PROJECTIONS
            if (found := await positions(connection, f"p_{name}")) is not None
        }
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
    topics = names(audit.settings)
    known = await _ends(audit)
    decisions_end, alerts_end = known.get(topics.decisions), known.get(topics.alerts)
    ends: dict[str, dict[int, int] | None] = {EVENTS: {0: live.next}, DECISIONS: decisions_end, ALERTS: alerts_end}
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
        "lag": {
            name: _lag(each, {topic: ends[topic] for topic in PROJECTIONS[name].topics})
            for name, each in reached.items()
        },
        "alerts": await _judged(audit, decisions_end),
        "notary": await _notarised(audit, ends) if audit.settings.notaries else None,
        "database_bytes": size,
    }
    return request.audience.public(whole)


def _lag(reached: dict[str, int], ends: dict[str, dict[int, int] | None]) -> int | None:
    """How many records of its topics a projection has not read; None if the broker does not say where one of them ends."""
    waiting = 0
    for topic, partitions in ends.items():
        if partitions is None:
            return None
        waiting += sum(max(0, end - reached.get(f"{topic}/{each}", 0)) for each, end in partitions.items())
    return waiting


async def _judged(audit: AuditContext, decisions_end: dict[int, int] | None) -> dict[str, Any]:
    """How far each partition is judged, and how many records still wait."""
    if await audit.pool.fetchval("SELECT to_regclass('alerting.positions') IS NULL"):
        return {"judged": {}, "lag": {}}
    found = await judged_up_to(audit.pool)
    judged = {f"{topic}/{partition}": each.next for (topic, partition), each in sorted(found.items())}
    left: dict[str, int | None] = {DECISIONS: None}
    if decisions_end is not None:
        parts = {f"{DECISIONS}/{partition}": end for partition, end in decisions_end.items()}
        left = {part: end - judged.get(part, 0) for part, end in parts.items()}
    return {"judged": judged, "lag": {"events/0": audit.live.next - judged.get("events/0", 0), **left}}


async def _notarised(audit: AuditContext, ends: dict[str, dict[int, int] | None]) -> dict[str, Any]:
    """The leaves of the transparency log, and how many records are not leaves yet."""
    order = await leaf_rows.stated(audit.pool)
    reached = {f"{kind}/{partition}": position for (kind, partition), position in order.next.items()}
    return {"leaves": order.size, "lag": _lag(reached, ends)}


async def _ends(audit: AuditContext) -> dict[str, dict[int, int]]:
    """Where the partitions of each topic end; empty while the broker does not say."""
    try:
        async with asyncio.timeout(ASK_PATIENCE):
            return await audit.bounds.ends()
    except (Unavailable, TimeoutError):
        return {}


STATUS = RouteRow(
    "GET",
    "/v1/status",
    "status",
    status,
    "Where the log stands and what the account has; for the first account who leads, lag and sizes too",
    tag="installation",
    action="keytrail:ReadStatus",
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
            Member("accounts", "texts", "the account; for the first account every one that there is"),
            Member("next_command", "integer", "where on its topic the next command stands that is not decided yet"),
            Member("void_records", "integer", "values on the log that Keytrail did not write"),
            Member("projections", "object", "how far each projection has taken in each partition"),
            Member("database_bytes", "integer", "how large the database is"),
        )
    ),
)


ROUTES = (STATUS,)

"""Decides every logged decision again, on the state on which it was decided."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import recheck_mismatch
from domain.authorization.audience import Told
from domain.ports import OutOfRange, Unavailable
from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.order import LeafPartition, OrderBroken
from projections.decisions.spans import TimeBounds
from services.audit_api.alert_settings import alert_settings
from services.audit_api.answer_shapes import Lines
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest
from services.audit_api.route import SPAN, RouteRow
from services.audit_api.schemas import Member
from services.audit_api.times import time_of
from services.questions.recheck import recheck


async def recheck_decisions(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    audit.require_host(request)
    begin, end = [
        None if (text := request.text(name)) is None else await time_of(audit.log, text, name)
        for name in ("from" if request.text("from") else "since", "to")
    ]
    return _rechecked(audit, request, (begin, end))


async def _rechecked(audit: AuditContext, request: AuditRequest, times: TimeBounds) -> AsyncGenerator[Told, None]:
    audience, source = request.audience, await audit.sources.of(request)
    more = await source.before_it_began(times[0])
    async with audit.long_questions.snapshot(request, source) as found:
        read = partial(_leaves, audit) if audit.settings.notaries else None
        async for each in recheck(found, audit.settings.region, times, audience, read):
            if "result" in each and (summary := _summary(each["result"])):
                await _raise_alert(audit, *summary)
            yield audience.own(audience.account, each | more if "result" in each else each)


async def _leaves(audit: AuditContext) -> Mapping[LeafPartition, LeafExtent]:
    """Raises Unavailable."""
    try:
        return await audit.proofs.leaf_extents(audit.live.authority)
    except (OrderBroken, OutOfRange) as fault:
        raise Unavailable(f"the transparency log's batches cannot be read: {fault}") from None


def _summary(result: dict[str, Any]) -> tuple[str, str] | None:
    """What an alert says of it, after what tells it apart from other alerts; None if everything is as it should be."""
    if result["mismatches"]:
        first = result["explained"][0]
        return (
            f"@{first['seen']} {first['principal']} {first['operation']}",
            f"{result['mismatches']} decisions come out otherwise; the first: {first['operation']} of "
            f"{first['principal']}, decided at @{first['seen']}",
        )
    leaves = result["leaves"]
    if leaves and leaves["named"]:
        count = leaves["not_leaves"] + leaves["without_row"]
        return leaves["named"][0], (
            f"{count} decisions in Postgres and leaves of the transparency log do not agree; the first: {leaves['named'][0]}"
        )
    return None


async def _raise_alert(audit: AuditContext, where: str, summary: str) -> None:
    """Raises WireError, Unavailable."""
    judge = Judge(audit.live.world.log, alert_settings(audit.settings), audit.live.world.region)
    await audit.publisher.publish(judge.of_health(Health(recheck_mismatch.RULE, where, audit.clock.now(), summary)))


RECHECK = RouteRow(
    "GET",
    "/v1/recheck",
    "recheck",
    recheck_decisions,
    "Every logged decision decided again on the state that it was decided on; a JSON object a line",
    tag="past",
    action="keytrail:Recheck",
    parameters=SPAN,
    answer=Lines(
        (
            Member("done", "integer", "how many decisions were decided again until now, `of` how many"),
            Member(
                "result",
                "object",
                "at last: decisions, mismatches, evaluators, explained (of mismatches), gaps, and whether rows and leaves of "
                "the transparency log agree (leaves; null where there is no such log)",
            ),
            Member(
                "began", "time?", "beside it: when the record begins, where that is after the time that was asked from"
            ),
        )
    ),
)


ROUTES = (RECHECK,)

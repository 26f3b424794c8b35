"""Decides every logged decision again, on the state on which it was decided."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import recheck_mismatch
from domain.authorization.audience import Told
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
        async for each in recheck(found, audit.settings.region, times, audience):
            if "result" in each and each["result"]["mismatches"]:
                await _raise_alert(audit, each["result"])
            yield audience.own(audience.account, each | more if "result" in each else each)


async def _raise_alert(audit: AuditContext, result: dict[str, Any]) -> None:
    """Raises an alert if decisions come out differently. Raises WireError, Unavailable."""
    first = result["explained"][0]
    where = f"@{first['seen']} {first['principal']} {first['operation']}"
    summary = (
        f"{result['mismatches']} decisions come out otherwise; the first: {first['operation']} of "
        f"{first['principal']}, decided at @{first['seen']}"
    )
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
                "result", "object", "at last: decisions, mismatches, evaluators, explained (of mismatches) and gaps"
            ),
            Member(
                "began", "time?", "beside it: when the record begins, where that is after the time that was asked from"
            ),
        )
    ),
)


ROUTES = (RECHECK,)

"""What the rules of alerts find in the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from domain.alerts.engine.judge import Judge
from domain.authorization.audience import Told
from projections.alerts import queries as alerts
from projections.decisions import queries as decisions
from projections.decisions.project import KEYTRAIL
from services.alert_worker import scan
from services.alert_worker.drafts import shown
from services.audit_api.alert_settings import alert_settings
from services.audit_api.answer_shapes import Lines
from services.audit_api.context import AuditContext
from services.audit_api.freshness import fresh
from services.audit_api.raised_alerts import ALERT, accounts_of
from services.audit_api.request import AuditRequest
from services.audit_api.route import SPAN, RouteRow
from services.audit_api.schemas import Member
from services.audit_api.times import FOR_EVER, time_of
from services.questions.moments import read_moment
from services.questions.source import Source

ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
TELL_EVERY = 0.25
"""Seconds between two lines about the scan's progress."""


async def alert_scan(audit: AuditContext, request: AuditRequest) -> AsyncGenerator[Told, None]:
    since, until = request.text("from") or request.text("since"), request.text("to")
    async with fresh(audit.live):
        source = await audit.sources.of(request)
        began = await source.before_it_began(read_moment(since)[1]) if since else {}
        since = None if began else since
        first = await source.moment(since) if since else None
        last = await source.moment(until)
    after, begin = (-1, ALWAYS) if first is None else (first.position, first.at)
    end = await time_of(source.log, until, "to") if until else FOR_EVER
    judge = Judge(request.text("trail") or audit.live.world.log, alert_settings(audit.settings), source.region)
    own = None if source.is_trail else accounts_of(audit, request)
    # Keytrail's own calls are recorded under the account KEYTRAIL.
    owners = None if own is None else [each or KEYTRAIL for each in own]
    span = scan.ScannedSpan(after, last.position, begin, end, owners)
    return _scan(audit, request, source, judge, span, own, began)


async def _scan(
    audit: AuditContext,
    request: AuditRequest,
    source: Source,
    judge: Judge,
    span: scan.ScannedSpan,
    own: list[str] | None,
    began: dict[str, str],
) -> AsyncGenerator[Told, None]:
    audience = source.audience
    async with audit.long_questions.snapshot(request, source) as found:
        total = await decisions.calls_counted(found.log, span.since, span.until, span.owners)
        progress, told, count = scan.ScanProgress(total=total), 0.0, 0
        loop = asyncio.get_running_loop()
        yield audience.own(source.account, {"progress": {"done": 0, "total": total}})
        for walk in (
            scan.changes(found.log, source.region, judge, span, progress),
            scan.uses(found.log, judge, span, progress),
        ):
            async for alert in walk:
                if own is None or alert.finding.account in own:
                    count += 1
                    raised = None if source.is_trail else bool(await alerts.raised(found.log, [alert.id]))
                    one = shown(alert)
                    row = one | {"raised": raised, "key_id": one["key"].rpartition("/")[2] or None}
                    (named,) = await audit.keys.with_aliases(source, [row])
                    yield audience.alerts([alert.finding.account], named)
                if loop.time() - told > TELL_EVERY:
                    told = loop.time()
                    far = {"done": progress.done, "total": max(total, progress.done)}
                    yield audience.own(source.account, {"progress": far})
        yield audience.own(source.account, {"result": {"alerts": count, "records": progress.done}, **began})


ALERT_SCAN = RouteRow(
    "GET",
    "/v1/alerts/scan",
    "alert_scan",
    alert_scan,
    "What the rules find in history, an object a line: alerts, progress, and the result at the end",
    tag="alerts",
    action="keytrail:ScanAlerts",
    parameters=SPAN,
    takes_trail=True,
    answer=Lines(
        (
            *ALERT,
            Member("raised", "yes-or-no", "whether it was raised when it happened"),
            Member("progress", "object", "records done, of how many"),
            Member(
                "began",
                "time?",
                "beside the result: when the record begins, where that is after the time that was asked from",
            ),
        )
    ),
)


ROUTES = (ALERT_SCAN,)

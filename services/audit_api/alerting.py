"""Routes about alerts: those that were raised, live too, what was done about each, and the rules over history and drafts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from domain.alerts.change import Change
from domain.alerts.engine.judge import Judge
from domain.alerts.engine.telling import telling
from domain.alerts.health import Health
from domain.alerts.rule import AlertRule
from domain.alerts.rules import recheck_mismatch
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings
from domain.alerts.severities import SEVERITIES
from domain.authorization.audience import Told
from domain.commands.mark_alert import MARK, STATES
from domain.errors import Refusal
from domain.identities.identity import GROUP, ROLE, USER
from domain.log.events import PolicyReplaced
from domain.policy.check import check_policy
from domain.policy.parse import KEY
from domain.policy_analysis.budget import Budget
from domain.state.principals import principals_of
from projections.alerts import queries as alerts
from projections.alerts.queries import Filters
from projections.decisions import queries as decisions
from projections.decisions.project import KEYTRAIL
from projections.log.schema import AskedLog
from services.adapters import alerts_file
from services.adapters.postgres import INTERRUPTED, Pool
from services.alert_worker import scan, tables
from services.alert_worker.drafts import shown
from services.alert_worker.past import Past
from services.alert_worker.topic import Publisher
from services.audit_api.answers import ASK_AGAIN_EVERY
from services.audit_api.explaining import bad
from services.audit_api.live import Ended, Live
from services.kms_api import errors
from services.kms_api.bounds import parsed
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.notifier import outbox
from services.questions.moments import read_moment
from services.rendering import item, page
from services.settings import BadSetting, Settings
from services.shares import QUESTIONS, breathe

if TYPE_CHECKING:
    from services.audit_api.asked import Asked
    from services.audit_api.audit import Audit
    from services.audit_api.questions import Questions
    from services.questions.source import Source

DOCUMENTS = ("suppressed", "evidence", "source")
NEWEST = 2**62
_ALWAYS, _FOR_EVER = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
LOOK_EVERY = 0.1
"""Seconds between two looks for whoever follows."""
BEAT_EVERY = 10.0
AT_ONCE = 100
FOLLOWERS = 100
"""Streams of one worker at once."""
TELL_EVERY = 0.25
MOST_STEPS = 20_000_000
"""That a draft is judged with (domain/policy_analysis/budget): half a minute or less. What is left is not known."""


class Alerting:
    """The routes' functions, beside those of Audit and Questions."""

    def __init__(
        self,
        audit: Audit,
        questions: Questions,
        settings: Settings,
        present: LiveState,
        pool: Pool,
        publisher: Publisher,
    ) -> None:
        self._publisher = publisher
        questions.on_mismatch = self.mismatch
        self._audit = audit
        self._questions = questions
        self._settings = settings
        self._present = present
        self._pool = pool
        self._followers = 0

    async def how_far(self, ends: dict[int, int]) -> dict[str, Any]:
        """How far each partition is judged, and how many records wait to be; `ends` are those of decisions."""
        if await self._pool.fetchval("SELECT to_regclass('alerting.positions') IS NULL"):
            return {"judged": {}, "lag": {}}
        found = await tables.reached(self._pool)
        judged = {f"{topic}/{partition}": each.next for (topic, partition), each in sorted(found.items())}
        left = {
            f"decisions/{partition}": end - judged.get(f"decisions/{partition}", 0) for partition, end in ends.items()
        }
        return {"judged": judged, "lag": {"events/0": self._present.next - judged.get("events/0", 0), **left}}

    async def mismatch(self, result: dict[str, Any]) -> None:
        """A recheck that found decisions which come out otherwise is an alert. Raises Unavailable."""
        first = result["explained"][0]
        where = f"@{first['seen']} {first['principal']} {first['operation']}"
        summary = (
            f"{result['mismatches']} decisions come out otherwise; the first: {first['operation']} of "
            f"{first['principal']}, decided at @{first['seen']}"
        )
        judge = Judge(self._present.world.log, self._alert_settings(), self._present.world.region)
        health = Health(recheck_mismatch.RULE, where, self._audit.now(), summary)
        await self._publisher.publish(judge.of_health(health))

    async def notifiers(self, asked: Asked) -> Told:
        """Raises WireError: notifiers are the installation's."""
        self._require_host(asked)
        limit = asked.limit()
        found = await outbox.state(self._pool)
        return asked.audience.public(page(found[:limit], limit + 1, None))

    async def dead_letters(self, asked: Asked) -> Told:
        """Raises WireError."""
        self._require_host(asked)
        limit = asked.limit()
        found = await outbox.dead(self._pool, limit)
        return asked.audience.public(page(found, limit + 1, None))

    async def redeliver(self, asked: Asked) -> Told:
        """Raises WireError."""
        self._require_host(asked)
        return asked.audience.public({"messages": await outbox.again(self._pool)})

    def _require_host(self, asked: Asked) -> None:
        if not self._audit.hosts(asked):
            raise WireError(403, "AccessDeniedException", "Notifiers are the first account's.")

    async def alerts(self, asked: Asked) -> Told:
        cursor, limit = asked.cursor(int), asked.limit()
        filters = await self._filters(asked)
        rows = await alerts.page(AskedLog(self._pool), filters, cursor[0] if cursor else NEWEST, limit)
        items = [self._audit.named(_shown(row), asked.audience) for row in rows]
        found = page(items, limit, [rows[-1]["number"]] if rows else None)
        if cursor is None:
            found |= await (await self._questions.sources.of(asked)).before_it_began(filters.since)
        return asked.audience.alerts([row["account"] for row in rows], found)

    async def _filters(self, asked: Asked) -> Filters:
        """Raises WireError."""
        rule, key, principal = (asked.text(name) for name in ("rule", "key", "principal"))
        state, severity = asked.one_of("state", STATES), asked.one_of("severity", SEVERITIES)
        references = self._questions.references
        if rule is not None:
            rule = references.rule(rule, RULES)
        if principal is not None:
            source = await self._questions.sources.of(asked)
            principal = await references.principal(asked, source, principal, (USER, ROLE, GROUP))
        since, until = [await self._audit.moment(asked, name) for name in ("from", "to")]
        return Filters(
            self._accounts(asked),
            state,
            rule,
            0 if severity is None else SEVERITIES.index(severity),
            None if key is None else await self._audit.bare_key(asked, key),
            principal,
            asked.flag("suppressed"),
            since,
            until,
        )

    def _accounts(self, asked: Asked) -> list[str]:
        """An account's own; those about Keytrail itself are for the account that hosts the others."""
        own = asked.caller.account
        return [own, ""] if self._audit.hosts(asked) else [own]

    async def _one(self, asked: Asked) -> Any:
        """Raises WireError; another account's alert is none."""
        id = asked.request.path_params["alert"]
        row = await alerts.one(AskedLog(self._pool), id)
        if row is None or row["account"] not in self._accounts(asked):
            raise WireError(404, "NotFoundException", f"There is no alert {id}.")
        return row

    async def alert(self, asked: Asked) -> Told:
        row = await self._one(asked)
        marks = [item(each) for each in await alerts.marks(AskedLog(self._pool), row["id"])]
        return asked.audience.alerts(
            [row["account"]], self._audit.named(_shown(row), asked.audience) | {"marks": marks}
        )

    async def mark_alert(self, asked: Asked) -> Told:
        body = _object(asked.body, '{"state": "acknowledged", "note": "..."}')
        state, note = body.get("state"), body.get("note") or ""
        if state not in STATES or not isinstance(note, str):
            raise bad(f"state is one of {', '.join(STATES)}, and note a text")
        row = await self._one(asked)
        parameters = {"AlertId": row["id"], "State": state, "Note": note}
        position = await self._audit.change(asked, MARK, parameters, {"owner": row["account"]})
        answer = {"id": row["id"], "state": state, "note": note, "position": position}
        return asked.audience.alerts([row["account"]], answer)

    async def alert_rules(self, asked: Asked) -> Told:
        settings, limit = self._alert_settings(), asked.limit()
        rules = [_rule(rule, settings) for rule in RULES.values()]
        return asked.audience.public(page(rules[:limit], limit + 1, None))

    def _alert_settings(self) -> AlertSettings:
        try:
            return alerts_file.load(self._settings).settings
        except BadSetting as fault:
            raise errors.not_now(f"The alerts' settings cannot be read: {fault}") from None

    # -- live ---------------------------------------------------------------------------------------------------------

    async def alert_stream(self, asked: Asked) -> Live:
        """Each event's id is the alert's number, from which a client that comes again goes on. Raises WireError."""
        if self._followers >= FOLLOWERS:
            raise errors.not_now(f"{FOLLOWERS} follow already; try again.")
        filters = await self._filters(asked)
        text = asked.request.headers.get("last-event-id") or asked.text("after")
        if text is None:
            number = await alerts.newest(AskedLog(self._pool))
        elif text.removeprefix("-").isdigit() and text.isascii() and len(text) < 19:
            number = int(text)
        else:
            raise bad("after, and Last-Event-ID, is an alert's number")
        return Live("alert", self._follow(asked, filters, number))

    async def _follow(
        self, asked: Asked, filters: Filters, number: int
    ) -> AsyncIterator[tuple[int, Told] | Ended | None]:
        self._followers += 1
        loop = asyncio.get_running_loop()
        quiet, ask_at = 0.0, loop.time()
        try:
            while not self._audit.stopping():
                newest, rows = number, []
                with suppress(*INTERRUPTED):  # it comes again, and so do the alerts
                    newest = await alerts.newest(AskedLog(self._pool))
                    if newest > number:
                        rows = await alerts.after(AskedLog(self._pool), filters, number, AT_ONCE)
                if rows or loop.time() >= ask_at:
                    # Nothing is told to whoever could not ask for it now.
                    try:
                        asked, ask_at = await self._audit.still_may(asked), loop.time() + ASK_AGAIN_EVERY
                    except WireError as fault:
                        yield Ended(fault.code, fault.message)
                        return
                for row in rows:
                    number, quiet = row["number"], 0.0
                    yield (
                        number,
                        asked.audience.alerts([row["account"]], self._audit.named(_shown(row), asked.audience)),
                    )
                if len(rows) < AT_ONCE:  # those that are not asked for are passed over for good
                    number = max(number, newest)
                if not rows:
                    quiet += LOOK_EVERY
                    if quiet >= BEAT_EVERY:
                        quiet = 0.0
                        yield None
                    await asyncio.sleep(LOOK_EVERY)
        finally:
            self._followers -= 1

    # -- the rules over what was, and over what may be ---------------------------------------------------------------

    async def alert_scan(self, asked: Asked) -> AsyncGenerator[Told, None]:
        since, until = asked.text("from") or asked.text("since"), asked.text("to")
        async with self._questions.answering():
            source = await self._questions.sources.of(asked)
            began = await source.before_it_began(read_moment(since)[1]) if since else {}
            since = None if began else since
            first = await source.moment(since) if since else None
            last = await source.moment(until)
        after, begin = (-1, _ALWAYS) if first is None else (first.position, first.at)
        end = await self._audit.moment_in(source.pool, until, "to") if until else _FOR_EVER
        judge = Judge(asked.text("trail") or self._present.world.log, self._alert_settings(), source.region)
        own = None if source.is_trail else self._accounts(asked)
        # What Keytrail does itself is recorded as its own.
        owners = None if own is None else [each or KEYTRAIL for each in own]
        span = scan.ScannedSpan(after, last.position, begin, end, owners)
        return self._scan(asked, source, judge, span, own, began)

    async def _scan(
        self,
        asked: Asked,
        source: Source,
        judge: Judge,
        span: scan.ScannedSpan,
        own: list[str] | None,
        began: dict[str, str],
    ) -> AsyncGenerator[Told, None]:
        audience = source.audience
        async with self._questions.still(asked, source) as found:
            total = await decisions.calls_counted(found.connection, span.since, span.until, span.owners)
            progress, told, count = scan.Progress(total=total), 0.0, 0
            loop = asyncio.get_running_loop()
            yield audience.own(source.account, {"progress": {"done": 0, "total": total}})
            for walk in (
                scan.changes(found.connection, source.region, judge, span, progress),
                scan.uses(found.connection, judge, span, progress),
            ):
                async for alert in walk:
                    if own is None or alert.finding.account in own:
                        count += 1
                        raised = None if source.is_trail else bool(await alerts.raised(found.connection, [alert.id]))
                        one = shown(alert)
                        row = one | {"raised": raised, "key_id": one["key"].rpartition("/")[2] or None}
                        (named,) = await self._audit.with_aliases(source, [row])
                        yield audience.alerts([alert.finding.account], named)
                    if loop.time() - told > TELL_EVERY:
                        told = loop.time()
                        far = {"done": progress.done, "total": max(total, progress.done)}
                        yield audience.own(source.account, {"progress": far})
            yield audience.own(source.account, {"result": {"alerts": count, "records": progress.done}, **began})

    async def check_draft(self, asked: Asked) -> Told:
        """What the rules would say of a policy that was put now."""
        body = _object(asked.body, '{"policy": "..."}')
        text = body.get("policy")
        if not isinstance(text, str):
            raise bad("policy is a key policy, as a text")
        key_id = await self._audit.own_key_id(asked)
        world = self._present.world
        key = world.keys.get(key_id)
        if key is None:
            raise WireError(404, "NotFoundException", f"The key {key_id} is no more.")
        try:
            policy = check_policy(text, KEY)
        except Refusal as fault:
            raise WireError(400, errors.wire_error(fault).code, fault.message) from None
        event = PolicyReplaced(
            key_id, key.policy_version + 1, text, False, False, principals_of(policy, world, key.account)
        )
        at, settings = self._audit.now(), self._alert_settings()
        position = self._present.position + 1
        past = await Past(AskedLog(self._pool)).of(event, world.keys, position, at)
        caller = asked.caller
        change = Change(
            event, world, at, position, caller=caller.principal, account=caller.account, operation="PutKeyPolicy",
            facts=past, known_accounts=settings.known_accounts,
        ).alone()  # fmt: skip
        judge = Judge(world.log, settings, world.region)
        judged = await QUESTIONS.run(caller.account, judge.within, change, {}, Budget(MOST_STEPS, breathe))
        found = judged.alerts
        answer = page([shown(each) for each in found], len(found) + 1, None)
        return asked.audience.alerts([each.finding.account for each in found], answer)


def _shown(row: Any) -> dict[str, Any]:
    """An alert that was raised, with who did it and what to do."""
    found = item(row, DOCUMENTS)
    return found | telling(found)


def _rule(rule: AlertRule, settings: AlertSettings) -> dict[str, Any]:
    own = settings.of(rule)
    return {
        "rule": rule.id,
        "title": rule.title,
        "severity": own.severity or rule.severity,
        "off": own.off,
        "means": rule.means,
        "do": rule.do,
        "references": list(rule.references),
        "numbers": {number.name: value for number, value in settings.numbers_of(rule).items()},
    }


def _object(body: bytes, example: str) -> dict[str, Any]:
    """Raises WireError."""
    try:
        found = parsed(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise bad(f"the body is {example}")
    return found

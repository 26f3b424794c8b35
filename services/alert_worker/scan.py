"""The rules over history: the alerts that they would have raised since a moment, in our log or in a trail."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.alerts.change import Change
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.counting import Counting
from domain.alerts.engine.judge import Judge
from domain.alerts.observed_call import ObservedCall, call_of_case
from domain.alerts.rules import material_expiring
from domain.log.codec import event_from, micros, micros_of
from domain.log.events import MaterialImported, PolicyReplaced
from domain.policy_analysis.budget import Budget
from domain.state.world import World
from projections.decisions import changes as decision_changes
from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.log.entry import DECISIONS, EVENTS
from projections.log.schema import AskedLog
from services.alert_worker.facts import ProjectedFacts
from services.alert_worker.past import Past
from services.questions.replay import Replay
from services.shares import QUESTIONS, breathe
from services.turns import Turn

FETCHED = 5_000
CASES = 20_000
"""Cases that are held in memory, each with the call that it makes."""
AT_ONCE = 2_000
"""Steps that one policy may take on the event loop. A longer one is judged beside it, in its account's turn."""
MOST_STEPS = 100_000_000


@dataclass(frozen=True, slots=True)
class ScannedSpan:
    """Positions after `after` up to `last`, and the times of their calls: from `since` to before `until`. `owners`: only
    records of these accounts; None for all."""

    after: int
    last: int
    since: datetime
    until: datetime
    owners: list[str] | None = None


@dataclass(slots=True)
class ScanProgress:
    done: int = 0
    total: int = 0


async def changes(
    log: AskedLog, region: str, judge: Judge, span: ScannedSpan, progress: ScanProgress
) -> AsyncIterator[Alert]:
    """The alerts about changes, in the order of the log. Each record is judged on the world before it."""
    replay = await Replay.begin(log, region, span.after, span.last)
    past, expiring, turn = Past(ProjectedFacts(log)), _Expiring(judge), Turn()
    rows = await decision_changes.of_owners(log, span.after, span.last, span.owners)
    while found := await rows.fetch(FETCHED):
        for row in found:
            position, at = row["position"], micros_of(row["at"])
            await replay.to(position - 1)
            event = event_from({"type": row["event_type"], "data": orjson.loads(row["event"])})
            if judge.asks(event):
                facts = await past.of(event, replay.world.keys, position, at)
                change = Change(
                    event, replay.world, at, position, caller=row["principal"], account=row["account"],
                    operation=row["operation"], facts=facts, known_accounts=judge.settings.known_accounts,
                    allow=judge.settings.allow,
                )  # fmt: skip
                source = {"topic": EVENTS, "partition": 0, "offset": position, "call": row["call_id"]}
                for alert in await _judged(judge, change, source):
                    yield alert
            if isinstance(event, PolicyReplaced):
                past.replaced(replay.world.keys[event.key], at)
            for alert in expiring.until(at, replay.world):
                yield alert
            if isinstance(event, MaterialImported) and event.valid_to:
                expiring.expect(event.key, at, micros(event.valid_to))
            progress.done += 1
            await turn.give_way()
    await replay.to(span.last)
    for alert in expiring.until(time.time_ns() // 1000, replay.world):
        yield alert


async def _judged(judge: Judge, change: Change, source: Mapping[str, Any]) -> list[Alert]:
    found = judge.within(change, source, Budget(AT_ONCE))
    if found.unfinished:
        budget = Budget(MOST_STEPS, breathe)
        found = await QUESTIONS.run(change.account, judge.within, change.alone(), source, budget)
    return found.alerts


class _Expiring:
    """Imported material: judged at the time when its alert is due, if the key still has it then."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._numbers = judge.settings.numbers_of(material_expiring.RULE)
        self._waiting: list[tuple[int, str]] = []
        self._told: set[tuple[str, str, int]] = set()

    def expect(self, key: str, at: int, expires: int) -> None:
        heapq.heappush(self._waiting, (max(at, material_expiring.begins(expires, self._numbers)), key))

    def until(self, now: int, world: World) -> Iterator[Alert]:
        while self._waiting and self._waiting[0][0] <= now:
            moment, name = heapq.heappop(self._waiting)
            key = world.keys.get(name)
            for each in self._judge.timed(key, moment) if key is not None else ():
                if each.window_of not in self._told:
                    self._told.add(each.window_of)
                    yield self._judge.reached(each, moment, {})


async def uses(log: AskedLog, judge: Judge, span: ScannedSpan, progress: ScanProgress) -> AsyncIterator[Alert]:
    """The alerts about calls, in the order of time."""
    counting, templates = Counting(judge), _Templates(log)
    ages = judge.least_age
    created: dict[str, int] = {}
    turn = Turn()
    rows = await decisions.calls_between(log, span.since, span.until, span.owners)
    while found := await rows.fetch(FETCHED):
        await templates.fetch({row["case_id"] for row in found})
        for row in found:
            call = templates.call(row)
            if call is not None:
                source = _source(row)
                for alert in counting.take(call, source):
                    yield alert
                for pair in counting.new_pairs(call, source):
                    if ages and pair.key not in created:
                        created[pair.key] = await _created(log, pair.key)
                    first = judge.first(pair, created.get(pair.key, 0))
                    if first is not None:
                        yield first
            progress.done += 1
            await turn.give_way()


def _source(row: Any) -> Mapping[str, Any]:
    on_log = row["origin"] < 0
    return {
        "topic": EVENTS if on_log else DECISIONS,
        "partition": 0 if on_log else row["origin"],
        "offset": row["record"],
        "call": row["call_id"],
    }


async def _created(log: AskedLog, key: str) -> int:
    """When a key was made, in microseconds; 0 for a key that is older than everything that is known."""
    found = await history.made_at(log, key.rpartition("/")[2])
    return 0 if found is None else micros_of(found)


class _Templates:
    """What the calls of a case have in common, built once."""

    def __init__(self, log: AskedLog) -> None:
        self._log = log
        self._held: OrderedDict[bytes, ObservedCall | None] = OrderedDict()

    async def fetch(self, names: set[bytes]) -> None:
        missing = [name for name in names if name not in self._held]
        for name in names:
            if name in self._held:
                self._held.move_to_end(name)
        for name, text in (await decisions.cases(self._log, missing)).items() if missing else ():
            self._held[name] = call_of_case(orjson.loads(text))
        while len(self._held) > max(CASES, len(names)):
            self._held.popitem(last=False)

    def call(self, row: Any) -> ObservedCall | None:
        """The call of a row. All calls of a case share one object, which is filled again for each."""
        call = self._held.get(row["case_id"])
        if call is not None:
            call.at, call.id, call.source = micros_of(row["at"]), row["call_id"], row["source"]
        return call

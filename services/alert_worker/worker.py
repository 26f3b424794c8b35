"""The worker: the Faust app, the rules under the current settings file, and a watch over the worker's lag."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from domain.alerts.engine.judge import Judge
from projections.log.schema import AskedLog
from services.adapters import alerts_file
from services.adapters.alert_publisher import Publisher
from services.adapters.postgres import Pool
from services.alert_worker import counts, rotation
from services.alert_worker.books import Books, JudgedElsewhere
from services.alert_worker.decisions import JudgedDecisions
from services.alert_worker.events import JudgedEvents
from services.alert_worker.facts import AwaitedFacts
from services.alert_worker.faust_app import app_of
from services.alert_worker.followed import KafkaTopics, ends_of
from services.alert_worker.lag import LagWatch
from services.alert_worker.marks import Marking, Marks
from services.alert_worker.notary_lag import NotaryWatch
from services.alert_worker.streams import AGAIN, JudgedStreams
from services.alert_worker.voids import AlertsTopic, Voids
from services.clock import clock_of
from services.logs import logger_of
from services.runtime.processes import pause_after_proof
from services.settings import BadSetting, Settings

log = logger_of("alerts")

LOOK_EVERY = 1.0
WATCH_EVERY = 5.0
FORGET_EVERY = 3600.0
LOOK_AROUND_EVERY = 60.0


class Rules:
    """The judge under the settings file. If the file becomes wrong, the last good settings stay."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._log = name
        self._path = Path(settings.alerts_file) if settings.alerts_file else None
        self._stamp = self._stamped()
        self._judge = Judge(name, alerts_file.load(settings).settings, settings.region)

    def judge(self) -> Judge:
        return self._judge

    def _stamped(self) -> int:
        try:
            return 0 if self._path is None else self._path.stat().st_mtime_ns
        except OSError:
            return -1

    def look(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._judge = Judge(self._log, alerts_file.load(self._settings).settings, self._settings.region)
            log.info("the alerts' settings were read again")
        except BadSetting as fault:
            log.error("the alerts' settings cannot be used; the former ones hold", reason=str(fault))


class Worker:
    """`name` is the worker's, and stays the same when it starts again. Raises BadSetting."""

    def __init__(self, settings: Settings, pool: Pool, books: Books, marks: Marks, name: str) -> None:
        keys, topics = books.keys, KafkaTopics(settings)
        facts = AwaitedFacts(AskedLog(pool), partial(ends_of, topics))
        self._settings = settings
        self._pool = pool
        self._books = books
        self._rules = Rules(settings, books.log)
        self._publisher = Publisher(settings, keys)
        self._voids = Voids()
        self._alerts = AlertsTopic(settings, keys, self._voids)
        self._changes = JudgedEvents(topics, facts, pool, books, self._rules.judge, self._publisher, self._voids)
        decisions = JudgedDecisions(
            topics,
            pool,
            books,
            self._rules.judge,
            self._publisher,
            self._voids,
            self._changes.authority,
            self._changes.ages,
        )
        self._clock = clock_of(settings)
        self._streams = JudgedStreams(pool, self._changes, decisions, os._exit)
        self._app = app_of(
            settings, name, self._streams.take_events, self._streams.take_decisions, decisions.compare_again
        )
        self._watch = LagWatch(topics, pool, books, self._rules.judge, self._publisher, self._streams.catch_up)
        self._notary_watch = NotaryWatch(
            settings, pool, books.keys, self._changes.authority, self._rules.judge, self._publisher
        )
        self._marking = Marking(books, marks)

    async def run(self) -> None:
        """Run until the process ends. The app stops by itself only when it crashes."""
        every = self._streams.every
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._streams.follow(self._app))
            # This shows at once, and not only with the next record, whether the log is the one that was judged.
            tasks.create_task(self._streams.catch_up_with_events())
            tasks.create_task(every(AGAIN, self._changes.judge_to_the_end))
            tasks.create_task(every(LOOK_EVERY, self._look))
            tasks.create_task(every(LOOK_EVERY, self._tell_of_voids))
            tasks.create_task(every(LOOK_EVERY, self._look_at_alerts))
            tasks.create_task(every(LOOK_EVERY, self._marking.mark))
            tasks.create_task(every(WATCH_EVERY, self._watch.look))
            tasks.create_task(every(WATCH_EVERY, self._changes.follow))
            if self._settings.notaries:
                tasks.create_task(every(WATCH_EVERY, self._notary_watch.look))
            tasks.create_task(every(FORGET_EVERY, self._forget))
            tasks.create_task(every(AGAIN, self._check))
            tasks.create_task(every(LOOK_EVERY, self._seal_anew))
            tasks.create_task(every(LOOK_AROUND_EVERY, self._look_around))

    async def _look(self) -> None:
        self._rules.look()

    async def _tell_of_voids(self) -> None:
        if found := self._voids.alerts(self._rules.judge()):
            await self._publisher.publish(found)

    async def _look_at_alerts(self) -> None:
        await self._alerts.look(await self._changes.authority())

    async def _look_around(self) -> None:
        with suppress(JudgedElsewhere):  # another worker does this, and looks as well
            await self._changes.look_around(self._clock.now())

    async def _forget(self) -> None:
        await counts.forget(self._pool, self._books, int(time.time()) - counts.KEPT_FOR)

    async def _seal_anew(self) -> None:
        if rotation.is_due(self._books):
            await rotation.seal_anew(self._pool, self._books)
            await self._marking.mark()

    async def _check(self) -> None:
        """Check that nobody else writes to the tables, then pause. Every worker checks: anybody could hold a lock that says
        which worker does."""
        began = time.monotonic()
        await self._watch.prove()
        await asyncio.sleep(pause_after_proof(time.monotonic() - began))

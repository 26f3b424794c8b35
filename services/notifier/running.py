"""Every notifier at work, each in tasks of its own: one that hangs delays no other."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import structlog

from services.adapters import alerts_file
from services.adapters.alerts_file import Notifier
from services.adapters.postgres import INTERRUPTED, Pool
from services.metrics import NOTIFICATIONS
from services.notifier import outbox
from services.notifier.sending import NotDelivered, Sender, Undeliverable, sender_of
from services.settings import Settings

log = structlog.get_logger("notifier")

LOOK_EVERY = 0.2
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


def pause(attempts: int) -> float:
    """Seconds until the next attempt: twice as long each time, up to half a minute, and never in step with others."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts, 10)) * random.uniform(0.75, 1.0)  # noqa: S311  # no secret


async def run(settings: Settings, pool: Pool, log_name: str) -> None:
    """Until it is stopped. Raises BadSetting."""
    notifiers = alerts_file.load(settings).notifiers
    await outbox.prepare(pool)
    log.info("notifiers", names=[each.name for each in notifiers])
    if not notifiers:
        log.info("KEYTRAIL_ALERTS_FILE names no notifier; nobody is told")
        await asyncio.Event().wait()
    async with asyncio.TaskGroup() as tasks:
        for each in notifiers:
            await outbox.begin(pool, each, log_name)
            tasks.create_task(_gather(settings, pool, each))
            tasks.create_task(_deliver(pool, each, sender_of(each, log_name)))


async def _gather(settings: Settings, pool: Pool, notifier: Notifier) -> None:
    while True:
        try:
            taken = await outbox.take_in(pool, notifier, outbox.now())
        except INTERRUPTED as fault:
            log.warning("alerts could not be taken in; trying again", notifier=notifier.name, reason=repr(fault))
            taken = 0
        if taken < outbox.TAKEN:
            await asyncio.sleep(LOOK_EVERY)


async def _deliver(pool: Pool, notifier: Notifier, sender: Sender) -> None:
    """In order: a message waits for the one before it."""
    while True:
        try:
            waiting = await outbox.head(pool, notifier.name)
            if waiting is None:
                await asyncio.sleep(LOOK_EVERY)
                continue
            try:
                await sender.send(waiting)
            except Undeliverable as fault:
                await _give_up(pool, notifier, waiting.number, str(fault))
            except NotDelivered as fault:
                if outbox.now() - waiting.since > timedelta(seconds=notifier.give_up_after):
                    await _give_up(pool, notifier, waiting.number, str(fault))
                    continue
                NOTIFICATIONS.labels(notifier.kind, "failed").inc()
                log.warning(
                    "not delivered; trying again",
                    notifier=notifier.name,
                    attempts=waiting.attempts + 1,
                    reason=str(fault),
                )
                await outbox.failed(pool, waiting.number, str(fault))
                await asyncio.sleep(pause(waiting.attempts))
            else:
                await outbox.delivered(pool, waiting.number)
                NOTIFICATIONS.labels(notifier.kind, "delivered").inc()
        except INTERRUPTED as fault:
            log.warning("the outbox could not be read; trying again", notifier=notifier.name, reason=repr(fault))
            await asyncio.sleep(FIRST_WAIT)


async def _give_up(pool: Pool, notifier: Notifier, number: int, fault: str) -> None:
    NOTIFICATIONS.labels(notifier.kind, "dead").inc()
    log.error("a message was given up; it is kept as a dead letter", notifier=notifier.name, reason=fault)
    await outbox.given_up(pool, number, fault)

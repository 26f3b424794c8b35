"""Runs every notifier in tasks of its own: one that hangs delays no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from domain.log.authority import Authority
from domain.ports import OutOfRange, Topic
from services.adapters import alerts_file
from services.adapters.alerts_file import Notifier
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now
from services.adapters.postgres import INTERRUPTED, UNREACHABLE, Pool
from services.adapters.topics import log_topic, names
from services.logs import logger_of
from services.metrics import NOTIFICATIONS
from services.notifier import outbox
from services.notifier.delivery import NotDelivered, Sender, Undeliverable, sender_of
from services.notifier.ledger import Ledger, begins
from services.notifier.marks import KafkaMark
from services.notifier.message_attempts import FIRST_WAIT, MessageAttempts
from services.notifier.message_span import DELIVERED, NOT_DELIVERED, UNDELIVERABLE, MessageSpan
from services.notifier.outbox import Waiting
from services.notifier.progress import NotifierProgress, ProgressWatch
from services.notifier.raised_alerts import AlertFeed, AlertReader, EarlierAlerts, digest_of
from services.runtime.processes import pause_after_proof
from services.settings import Settings

log = logger_of("notifier")

LOOK_EVERY, LOOK_AROUND_EVERY = 0.2, 1.0
"""Seconds between two looks for messages that wait, and between two looks for storms that are over and dead letters to try
again."""


async def run(settings: Settings, pool: Pool, keys: VaultKeyring, log_name: str) -> None:
    """Run until it is stopped. Raises BadSetting, UNREACHABLE."""
    notifiers = alerts_file.load(settings).notifiers
    await outbox.prepare(pool)
    log.info("notifiers", names=[each.name for each in notifiers])
    if not notifiers:
        log.info("KEYTRAIL_ALERTS_FILE names no notifier; nobody is told")
        await asyncio.Event().wait()
    topic = KafkaTopic(settings, names(settings).alerts)
    beginning = begins(await topic.end(), outbox.now())

    async def newest() -> Authority:
        return (await chain_now(log_topic(settings), pool, keys)).authority

    alerts = AlertReader(keys, await newest(), newest)
    earlier = EarlierAlerts(pool, topic, alerts)
    progresses = [NotifierProgress(each.name) for each in notifiers]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_refresh(alerts))
        tasks.create_task(ProgressWatch(topic, progresses).keep_looking())
        for each, progress in zip(notifiers, progresses, strict=True):
            mark = KafkaMark(settings, keys, log_name, each.name)
            ledger = Ledger(pool, keys, each, log_name, mark, topic.end, beginning)
            tasks.create_task(_gather(ledger, topic, alerts, earlier, each, progress))
            tasks.create_task(_deliver(ledger, each, sender_of(each, log_name), progress))
            tasks.create_task(_prove(ledger, each, progress))


async def _refresh(alerts: AlertReader) -> None:
    """Keep the reader's keys up to date: the log may retire one."""
    await _now_and_then(alerts.refresh, "what the log says of authenticity could not be read")


async def _prove(ledger: Ledger, notifier: Notifier, progress: NotifierProgress) -> None:
    async def prove() -> None:
        await ledger.prove()
        progress.proved()

    await _now_and_then(prove, f"what {notifier.name} holds could not be proved")


async def _now_and_then(work: Callable[[], Awaitable[None]], failed: str) -> None:
    while True:
        began = time.monotonic()
        try:
            await work()
        except INTERRUPTED as fault:
            tell(f"{failed}; trying again", fault)
            await asyncio.sleep(FIRST_WAIT)
            continue
        await asyncio.sleep(pause_after_proof(time.monotonic() - began))


def tell(what: str, fault: BaseException, **more: Any) -> None:
    """Log a fault. A server that does not answer is a warning; anything else that keeps alerts from being sent is an error."""
    (log.warning if isinstance(fault, UNREACHABLE) else log.error)(what, reason=repr(fault), **more)


async def _gather(
    ledger: Ledger,
    topic: Topic,
    alerts: AlertReader,
    earlier: EarlierAlerts,
    notifier: Notifier,
    progress: NotifierProgress,
) -> None:
    feed = AlertFeed(topic)
    looked = 0.0
    while True:
        try:
            start = await ledger.next()
            records = await feed.more(start, LOOK_EVERY, ledger.last)
            if not records and time.monotonic() < looked + LOOK_AROUND_EVERY:
                continue
            raised = await earlier.new_among(await alerts.alerts_of(records))
            end = records[-1].offset + 1 if records else start
            last = digest_of(records[-1].value) if records else ""
            await ledger.take_in(start, end, raised, outbox.now(), last)
            progress.took_in(end)
            looked = time.monotonic()
        except OutOfRange as fault:
            earlier.forget()
            await _go_on(ledger, topic, str(fault))
        except INTERRUPTED as fault:
            tell("alerts could not be taken in; trying again", fault, notifier=notifier.name)
            await asyncio.sleep(FIRST_WAIT)


async def _go_on(ledger: Ledger, topic: Topic, fault: str) -> None:
    """Go on at the first alert that the topic has."""
    try:
        await ledger.begin_again(await topic.start(), f"the topic of alerts does not go on from what was told: {fault}")
    except INTERRUPTED as interrupted:
        tell("the topic of alerts could not be begun again", interrupted)
        await asyncio.sleep(FIRST_WAIT)


async def _deliver(ledger: Ledger, notifier: Notifier, sender: Sender, progress: NotifierProgress) -> None:
    """Send messages in order: a message waits for the one before it, unless it seems that only that one is refused."""
    attempts = MessageAttempts(notifier.give_up_after)
    while True:
        try:
            waiting = await ledger.head()
            progress.asked()
            if waiting is None:
                await asyncio.sleep(LOOK_EVERY)
                continue
            waiting = await _this_time(ledger, attempts, waiting)
            sending = MessageSpan(notifier, waiting, attempts.made)
            try:
                await sender.send(waiting)
            except Undeliverable as fault:
                sending.end(UNDELIVERABLE)
                await _give_up(ledger, notifier, waiting, str(fault))
                await asyncio.sleep(attempts.failed())
            except NotDelivered as fault:
                sending.end(NOT_DELIVERED)
                if attempts.enough(waiting.since, outbox.now()):
                    await _give_up(ledger, notifier, waiting, str(fault))
                else:
                    NOTIFICATIONS.labels(notifier.kind, "failed").inc()
                    log.warning(
                        "not delivered; trying again",
                        notifier=notifier.name,
                        attempts=attempts.made + 1,
                        reason=str(fault),
                    )
                    await ledger.failed(waiting, str(fault))
                await asyncio.sleep(attempts.failed())
            else:
                sending.end(DELIVERED)
                await ledger.delivered(waiting)
                attempts.taken()
                NOTIFICATIONS.labels(notifier.kind, "delivered").inc()
        except INTERRUPTED as fault:
            tell("the outbox could not be read; trying again", fault, notifier=notifier.name)
            await asyncio.sleep(FIRST_WAIT)


async def _this_time(ledger: Ledger, attempts: MessageAttempts, head: Waiting) -> Waiting:
    """The message that is tried now: the next one, or one behind it. Raises INTERRUPTED."""
    if place := attempts.place_behind(head):
        found = await ledger.head(place)
        if found is not None:
            attempts.begin_behind(found, place)
            return found
        attempts.none_behind()
    attempts.begin(head)
    return head


async def _give_up(ledger: Ledger, notifier: Notifier, waiting: Waiting, fault: str) -> None:
    NOTIFICATIONS.labels(notifier.kind, "dead").inc()
    log.error("a message was given up; it is kept as a dead letter", notifier=notifier.name, reason=fault)
    await ledger.given_up(waiting, fault)

"""Deliberate breaks of what keeps answers right, to show that the simulation finds them: those of the cluster's tests, as far as they
are not of Kafka's clients, a snapshot that nobody compares with the log, and what keeps alerts and rows of projections from being lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest import mock

from domain.alerts.engine.alert import Alert
from domain.log.authority import Authority
from domain.log.chain import Chain
from domain.ports import Topic, Unavailable
from domain.state.fold import Fold
from domain.state.recent_calls import RecentCalls
from projections.log.changes import TableChange
from services.adapters import known_records, snapshots
from services.adapters.alert_publisher import Publisher
from services.alert_worker.copies import SeenLanes
from services.alert_worker.events import JudgedEvents
from services.alert_worker.positions import JudgedUpTo
from services.kms_api.live_state import LiveState
from services.projector import known_log, store, worker
from services.projector.change_writer import ChangeWriter
from services.projector.topics import ProjectedTopics
from tests.cluster import breaks
from tests.simulation.brokers import Brokers


def one_broker_is_enough() -> None:
    Brokers.one_is_enough = True


def any_leader_is_believed() -> None:
    Brokers.any_leader_is_believed = True


def snapshots_without_digest() -> None:
    async def fits(topic: Topic, position: int, head: str) -> bool:
        return True

    snapshots.has_record = fits  # type: ignore[attr-defined]  # the function that it imports: that is the break


def positions_before_alerts() -> None:
    """How far everything is judged is kept while its alerts are still on their way."""
    publish = Publisher.publish

    async def send(publisher: Publisher, alerts: Sequence[Alert]) -> None:
        with suppress(Unavailable):
            await publish(publisher, alerts)

    async def begin(publisher: Publisher, alerts: Sequence[Alert]) -> None:
        asyncio.get_running_loop().create_task(send(publisher, alerts))

    Publisher.publish = begin  # type: ignore[method-assign, assignment]  # that is the break


def lost_records_unnoticed() -> None:
    """An alert worker that meets void records believes that the log still has what it judged."""

    async def believe(judged: JudgedEvents, fold: Fold, before: JudgedUpTo) -> None:
        pass

    JudgedEvents._require_known = believe  # type: ignore[method-assign, assignment]  # that is the break


def copies_are_counted() -> None:
    """An alert worker counts a decision again that is on its topic twice."""

    def take(lanes: SeenLanes, document: Mapping[str, Any]) -> bool:
        return True

    SeenLanes.takes = take  # type: ignore[method-assign, assignment]  # that is the break


def judged_alone_counts() -> None:
    """An alert worker knows by what it has judged alone whose decisions count: by nothing at first."""

    async def authority(judged: JudgedEvents) -> Authority:
        if judged._fold is not None:
            return judged._fold.chain.authority
        async with judged._one_at_a_time:
            return (await judged._go_on()).chain.authority

    JudgedEvents.authority = authority  # type: ignore[method-assign, assignment]  # that is the break


OF_ALERT_WORKERS: Mapping[str, Callable[[], None]] = {
    "positions-before-alerts": positions_before_alerts,
    "lost-records-unnoticed": lost_records_unnoticed,
    "copies-are-counted": copies_are_counted,
    "judged-alone-counts": judged_alone_counts,
}


def rows_apart_from_positions() -> None:
    """A projector commits the rows of a batch before the positions."""
    write = ChangeWriter.write

    async def apart(writer: ChangeWriter, change: TableChange) -> None:
        session: Any = writer._connection
        with session.apart():
            async with session.transaction():
                await write(writer, change)

    ChangeWriter.write = apart  # type: ignore[method-assign, assignment]  # that is the break


def batches_again() -> None:
    """A projector takes in what it reads, whatever the stored positions say."""

    async def nothing(*_: Any) -> dict[store.Partition, int]:
        return {}

    store._proved = nothing  # type: ignore[assignment]  # that is the break


def log_not_compared() -> None:
    """A projector believes that the log still has the records that the tables were made of."""

    async def believe(topics: ProjectedTopics, read: object, keys: object) -> None:
        pass

    worker.require_known_log = believe  # type: ignore[attr-defined]  # the function that it imports: that is the break
    store.require_same_records = lambda *_: None  # type: ignore[attr-defined]  # the same


OF_PROJECTORS: Mapping[str, Callable[[], None]] = {
    "rows-apart-from-positions": rows_apart_from_positions,
    "batches-again": batches_again,
    "log-not-compared": log_not_compared,
}
BREAKS: Mapping[str, Callable[[], None]] = {
    "no-freshness": breaks.no_freshness,
    "no-chain": breaks.no_chain,
    "one-broker-is-enough": one_broker_is_enough,
    "retries-are-new-calls": breaks.retries_are_new_calls,
    "any-leader-is-believed": any_leader_is_believed,
    "snapshots-without-digest": snapshots_without_digest,
    **OF_ALERT_WORKERS,
    **OF_PROJECTORS,
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """With one break in force; afterwards everything is whole again."""
    whole = (
        mock.patch.multiple(LiveState, barrier=LiveState.barrier, is_fresh=LiveState.is_fresh),
        mock.patch.object(Chain, "accepts", Chain.accepts),
        mock.patch.object(RecentCalls, "remember", RecentCalls.remember),
        mock.patch.object(snapshots, "has_record", known_records.has_record),
        mock.patch.multiple(Brokers, one_is_enough=False, any_leader_is_believed=False),
        mock.patch.object(Publisher, "publish", Publisher.publish),
        mock.patch.multiple(JudgedEvents, _require_known=JudgedEvents._require_known, authority=JudgedEvents.authority),
        mock.patch.object(SeenLanes, "takes", SeenLanes.takes),
        mock.patch.object(ChangeWriter, "write", ChangeWriter.write),
        mock.patch.object(store, "_proved", store._proved),
        mock.patch.object(worker, "require_known_log", known_log.require_known_log),
        mock.patch.object(store, "require_same_records", known_log.require_same_records),
    )
    with ExitStack() as stack:
        for each in whole:
            stack.enter_context(each)
        BREAKS[name]()
        yield

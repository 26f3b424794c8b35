"""Deliberate breaks of what keeps answers right, to show that the simulation finds them: those of the cluster's tests, as far as they
are not of Kafka's clients, and a snapshot that nobody compares with the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

from domain.log.chain import Chain
from domain.ports import Topic
from domain.state.recent_calls import RecentCalls
from services.adapters import known_records, snapshots
from services.kms_api.live_state import LiveState
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


BREAKS: Mapping[str, Callable[[], None]] = {
    "no-freshness": breaks.no_freshness,
    "no-chain": breaks.no_chain,
    "one-broker-is-enough": one_broker_is_enough,
    "retries-are-new-calls": breaks.retries_are_new_calls,
    "any-leader-is-believed": any_leader_is_believed,
    "snapshots-without-digest": snapshots_without_digest,
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
    )
    with whole[0], whole[1], whole[2], whole[3], whole[4]:
        BREAKS[name]()
        yield

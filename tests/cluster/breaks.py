"""Deliberate breaks of what keeps answers right, to show that the judge of histories finds them.

`python -m tests.cluster.breaks NAME MODULE` runs one of Keytrail's processes with a break.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from domain.log.chain import Chain, digest
from domain.log.record import Record
from domain.state.recent_calls import RecentCalls
from services.adapters.kafka import KafkaTopic
from services.kms_api.live_state import LiveState


def no_freshness() -> None:
    """A worker decides on whatever it has read so far."""

    async def at_once(self: LiveState) -> None:
        await asyncio.sleep(0)

    LiveState.barrier = at_once  # type: ignore[method-assign]  # that is the break
    LiveState.is_fresh = lambda self: bool(self.world.access_keys)  # type: ignore[method-assign]  # as above


def no_chain() -> None:
    """Every record counts, whatever its writer had read."""

    def accepts(self: Chain, position: int, value: bytes, document: Mapping[str, Any]) -> bool:
        self.head, self.position = digest(value), position
        self.authority.follow(position, self.head, value, document)
        return True

    Chain.accepts = accepts  # type: ignore[method-assign]  # as above


def one_broker_is_enough() -> None:
    """An append counts when the leader has it, in its memory."""
    init = AIOKafkaProducer.__init__

    def weak(self: AIOKafkaProducer, **options: Any) -> None:
        init(self, **{**options, "acks": 1, "enable_idempotence": False})

    AIOKafkaProducer.__init__ = weak


def retries_are_new_calls() -> None:
    remember = RecentCalls.remember

    def forgetful(self: RecentCalls, position: int, record: Record, now: int) -> None:
        remember(self, position, record, now)
        self.answers.clear()

    RecentCalls.remember = forgetful  # type: ignore[method-assign]  # as above


def any_leader_is_believed() -> None:
    """The end of the log is what the broker says that led last, as far as this client knows."""

    async def end(self: KafkaTopic, consumer: Any, partition: Any) -> int:
        return int((await consumer.end_offsets([partition]))[partition])

    KafkaTopic._confirmed_end = end  # type: ignore[method-assign]  # as above


BREAKS: dict[str, Callable[[], None]] = {
    "no-freshness": no_freshness,
    "no-chain": no_chain,
    "one-broker-is-enough": one_broker_is_enough,
    "retries-are-new-calls": retries_are_new_calls,
    "any-leader-is-believed": any_leader_is_believed,
}

if __name__ == "__main__":
    name, module = sys.argv[1:]
    BREAKS[name]()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

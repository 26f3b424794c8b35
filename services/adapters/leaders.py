"""Asks the brokers that lead partitions, and has another broker confirm that they do.

A broker that is cut off from the others does not know that it leads no longer: it answers as before, from what it has. The client
asks any broker who leads, and aiokafka's metadata have no leader epochs: it goes back to a former leader if that one says so,
also after it has read from the present one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import BrokerNotAvailableError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

CONFIRM_DEADLINE = 0.5
"""Seconds that a broker has to say who leads, before the next one is asked."""
CONNECT_DEADLINE = 1.5
"""Seconds for that where the connection is made first: TLS and SCRAM take six turns."""
AGAIN_AFTER = 0.05
LeadersAnswer = TypeVar("LeadersAnswer")
Bounds = dict[TopicPartition, tuple[int, int]]
"""By partition: the first offset that is still there, and the offset of its next record."""
LeaderOf = Mapping[TopicPartition, int]


def are_confirmed(known: LeaderOf, said: LeaderOf, known_since: LeaderOf) -> bool:
    """Whether those that answered lead. `known`, `known_since`: as the client knew the leaders before and after the answer;
    `said`: as another broker says, of each partition that has another replica."""
    return all(known[each] == leader == known_since[each] for each, leader in said.items())


class ConfirmedLeaders:
    """Whoever asks again and again keeps it: it asks the broker first that answered last."""

    def __init__(self) -> None:
        self._confirmed_by = -1

    async def ask(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Collection[TopicPartition],
        question: Callable[[], Awaitable[LeadersAnswer]],
        tell: Callable[[LeaderOf], None] = lambda said: None,
    ) -> LeadersAnswer:
        """The answer to a question that the consumer asks the leaders of these partitions. It is asked again until another
        replica of each confirms who leads; `tell` learns what they say. If a partition has one replica, the word of its
        leader counts. Raises KafkaError, TimeoutError: also if no other replica is known, since then no record could be
        written either."""
        client: AIOKafkaClient = consumer._client
        while True:
            known = _known(client, partitions)
            others = {each: found for each in partitions if (found := _others(client, each, known[each]))}
            if not others:
                return await question()
            answer: LeadersAnswer
            answer, said = await asyncio.gather(question(), self._said(client, others))
            tell(said)
            if are_confirmed(known, said, _known(client, partitions)):
                return answer
            await client.force_metadata_update()
            await asyncio.sleep(AGAIN_AFTER)

    async def bounds(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> Bounds:
        """Raises KafkaError, TimeoutError."""

        async def asked() -> Bounds:
            starts = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            return {each: (int(starts[each]), int(ends[each])) for each in partitions}

        return await self.ask(consumer, partitions, asked)

    async def _said(
        self, client: AIOKafkaClient, others: Mapping[TopicPartition, Sequence[int]]
    ) -> dict[TopicPartition, int]:
        """The leader of each partition, as one of these brokers knows it. Raises KafkaError, TimeoutError if none of them
        answers."""
        topics = sorted({each.topic for each in others})
        said: dict[TopicPartition, int] = {}
        silent: set[int] = set()
        fault: Exception = TimeoutError()
        while left := [each for each in others if each not in said]:
            if not all(set(others[each]) - silent for each in left):
                raise fault
            answers_for = Counter(broker for each in left for broker in others[each] if broker not in silent)
            broker = max(answers_for, key=lambda each: (answers_for[each], each == self._confirmed_by))
            try:
                async with asyncio.timeout(CONFIRM_DEADLINE if _is_connected(client, broker) else CONNECT_DEADLINE):
                    answer: Any = await client.send(broker, MetadataRequest(topics))
            except (KafkaError, TimeoutError, OSError) as found:
                silent.add(broker)
                fault = found
                continue
            self._confirmed_by = broker
            leaders = {TopicPartition(topic[1], part[1]): int(part[2]) for topic in answer.topics for part in topic[-1]}
            said |= {each: leaders.get(each, -1) for each in left if broker in others[each]}
        return said


def _is_connected(client: AIOKafkaClient, broker: int) -> bool:
    found = client._conns.get((broker, ConnectionGroup.DEFAULT))
    return found is not None and bool(found.connected())


def _known(client: AIOKafkaClient, partitions: Collection[TopicPartition]) -> LeaderOf:
    return {each: client.cluster.leader_for_partition(each) for each in partitions}


def _others(client: AIOKafkaClient, partition: TopicPartition, leader: int) -> list[int]:
    """The other brokers that have the partition: one without it may be cut off together with a former leader. Raises
    BrokerNotAvailableError if none of them is there."""
    found = client.cluster._partitions.get(partition.topic, {}).get(partition.partition)
    replicas: Sequence[int] = () if found is None else found.replicas
    others = [each for each in replicas if each != leader and client.cluster.broker_metadata(each) is not None]
    if not others and len(replicas) > 1:
        raise BrokerNotAvailableError("no other broker confirms who leads")
    return others

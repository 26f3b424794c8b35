"""A broker that led, is cut off from the others, and does not know that another one leads: what it says is not believed.

Clients begin at it here, as they do by chance anywhere: aiokafka asks one of the addresses in the settings for the brokers, and any
of those who leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from domain.ports import Unavailable
from services.adapters.kafka import KafkaReader, KafkaTopic, administering
from services.adapters.topic_bounds import bounds
from services.settings import Settings
from tests.cluster.cluster import Cluster
from tests.cluster.leadership import leader_of
from tests.installation import eventually
from tests.loops import run

pytestmark = pytest.mark.cluster
TOPIC = "followed"
PATIENCE = 60.0
CLIENTS = 16
"""Each asks the former leader with a chance of one third. That none does happens once in 650 runs."""
SOON = 2.0


@dataclass(frozen=True, slots=True)
class CutApart:
    """`settings` name the former leader alone. `end`: of the topic, where another broker leads."""

    settings: Settings
    end: int


async def made(settings: Settings) -> bool:
    """Whether the topic is there, on three brokers, of which two have to take a record."""
    with suppress(KafkaError, OSError):
        async with administering(settings) as admin:
            await admin.create_topics([NewTopic(TOPIC, 1, 3, topic_configs={"min.insync.replicas": "2"})])
            (described,) = await admin.describe_topics([TOPIC])
            return [len(each["isr"]) for each in described["partitions"]] == [3]
    return False


async def append(settings: Settings, value: bytes) -> int:
    """Perhaps twice, while it changes who leads. Returns the end of the topic."""
    topic = KafkaTopic(settings, TOPIC)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(Unavailable):
                    await topic.append(value)
                    return await topic.end()
    finally:
        await topic.close()


@pytest.fixture(scope="module")
def cut_apart(cluster: Cluster) -> Iterator[CutApart]:
    network, brokers = cluster.network, cluster.brokers.all
    if not network.can_cut:
        pytest.skip("networks are cut by ip, as root")
    eventually(lambda: run(made(cluster.admin)), within=PATIENCE)
    run(append(cluster.admin, b"before"))
    former = brokers[run(leader_of(cluster.admin, TOPIC)) - 1]
    others = [each.machine.name for each in brokers if each is not former]
    cuts = [pair for each in others for pair in ((former.machine.name, each), (each, former.machine.name))]
    for pair in cuts:
        network.cut(*pair)
    ends = [run(append(cluster.admin, each)) for each in (b"since", b"later")]
    yield CutApart(replace(cluster.admin, kafka=former.at("CLIENTS")), ends[-1])
    for pair in cuts:
        network.mend(*pair)


async def read_at_end(cut_apart: CutApart) -> None:
    """Returns if nothing is found within some seconds."""
    reader = await KafkaReader(cut_apart.settings, TOPIC).open(cut_apart.end)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                await reader.read(1)
    finally:
        await reader.close()


async def test_a_reader_does_not_take_for_lost_what_a_former_leader_lacks(cut_apart: CutApart) -> None:
    """Every process that followed the log ended, as it does when brokers lost what they had acknowledged."""
    found = await asyncio.gather(*(read_at_end(cut_apart) for _ in range(CLIENTS)), return_exceptions=True)
    assert {type(each) for each in found} <= {type(None), Unavailable}


async def test_the_bounds_of_a_topic_are_those_at_the_present_leader(cut_apart: CutApart) -> None:
    """A key of records was retired from the former leader's end on, and what the present one had taken since was void."""
    found = await asyncio.gather(*(bounds(cut_apart.settings, TOPIC) for _ in range(CLIENTS)), return_exceptions=True)
    told = [each for each in found if not isinstance(each, Unavailable)]
    assert told
    assert told == [{0: (0, cut_apart.end)}] * len(told)

"""The Faust app: the topics as streams, in the way that is safe with Faust.

Each partition is judged one message at a time: at a concurrency of 2, Faust lost messages when it was killed. Delivery is
at-least-once, on topics without transactions, with no tables and no leader topic. Faust's offsets in Kafka say where a worker
begins to read. Postgres says what is judged (positions.py), and a record that Faust passes over is read from the topic itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import faust
from faust.types.auth import SASLMechanism

from domain.ports import Stored
from services.adapters.kafka import METADATA_AGE_MS, connection
from services.adapters.topics import names
from services.alert_worker.faust_transport import AT_ONCE, GatheringTransport
from services.settings import Settings

SESSION = 6.0
"""Seconds after which a worker that was killed is missed (Kafka's least). A worker that comes back in time keeps its
partitions, by its name."""
HANGS = 10.0
"""Seconds after which a broker that does not answer is taken for lost. A rebalance takes as long as a session at most."""
BUFFERED = 64
"""How many fetches may wait for a stream before Faust asks for no more."""

Take = Callable[[int, Sequence[Stored]], Awaitable[None]]
"""Takes a partition and the records that came from it, in order."""


def app_of(
    settings: Settings, name: str, on_events: Take, on_decisions: Take, on_moved: Callable[[int, int], None]
) -> Any:
    """`name` is the worker's, and stays the same when it starts again. Records are judged when `on_events` or `on_decisions`
    returns. `on_moved` is told the partition of decisions, and the offset from which on they come by another connection."""
    topics = names(settings)
    app: Any = faust.App(
        f"{settings.topic_prefix}.alerts",
        broker=[f"kafka://{each.strip()}" for each in settings.kafka.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=SESSION,
        broker_heartbeat_interval=SESSION / 4,
        broker_commit_interval=1.0,
        broker_request_timeout=HANGS,
        consumer_metadata_max_age_ms=METADATA_AGE_MS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=name,
        consumer_max_fetch_size=4 * 1_048_576,
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED,
        broker_max_poll_records=AT_ONCE,
        autodiscover=False,
        logging_config=None,
    )

    def moved(topic: str, partition: int, offset: int) -> None:
        if topic == topics.decisions:
            on_moved(partition, offset)

    app._create_directories = _nothing  # those for its tables, which we do not have: a killed worker would leave them
    app.transport = GatheringTransport(app.conf.broker_consumer, app, on_moved=moved)
    for topic, kind, take in ((topics.events, "events", on_events), (topics.decisions, "decisions", on_decisions)):
        channel = app.topic(topic, key_serializer="raw", value_serializer="raw", value_type=bytes, internal=False)
        app.agent(channel, name=kind, concurrency=1)(partial(_judge, take))
    return app


async def _judge(take: Take, stream: Any) -> None:
    """Judge all records that came during the last call in one go: each call is a transaction."""
    async for event in stream.events():
        waiting = [event]
        while not stream.channel.empty() and sum(len(each.message.value) for each in waiting) < AT_ONCE:
            waiting.append(await stream.channel.get())
        records: dict[int, list[Stored]] = {}
        for each in waiting:
            records.setdefault(each.message.partition, []).extend(each.message.value)
        for partition, found in records.items():
            await take(partition, found)
        for each in waiting[1:]:  # Faust acknowledges the first one
            each.ack()


def _nothing() -> None:
    pass


def _credentials(settings: Settings) -> Any:
    """Faust's form of the security settings; None for plain text."""
    given = connection(settings)
    context = given.get("ssl_context")
    if "sasl_mechanism" in given:
        return faust.SASLCredentials(
            username=given["sasl_plain_username"],
            password=given["sasl_plain_password"],
            mechanism=SASLMechanism(given["sasl_mechanism"]),
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None

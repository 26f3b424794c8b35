"""The log and the command channel on Kafka, by aiokafka: ports of domain/ports.py.

What this file knows of aiokafka 0.14 and works around:
- with idempotence a send never times out by itself, and after one fatal error the producer never works again. Here
  every append has a deadline, and a producer that missed one is thrown away;
- a client notices that a broker hangs, and looks for its successor, only when a request has had no answer for
  `request_timeout_ms`; the default is 40 s. A caller who stops waiting sooner leaves that connection in use. So every client
  here has a short REQUEST_TIMEOUT_MS, and one that missed a deadline is thrown away;
- a broker that is cut off from the others does not know that it leads no longer: it answers as before, from what it has. It has
  no new records, so a reader waits there without any error. So every client asks again for the leaders each METADATA_AGE_MS,
  and whoever asks for the log's end has another broker confirm the leader (leaders.py);
- a fetch is long-polled on the connection to the leader, and a broker answers a connection's requests in order. So a
  separate client asks for the watermark, which would otherwise wait for the fetch;
- a client that ends awaits its own tasks, and takes any cancellation for theirs. A task that was cancelled meanwhile would go on.
  So every client ends by `discard`, in a task that nobody else cancels;
- a client that ends while brokers are away stops half-way, and what is left looks for them for ever. `discard` ends that too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakSet

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from domain.ports import Headers, Reader, Stored, Unavailable, reason_of
from services.adapters.continuity import Continuity
from services.adapters.leaders import ConfirmedLeaders, LeaderOf
from services.settings import BadSetting, Settings
from services.tls_files import context_for_kafka

APPEND_DEADLINE = 5.0
"""Seconds after which an append counts as failed. It may still be written later."""
ASK_DEADLINE = 3.0
END_DEADLINE = 2.0
FETCH_WAIT_MS = 500
REQUEST_TIMEOUT_MS = 1500
"""A broker that has not answered for so long is taken for lost. It answers a fetch within FETCH_WAIT_MS, and an append when the
replicas have it. An append that takes longer is sent again with its number, so it is on the topic once."""
RETRY_BACKOFF = 0.05
METADATA_AGE_MS = 3000
Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient
MAX_VALUE = 1_048_576
"""The longest value in bytes that is sent; the topics are made for twice that."""


def connection(settings: Settings) -> dict[str, Any]:
    """The options of every client of aiokafka: the servers, and security if it is set. Raises OSError."""
    result: dict[str, Any] = {
        "bootstrap_servers": settings.kafka,
        "security_protocol": settings.kafka_security,
    }
    if "SSL" in settings.kafka_security:
        try:
            result["ssl_context"] = context_for_kafka(settings)
        except BadSetting as fault:  # a start refuses it; while a process runs, the file may be there again in a moment
            raise OSError(str(fault)) from None
    if settings.kafka_security.startswith("SASL"):
        result["sasl_mechanism"] = settings.kafka_sasl_mechanism
        result["sasl_plain_username"] = settings.kafka_username
        result["sasl_plain_password"] = settings.kafka_password
    return result


class KafkaReader:
    """A consumer with one assigned partition; it never resets its offset."""

    def __init__(self, settings: Settings, topic: str, partition: int = 0) -> None:
        self._settings = settings
        self._partition = TopicPartition(topic, partition)
        self._consumer: AIOKafkaConsumer | None = None
        self._continuity: Continuity | None = None

    async def open(self, offset: int) -> KafkaReader:
        consumer = await started(
            self._settings,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 * MAX_VALUE,
            check_crcs=True,
        )
        consumer.assign([self._partition])
        consumer.seek(self._partition, offset)
        self._consumer = consumer
        self._continuity = Continuity(consumer)
        return self

    async def read(self, limit: int) -> Sequence[Stored]:
        assert self._continuity is not None, "open comes first"
        while True:
            found = await self._continuity.fetch(self._partition, within_ms=FETCH_WAIT_MS, most=limit)
            for records in found.values():
                return [
                    Stored(record.offset, record.value or b"", record.timestamp * 1000, record.headers)
                    for record in records
                ]

    def follow_leader(self, leader: int) -> None:
        """Ask the brokers who leads, if this reader reads from another one."""
        if self._consumer is not None:
            client: AIOKafkaClient = self._consumer._client
            if client.cluster.leader_for_partition(self._partition) != leader:
                client.force_metadata_update()

    async def close(self) -> None:
        if self._consumer is not None:
            await drop(self._consumer)


async def started(settings: Settings, **options: Any) -> AIOKafkaConsumer:
    """A consumer that follows what it is assigned, from where it is put, and never resets its offsets. Raises Unavailable."""
    consumer = AIOKafkaConsumer(
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        retry_backoff_ms=int(RETRY_BACKOFF * 1000),
        metadata_max_age_ms=METADATA_AGE_MS,
        **options,
    )
    start = asyncio.ensure_future(consumer.start())
    try:
        async with asyncio.timeout(ASK_DEADLINE * 3):
            await asyncio.shield(start)
    except (KafkaError, TimeoutError, OSError) as fault:
        start.cancel()
        await discard(consumer)
        raise Unavailable(reason_of(fault)) from fault
    except BaseException:
        # A start that is cancelled while it asks its first broker forgets that connection, so it is left to end.
        await asyncio.wait([start], timeout=ASK_DEADLINE)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        await discard(consumer)
        raise
    return consumer


async def asker(settings: Settings, *topics: str) -> AIOKafkaConsumer:
    """A consumer that is asked for watermarks of these topics and reads nothing. Raises Unavailable.

    It subscribes to none of them: a subscriber begins to fetch at once, and the broker would answer questions behind that fetch.
    """
    consumer = await started(settings)
    try:
        async with asyncio.timeout(ASK_DEADLINE):
            for each in topics:
                await consumer._client._wait_on_metadata(each)
    except (KafkaError, TimeoutError, OSError) as fault:
        await drop(consumer)
        raise Unavailable(f"the broker does not say where {', '.join(topics)} is: {fault!r}") from fault
    except BaseException:
        await drop(consumer)
        raise
    return consumer


async def drop(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer at once. TLS says goodbye, and a broker hears it only when it has answered the fetch that is under way: so
    connections are broken off where they would be closed."""
    for each in consumer._client._conns.values():
        if each._writer is not None:
            each._writer.close = each._writer.transport.abort
    await discard(consumer)


async def discard(client: Client) -> None:
    """End a client of aiokafka without waiting for a broker that does not answer. A caller who is cancelled meanwhile learns that
    when the client has ended, so that none of its tasks is left."""
    ending, loop = asyncio.ensure_future(_end(client)), asyncio.get_running_loop()
    cancelled, ends = None, loop.time() + 2 * END_DEADLINE  # a client may swallow the timeout of its end, too
    while not ending.done() and (left := ends - loop.time()) > 0:
        try:
            await asyncio.wait([ending], timeout=left)
        except asyncio.CancelledError as fault:
            cancelled = fault
    if cancelled is not None:
        raise cancelled


async def _end(client: Client) -> None:
    """While brokers are away, a consumer stops half-way, since it raises the cancellation of its own fetch, and a producer waits
    for what it cannot send. What is left would look for brokers for ever, and keep connections to them once they are back."""
    try:
        await _by_deadline(client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
    finally:
        parts = [getattr(client, name, None) for name in ("_coordinator", "_fetcher", "_sender")]
        await _by_deadline(_cancel({each for part in parts if part is not None for each in _tasks_of(part)}))
        if isinstance(client, AIOKafkaProducer):
            client._message_accumulator.fail_all(KafkaConnectionError("the producer has ended"))
        await _by_deadline((client.client if isinstance(client, AIOKafkaProducer) else client._client).close())


async def _by_deadline(ending: Coroutine[Any, Any, None]) -> None:
    own = asyncio.current_task()
    assert own is not None, "a coroutine runs in a task"
    try:
        async with asyncio.timeout(END_DEADLINE):
            await ending
    except (KafkaError, TimeoutError, OSError):
        pass
    except asyncio.CancelledError:
        if own.cancelling():  # otherwise it was meant for a task of the client's
            raise


def _tasks_of(part: Any) -> set[asyncio.Task[Any]]:
    return {
        each for each in (*vars(part).values(), *vars(part).get("_pending_tasks", ())) if isinstance(each, asyncio.Task)
    }


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def administering(settings: Settings, patience_ms: int = 15_000) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that asks what a cluster has, and changes it. Raises KafkaError, TimeoutError, OSError, and so does what it is
    asked."""
    client = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=patience_ms)
    try:
        await client.start()
        yield client
    finally:
        await discard(client)


class KafkaTopic:
    """One topic of one partition (port Topic)."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.topic = topic
        self._settings = settings
        self._producer = Producer(settings)
        self._asking: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()
        self._leaders = ConfirmedLeaders()
        self._readers: WeakSet[KafkaReader] = WeakSet()

    async def connect(self) -> None:
        """Connect as for an append, so that the first one does not wait for it. Raises Unavailable."""
        try:
            await self._producer.connect()
        except (KafkaError, TimeoutError, OSError) as fault:
            raise Unavailable(f"the broker does not answer: {fault!r}") from fault

    async def append(self, value: bytes, headers: Headers = ()) -> int:
        return await self._producer.append(self.topic, 0, value, headers)

    async def send(self, value: bytes, headers: Headers = ()) -> asyncio.Future[Any]:
        """Queue a value after those that are queued already; the future ends when it is durable. For a writer's pipeline."""
        return await self._producer.send(self.topic, 0, value, headers)

    async def reader(self, offset: int) -> Reader:
        reader = await KafkaReader(self._settings, self.topic).open(offset)
        self._readers.add(reader)
        return reader

    async def end(self) -> int:
        return await self._ask(self._confirmed_end)

    async def start(self) -> int:
        return await self._ask(self._start)

    async def _start(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        return (await self._leaders.bounds(consumer, [partition]))[partition][0]

    async def _confirmed_end(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        async def asked() -> int:
            return int((await consumer.end_offsets([partition]))[partition])

        def tell(said: LeaderOf) -> None:
            for each in self._readers:
                each.follow_leader(said[partition])

        return await self._leaders.ask(consumer, [partition], asked, tell)

    async def _ask(self, question: Callable[[AIOKafkaConsumer, TopicPartition], Awaitable[int]]) -> int:
        try:
            async with asyncio.timeout(ASK_DEADLINE):
                return await question(await self._asker(), TopicPartition(self.topic, 0))
        except (KafkaError, TimeoutError, OSError) as fault:
            stale, self._asking = self._asking, None
            if stale is not None:
                await drop(stale)
            raise Unavailable(f"the broker does not answer: {fault!r}") from fault

    async def _asker(self) -> AIOKafkaConsumer:
        async with self._lock:
            if self._asking is None:
                self._asking = await asker(self._settings, self.topic)
            return self._asking

    async def close(self) -> None:
        await self._producer.close()
        if self._asking is not None:
            await drop(self._asking)
            self._asking = None


async def _queued(put: Callable[[], Awaitable[asyncio.Future[Any]]]) -> asyncio.Future[Any]:
    """What the producer gives for what it has queued. One more batch has room behind the one that waits for its answer. aiokafka
    waits for room no longer than REQUEST_TIMEOUT_MS, and has queued nothing then. A takeover by another broker lasts longer, so
    this tries again until APPEND_DEADLINE."""
    until = time.monotonic() + APPEND_DEADLINE
    while True:
        try:
            return await put()
        except KafkaTimeoutError:
            if time.monotonic() > until:
                raise


class Producer:
    """An idempotent producer with a deadline for every append. After an append that failed, a new one is made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Raises KafkaError, TimeoutError, OSError."""
        await self._started()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    # Decisions of one moment are much alike: compressed, a ninth of the bytes is sent, kept and read.
                    # Snappy takes half a microsecond for a decision; lz4 as aiokafka calls it (level 9) takes several
                    # times that.
                    compression_type="snappy",
                    max_batch_size=262_144,
                    max_request_size=2 * MAX_VALUE,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                    retry_backoff_ms=int(RETRY_BACKOFF * 1000),
                    metadata_max_age_ms=METADATA_AGE_MS,
                )
                try:
                    async with asyncio.timeout(ASK_DEADLINE * 2):
                        await producer.start()
                except BaseException:
                    await discard(producer)
                    raise
                self._producer = producer
            return self._producer

    async def send(self, topic: str, partition: int, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        producer = await self._started()
        return await _queued(lambda: producer.send(topic, value, partition=partition, headers=list(headers)))

    async def append(self, topic: str, partition: int, value: bytes, headers: Headers) -> int:
        async with self._in_time(topic):
            future = await self.send(topic, partition, value, headers)
            return int((await asyncio.shield(future)).offset)

    async def append_all(self, topic: str, partition: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        """Append all records, in as few batches as possible. All of them are durable when this returns. Raises Unavailable."""
        async with self._in_time(topic):
            producer = await self._started()
            now = time.time_ns() // 1_000_000
            futures = []
            batch = producer.create_batch()
            for value, headers in records:
                if batch.append(key=None, value=value, timestamp=now, headers=list(headers)) is None:
                    futures.append(await _queued(partial(producer.send_batch, batch, topic, partition=partition)))
                    batch = producer.create_batch()
                    batch.append(key=None, value=value, timestamp=now, headers=list(headers))
            futures.append(await _queued(partial(producer.send_batch, batch, topic, partition=partition)))
            for future in futures:
                await asyncio.shield(future)

    @contextlib.asynccontextmanager
    async def _in_time(self, topic: str) -> AsyncIterator[None]:
        """Limits an append to its deadline. If it raises Unavailable, the producer is thrown away."""
        try:
            async with asyncio.timeout(APPEND_DEADLINE):
                yield
        except (KafkaError, TimeoutError, OSError) as fault:
            self.discard()
            raise Unavailable(f"{topic} could not be appended to: {fault!r}") from fault

    def discard(self) -> None:
        """Make the next append use a new producer. The old one is closed in the background, and may still be sending."""
        stale, self._producer = self._producer, None
        if stale is not None:
            task = asyncio.ensure_future(discard(stale))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        if self._producer is not None:
            await discard(self._producer)
            self._producer = None
        await asyncio.gather(*self._closing, return_exceptions=True)

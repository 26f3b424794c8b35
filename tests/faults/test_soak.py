"""Real processes, killed and paused under load: no answered call is lost, and nothing happens twice.

`make test` does one of each kind; `make soak` the full counts (DESIGN: 10 kills of the writer, 5 pauses).
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from botocore.exceptions import BotoCoreError, ClientError

from domain.ports import Unavailable
from domain.state.fold import Fold
from domain.verification.log import verify
from services.adapters.kafka import KafkaTopic, administering
from services.adapters.topics import log_topic, names
from tests.installation import Installation, eventually
from tests.pausing import pause, paused

IN_FLIGHT = 32
RESUMES_WITHIN = 10.0


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A separate installation, so that other tests do not feel the kills."""
    data = tmp_path_factory.mktemp("struck") / "data"
    with Installation(
        data, workers=2, own="its broker is killed", KEYTRAIL_WRITERS="2", KEYTRAIL_COMMAND_DEADLINE="5"
    ) as running:
        yield running


class Load:
    """Changing calls from IN_FLIGHT threads. It remembers the answers and their times."""

    def __init__(self, installation: Installation, calls: int) -> None:
        self._client = installation.client(
            retries={"mode": "standard", "total_max_attempts": 10}, max_pool_connections=IN_FLIGHT, read_timeout=30
        )
        self.key = self._client.create_key()["KeyMetadata"]["KeyId"]
        self._numbers = iter(range(calls))
        self._lock = threading.Lock()
        self.answered: list[tuple[int, float]] = []
        self.failed: list[tuple[int, str]] = []
        self.created: list[tuple[int, str]] = []
        self.done = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            for each in [pool.submit(self._work) for _ in range(IN_FLIGHT)]:
                each.result()
        self.done.set()

    def _work(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            try:
                if number % 10 == 0:
                    made = self._client.create_key(Description=f"call {number}")["KeyMetadata"]
                    self.created.append((number, made["KeyId"]))
                else:
                    self._client.update_key_description(KeyId=self.key, Description=f"call {number}")
                self.answered.append((number, time.monotonic()))
            except (ClientError, BotoCoreError) as fault:
                self.failed.append((number, str(fault)))


async def read_log(installation: Installation) -> list[tuple[int, bytes]]:
    """Every value of the log. A broker that was just struck may still be starting."""
    ends = time.monotonic() + 60
    while True:
        try:
            return await _read_log(installation)
        except Unavailable:
            assert time.monotonic() < ends, "the broker did not come back"
            await asyncio.sleep(0.2)


async def _read_log(installation: Installation) -> list[tuple[int, bytes]]:
    events = log_topic(installation.settings)
    try:
        end = await events.end()
        reader = await events.reader(0)
        values: list[tuple[int, bytes]] = []
        while len(values) < end:
            values += [(stored.offset, stored.value) for stored in await reader.read(1000)]
        await reader.close()
        return values
    finally:
        await events.close()


def leader(installation: Installation) -> psutil.Process:
    """The writer in force: the last one whose log says that it leads."""
    found = []
    for log in (installation.data / "logs").glob("writer-*.log"):
        lines = [line for line in log.read_text().splitlines() if '"writer leads"' in line]
        if lines:
            found.append((lines[-1].rsplit('"at": "', 1)[-1], log.stem))
    return installation.process(max(found)[1])


def terms(installation: Installation) -> int:
    return sum(log.read_text().count('"writer leads"') for log in (installation.data / "logs").glob("writer-*.log"))


def kill_writer(installation: Installation) -> None:
    before = terms(installation)
    leader(installation).kill()
    eventually(lambda: terms(installation) > before, within=RESUMES_WITHIN + 5)


def pause_writer(installation: Installation) -> None:
    before = terms(installation)
    with paused(leader(installation)):
        eventually(lambda: terms(installation) > before, within=20)


def kill_api(installation: Installation) -> None:
    installation.process("api-1").kill()
    time.sleep(1)  # the next strike should meet a worker that is starting


def kill_broker(installation: Installation) -> None:
    installation.process("kafka").kill()
    eventually(installation.healthy, within=60)


STRIKES = {
    "kill the writer": (kill_writer, 10),
    "pause the writer": (pause_writer, 5),
    "kill an API worker": (kill_api, 2),
    "kill the broker": (kill_broker, 2),
}
"""What to strike, and how often in the full count."""


def answers_since(load: Load, moment: float) -> bool:
    """Whether a call was answered after the moment, or all are."""
    return load.done.is_set() or any(at > moment for _, at in load.answered[-IN_FLIGHT:])


def longest_gap(load: Load, since: float) -> float:
    """The longest time in seconds without an answer, from `since` on."""
    moments = [since, *sorted(at for _, at in load.answered if at > since)]
    return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)


def test_nothing_answered_is_lost_and_nothing_happens_twice(struck: Installation, soak: bool) -> None:
    load = Load(struck, calls=20_000 if soak else 2_000)
    running = threading.Thread(target=load.run)
    running.start()
    resumed: dict[str, list[float]] = {}
    try:
        for name, (strike, full) in STRIKES.items():
            for _ in range(full if soak else 1):
                began = time.monotonic()
                strike(struck)
                if load.done.is_set():
                    continue
                struck_at = time.monotonic()
                eventually(partial(answers_since, load, struck_at), within=60)
                resumed.setdefault(name, []).append(longest_gap(load, began))
    finally:
        running.join(600)
    # The promise is 10 s. Other work on the machine does not break the promise, so only the full count, which runs
    # alone, holds it to the second.
    slowest = max(gap for gaps in resumed.values() for gap in gaps)
    assert slowest <= (RESUMES_WITHIN if soak else 3 * RESUMES_WITHIN), resumed
    values = asyncio.run(read_log(struck))
    report = verify(values)
    assert report.whole, report
    fold = Fold()
    calls: Counter[str] = Counter()
    described: Counter[str] = Counter()
    for offset, value in values:
        record = fold.take(offset, value)
        if record is None or record.call is None:
            continue
        calls[record.call.id] += 1
        if record.event is not None:
            described[record.call.parameters.get("Description", "")] += 1
    assert max(calls.values()) == 1, "a command has at most one valid record"
    lost = [number for number, _ in load.answered if described[f"call {number}"] == 0]
    assert lost == [], "an answered call's record is valid for ever"
    twice = [number for number in range(len(load.answered)) if described[f"call {number}"] > 1]
    assert twice == [], "a client's retries are one call"
    missing = [key for _, key in load.created if key not in fold.world.keys]
    assert missing == []
    print(Counter(fault for _, fault in load.failed))
    print(f"{len(load.answered)} answered, {len(load.failed)} failed, {len(report.voids)} void; resumed {resumed}")
    assert len(load.answered) + len(load.failed) == (20_000 if soak else 2_000)


def test_every_reader_skips_the_same_void_records(struck: Installation) -> None:
    """The projection `decisions` has exactly the valid records of the log, whoever wrote between them."""
    values = asyncio.run(read_log(struck))
    fold = Fold()
    valid = [offset for offset, value in values if fold.take(offset, value) is not None]
    struck.caught_up()
    projected = struck.answers("status")[0]
    assert projected["position"] == valid[-1]
    assert projected["void_records"] == len(values) - len(valid)
    assert list(itertools.pairwise(valid)) == [(a, b) for a, b in itertools.pairwise(valid) if a < b]


@pytest.mark.soak  # certain only on a machine without other work
def test_a_worker_that_stops_answers_the_calls_it_has_begun(struck: Installation) -> None:
    """Graceful drain: a key that takes long to make is made and answered, although SIGTERM comes in the middle."""
    client = struck.client(max_pool_connections=4)
    client.list_keys()
    with ThreadPoolExecutor(4) as pool:
        making = [pool.submit(client.create_key, KeySpec="RSA_4096", KeyUsage="SIGN_VERIFY") for _ in range(4)]
        time.sleep(0.3)  # the requests must be under way: the test is that none is cut off
        workers = [struck.process(name) for name in ("api-1", "api-2")]
        for worker in workers:
            worker.terminate()
        made = [each.result()["KeyMetadata"]["KeyId"] for each in making]
    assert len(set(made)) == 4
    eventually(lambda: all(struck.pid(f"api-{number}") != worker.pid for number, worker in enumerate(workers, 1)))
    eventually(struck.healthy)


@pytest.mark.soak
def test_commands_that_were_lost_unread_stop_the_writer_until_an_operator_lets_it_go_on(struck: Installation) -> None:
    """DESIGN: a next offset below the start of `commands` stops the writer until an operator's recorded skip."""
    client = struck.client()
    client.create_key()
    writers = [struck.process(name) for name in ("writer-1", "writer-2")]
    for writer in writers:
        pause(writer)
    with pytest.raises(ClientError, match="DependencyTimeoutException"):
        client.create_key(Description="lost")
    asyncio.run(delete_commands(struck))
    for writer in writers:
        writer.kill()
    logs = struck.data / "logs"
    eventually(lambda: any("commands were lost" in log.read_text() for log in logs.glob("writer-*.log")))
    with pytest.raises(ClientError, match="DependencyTimeoutException"):
        client.create_key()
    struck.keytrail("skip-commands", "--yes")
    eventually(lambda: any('"commands skipped"' in log.read_text() for log in logs.glob("writer-*.log")))
    again = struck.client(retries={"mode": "standard", "total_max_attempts": 5})
    assert again.create_key(Description="after")["KeyMetadata"]["Description"] == "after"
    values = asyncio.run(read_log(struck))
    assert verify(values).whole
    assert any(b"commands.skipped.v1" in value for _, value in values)


async def delete_commands(installation: Installation) -> None:
    """Do now what retention does: remove everything on `commands` up to its end."""
    topic = names(installation.settings).commands
    commands = KafkaTopic(installation.settings, topic)
    try:
        async with administering(installation.settings) as admin:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=await commands.end())})
    finally:
        await commands.close()

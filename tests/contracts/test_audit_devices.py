"""What every audit device promises, kept by each kind: every decision, in the order of its partition, at least once, with an id
that tells duplicates; and a position that is never ahead of what the device holds."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import orjson
import pytest
from prometheus_client.registry import Collector as Metric

from projections.log.entry import DECISIONS
from services.adapters import topics
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import log_name
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.audit_devices import device_rows, positions, worker
from services.audit_devices.device_rows import SCHEMA
from services.audit_devices.devices_file import (
    DeviceSettings,
    FileDeviceSettings,
    OtlpDeviceSettings,
    SyslogDeviceSettings,
)
from services.audit_devices.positions import DevicePositions
from services.metrics import DEVICE_FAILURES, DEVICE_LAG
from services.projector.store import ReadTo
from tests import certificates
from tests.collector import CollectorServer, Reply
from tests.counts import with_all_in_soak
from tests.installation import Installation, eventually
from tests.syslog_server import SyslogServer
from tests.telling import Vault

PATIENCE = 40.0


class Receiver(Protocol):
    """The other end of a device."""

    @property
    def settings(self) -> DeviceSettings: ...

    def held(self) -> list[dict[str, Any]]:
        """Every record that it has, in the order in which it came."""
        ...

    def fail(self) -> None:
        """Take nothing any more."""
        ...

    def recover(self) -> None: ...

    def close(self) -> None: ...


class FolderReceiver:
    def __init__(self, name: str, folder: Path) -> None:
        self._path = folder / name / "decisions.jsonl"
        self._path.parent.mkdir(mode=0o700)
        self.settings = FileDeviceSettings(name=name, path=self._path, rotate_bytes=20_000, keep=0)

    def held(self) -> list[dict[str, Any]]:
        text = "".join(each.read_text("ascii") for each in sorted(self._path.parent.glob("*Z")))
        with suppress(FileNotFoundError, IsADirectoryError):  # in a moment of rotation, and while it fails
            text += self._path.read_text("ascii")
        return [orjson.loads(line) for line in text.split("\n")[:-1]]

    def fail(self) -> None:
        """Nothing can be written at its path."""
        if self._path.exists():
            self._path.rename(self._path.with_name(f"{self._path.name}.20000101T000000.000000Z"))
        self._path.mkdir()

    def recover(self) -> None:
        self._path.rmdir()

    def close(self) -> None:
        pass


class SyslogReceiver:
    """While it fails it takes what comes, keeps nothing of it and dies: what syslog cannot tell from a server that works."""

    def __init__(self, name: str, folder: Path) -> None:
        authority = certificates.Authority(folder / name)
        server = authority.issue("server", ["127.0.0.1"])
        certificate, key = authority.issue("client", ["127.0.0.1"])
        self.server = SyslogServer(server, client_ca=authority.certificate)
        self.settings = SyslogDeviceSettings(
            name=name,
            host="127.0.0.1",
            port=self.server.port,
            ca_file=str(authority.certificate),
            cert_file=str(certificate),
            key_file=str(key),
            settle_seconds=3,
        )

    def held(self) -> list[dict[str, Any]]:
        return [orjson.loads(each.text) for each in list(self.server.messages)]

    def fail(self) -> None:
        self.server.keeps = False

    def recover(self) -> None:
        self.server.kill()
        self.server.keeps = True
        self.server.start()

    def close(self) -> None:
        self.server.kill()


class CollectorReceiver:
    def __init__(self, name: str, folder: Path) -> None:
        self._servers = [CollectorServer()]
        self.settings = OtlpDeviceSettings(name=name, url=self._servers[0].url)

    @property
    def server(self) -> CollectorServer:
        return self._servers[-1]

    def held(self) -> list[dict[str, Any]]:
        return [
            orjson.loads(record["body"]["stringValue"])
            for server in self._servers
            for taken in list(server.taken)
            for resource in taken.message["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]

    def fail(self) -> None:
        self._servers[-1].stalls = True

    def recover(self) -> None:
        port = self._servers[-1].port
        self._servers[-1].kill()
        self._servers.append(CollectorServer(port))

    def close(self) -> None:
        self._servers[-1].kill()


KINDS: Mapping[str, Callable[[str, Path], Receiver]] = {
    "file": FolderReceiver,
    "syslog": SyslogReceiver,
    "otlp": CollectorReceiver,
}


@dataclass
class Tried:
    """One device of an installation. `start` is a process that begins, `kill` one that ends without a word."""

    installation: Installation
    pool: Pool
    keys: VaultKeyring
    log: str
    receiver: Receiver
    task: asyncio.Task[None] | None = None
    made: list[str] = field(default_factory=list)

    async def start(self) -> None:
        settings = self.installation.settings
        partitions = await topics.prepare(settings, flush=False)
        run = worker.run(settings, self.pool, partitions, self.keys, self.log, [self.receiver.settings])
        self.task = asyncio.create_task(run)

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        _, going_on = await asyncio.wait([self.task], timeout=PATIENCE)
        assert not going_on, "it was cancelled and goes on"

    async def calls(self, count: int) -> None:
        kms = self.installation.client()

        def call() -> list[str]:
            return [str(kms.list_keys()["ResponseMetadata"]["RequestId"]) for _ in range(count)]

        self.made += await asyncio.to_thread(call)

    def by_call(self) -> dict[str, list[dict[str, Any]]]:
        found = defaultdict(list)
        for each in self.receiver.held():
            found[each["call_id"]].append(each)
        return found

    async def holds_all(self) -> None:
        assert self.task is not None
        task = self.task
        await until(lambda: task.done() or set(self.made) <= self.by_call().keys())
        if task.done():
            await task  # raises why it ended

    async def follows(self) -> None:
        """Its position comes to what the other end has now."""
        last = {(each["topic"], each["partition"]): each["offset"] for each in self.receiver.held()}
        for _ in range(int(PATIENCE / 0.2)):
            reached = await self.position()
            if all(reached.get(where, 0) > offset for where, offset in last.items()):
                return
            await asyncio.sleep(0.2)
        pytest.fail(f"its position stays at {reached}")

    @property
    def positions(self) -> DevicePositions:
        return DevicePositions(self.pool, self.keys, self.log, self.receiver.settings.name)

    async def position(self) -> dict[tuple[str, int], int]:
        found = await self.positions.read()
        return {} if found is None else found.offsets


async def until(condition: Any, within: float = PATIENCE) -> None:
    await asyncio.to_thread(eventually, condition, within)


@pytest.fixture(autouse=True)
async def nothing_left(installation: Installation) -> AsyncIterator[None]:
    """Whoever asks the shared installation later, such as the doctor's tests, finds no device that fails."""
    yield
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        await pool.execute(f"DELETE FROM {SCHEMA}.devices")


ONE_KIND = with_all_in_soak(sorted(KINDS), ("file",))
"""For what is of every device alike."""


@pytest.fixture(params=sorted(KINDS))
async def tried(
    request: pytest.FixtureRequest, installation: Installation, keys: VaultKeyring, tmp_path: Path
) -> AsyncIterator[Tried]:
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        receiver = KINDS[request.param](f"{request.param}-{uuid4().hex[:8]}", tmp_path)
        found = Tried(installation, pool, keys, await log_name(log_topic(installation.settings), keys), receiver)
        await found.start()
        yield found
        await found.kill()
        receiver.close()


async def test_each_decision_is_held_once_in_the_order_of_its_partition(tried: Tried) -> None:
    await tried.calls(30)
    await tried.holds_all()
    held = tried.receiver.held()
    places: dict[Any, list[int]] = defaultdict(list)
    for each in held:
        places[each["topic"], each["partition"]].append(each["offset"])
    assert all(offsets == sorted(set(offsets)) for offsets in places.values())
    assert len({each["id"] for each in held}) == len(held)


async def test_after_a_kill_nothing_is_missing_and_the_id_tells_what_came_twice(tried: Tried) -> None:
    for _ in range(3):
        await tried.calls(20)
        await tried.kill()
        await tried.start()
    await tried.holds_all()
    for held in tried.by_call().values():
        assert held == [held[0]] * len(held), "a record that comes again is the same, id and all"


@pytest.mark.parametrize("tried", ONE_KIND, indirect=True)
async def test_it_ends_at_whatever_moment_it_is_stopped(tried: Tried, soak: bool) -> None:
    """aiokafka swallowed a cancellation that came while one of its clients ended."""
    for number in range(0, 40, 1 if soak else 4):
        await tried.kill()
        await tried.start()
        await asyncio.sleep(number * 0.005)


@pytest.mark.parametrize("tried", ONE_KIND, indirect=True)
async def test_what_came_while_the_device_was_away_comes_later(tried: Tried) -> None:
    await tried.calls(5)
    await tried.holds_all()
    await tried.kill()
    await tried.calls(20)
    await tried.start()
    await tried.holds_all()


@pytest.mark.parametrize("tried", with_all_in_soak(sorted(KINDS), ("syslog",)), indirect=True)
async def test_its_position_is_never_ahead_of_what_it_holds(tried: Tried) -> None:
    """While the receiver takes nothing, or loses what it takes, the position stays before those records. They come once it
    works, so not one was passed over."""
    await tried.calls(5)
    await tried.holds_all()
    tried.receiver.fail()
    await tried.calls(20)
    lost = set(tried.made[-20:])
    await asyncio.sleep(2)  # as long as a device may be wrong: it has all that it needs to move on
    before = await tried.position()
    assert not lost & tried.by_call().keys()
    tried.receiver.recover()
    await tried.holds_all()
    held = tried.by_call()
    for call in lost:
        [record, *_] = held[call]
        assert before.get((record["topic"], record["partition"]), 0) <= record["offset"]


@pytest.mark.parametrize("tried", ONE_KIND, indirect=True)
async def test_a_position_follows_what_is_held(tried: Tried) -> None:
    """Otherwise every start would write everything again."""
    await tried.calls(5)
    await tried.holds_all()
    await tried.follows()
    count = len(tried.receiver.held())
    await tried.kill()
    await tried.start()
    await tried.calls(1)
    await tried.holds_all()
    again = tried.receiver.held()[count:]
    assert tried.made[-1] in {each["call_id"] for each in again}
    assert not {each["id"] for each in again} & {each["id"] for each in tried.receiver.held()[:count]}


@asynccontextmanager
async def positions_refused(pool: Pool) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Postgres answers what is read, and refuses each new position. Gives how many it has refused, which outlasts what it takes
    back."""
    await pool.execute(
        f"""
        CREATE SEQUENCE {SCHEMA}.refused;
        CREATE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM nextval('{SCHEMA}.refused'); RAISE EXCEPTION 'no positions now'; END
        $$;
        CREATE TRIGGER refused BEFORE UPDATE OF document ON {SCHEMA}.devices
            FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.refuse()
        """
    )
    try:
        yield lambda: pool.fetchval(f"SELECT last_value FROM {SCHEMA}.refused")
    finally:
        await pool.execute(f"DROP FUNCTION {SCHEMA}.refuse CASCADE; DROP SEQUENCE {SCHEMA}.refused")


@pytest.mark.parametrize("tried", ["file"], indirect=True)
async def test_a_position_that_cannot_be_kept_holds_up_the_device_and_writes_nothing_again(tried: Tried) -> None:
    """Each attempt wrote the batch once more, until rotation had removed the archive for copies of it, and no metric grew."""
    await tried.calls(5)
    await tried.holds_all()
    name = tried.receiver.settings.name
    before = failures(name)
    async with positions_refused(tried.pool) as refused:
        await tried.calls(20)
        for _ in range(int(PATIENCE / 0.2)):
            if await refused() >= 4:
                break
            await asyncio.sleep(0.2)
        assert await refused() >= 4
        assert twice(tried.receiver) == []
        assert failures(name) >= before + 3
        [told] = [each["fault"] for each in await device_rows.state(tried.pool) if each["device"] == name]
        assert told == "its position cannot be kept in Postgres: no positions now"
    await tried.calls(1)
    await tried.holds_all()
    await tried.follows()
    assert twice(tried.receiver) == []
    assert [each["fault"] for each in await device_rows.state(tried.pool) if each["device"] == name] == [""]


def twice(receiver: Receiver) -> list[str]:
    """The ids that the other end has more than once."""
    return [id for id, count in Counter(each["id"] for each in receiver.held()).items() if count > 1]


@pytest.mark.parametrize("tried", ["file"], indirect=True)
async def test_a_position_without_digests_has_them_from_its_next_start_on(tried: Tried) -> None:
    """A partition that is replaced before the next record comes is known by them."""
    await tried.calls(5)
    await tried.holds_all()
    await tried.follows()
    await tried.kill()
    before = await tried.positions.read()
    assert before is not None
    await tried.positions.keep(replace(before, last={}))
    await tried.start()
    for _ in range(int(PATIENCE / 0.2)):
        after = await tried.positions.read()
        if after is not None and after.last:
            break
        await asyncio.sleep(0.2)
    assert after is not None
    assert before.last.items() <= after.last.items()


async def test_a_device_is_forgotten_unless_the_process_at_work_runs_it(installation: Installation) -> None:
    """Where none is at work nobody has read the file, so nobody says whether it names a device."""
    name = f"left-{uuid4().hex[:8]}"

    async def named() -> bool | None:
        [found] = [each for each in await device_rows.state(pool) if each["device"] == name]
        return cast("bool | None", found["named"])

    async with installation.connected() as pool, pool.acquire() as process:
        await device_rows.prepare(pool)
        await device_rows.declare(pool, {name: "file"})
        assert await named() is None
        await process.execute("SELECT pg_advisory_lock($1)", AdvisoryLock.AUDIT_DEVICES)
        assert await named() is True
        assert await device_rows.forget(pool, name) is False
        await device_rows.declare(pool, {})
        assert await named() is False
        both = await asyncio.gather(*(device_rows.forget(pool, name) for _ in range(2)))
        assert sorted(both, key=str) == [None, True], "once"
        await device_rows.declare(pool, {name: "file"})
        await process.execute("SELECT pg_advisory_unlock($1)", AdvisoryLock.AUDIT_DEVICES)
        assert await device_rows.forget(pool, name) is True
        assert await device_rows.forget(pool, name) is None


async def test_a_device_fails_since_the_first_time_until_it_takes_something(kept: DevicePositions) -> None:
    async def told() -> tuple[str, Any]:
        [found] = [each for each in await device_rows.state(kept.pool) if each["device"] == kept.device]
        return found["fault"], found["since"]

    assert await told() == ("", None)
    await kept.tell("it is full")
    _, since = await told()
    await kept.tell("it is away")
    await kept.keep(REACHED, "it is away")
    assert since
    assert await told() == ("it is away", since)
    await kept.keep(REACHED)
    assert await told() == ("", None)


REACHED = ReadTo({(DECISIONS, 0): 7}, "digest", last={(DECISIONS, 0): "of the sixth"})


@pytest.fixture
async def kept(installation: Installation, keys: VaultKeyring) -> AsyncIterator[DevicePositions]:
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        found = DevicePositions(pool, keys, "log", f"d-{uuid4().hex}")
        await found.keep(REACHED)
        yield found


async def test_a_position_is_read_as_it_was_kept(kept: DevicePositions) -> None:
    found = await kept.read()
    assert found is not None
    assert (found.offsets, found.digest, found.last) == (REACHED.offsets, REACHED.digest, REACHED.last)


@pytest.mark.parametrize(
    "change",
    [
        "document = replace(document, '\"decisions/0\":7', '\"decisions/0\":8')",
        "mac = ''",
        "log = 'other'",
        "device = 'x-' || device",
    ],
)
async def test_a_position_that_somebody_changed_is_not_believed(kept: DevicePositions, change: str) -> None:
    """Whoever can write to Postgres could otherwise have records left out. Without a position they are written again."""
    await kept.pool.execute(f"UPDATE {SCHEMA}.devices SET {change} WHERE device = $1", kept.device)
    assert await kept.read() is None


async def test_a_position_of_another_device_or_log_or_under_a_retired_key_is_not_believed(
    kept: DevicePositions,
) -> None:
    row = await kept.pool.fetchrow(f"SELECT * FROM {SCHEMA}.devices WHERE device = $1", kept.device)
    assert row is not None
    other = f"other-{kept.device}"
    await kept.pool.execute(
        f"INSERT INTO {SCHEMA}.devices VALUES ($1, $2, $3, $4, $5, '')",
        other, row["log"], row["document"], row["mac"], row["at"],
    )  # fmt: skip
    assert await replace(kept, device=other).read() is None
    assert await replace(kept, log_name="another").read() is None
    assert await kept.read(retired={kept.keys.newest}) is None
    assert await kept.read(retired={"0" * 16}) is not None


async def test_a_position_goes_on_under_the_key_of_a_rotation(installation: Installation) -> None:
    """A device that is away meanwhile would otherwise begin again: write everything, or with `begin = "now"` leave records out."""
    vault = Vault()
    keys = VaultKeyring(vault, vault.secrets, strict=True)
    former = keys.newest
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        ours = DevicePositions(pool, keys, "log", f"d-{uuid4().hex}")
        forged = replace(ours, device=f"f-{uuid4().hex}")
        for each in (ours, forged):
            await each.keep(REACHED)
        await pool.execute(f"UPDATE {SCHEMA}.devices SET log = 'other' WHERE device = $1", forged.device)
        vault.secrets = [*vault.secrets, b"k" * 32]
        await keys.read_again()
        async with pool.acquire() as connection:
            for _ in range(2):
                strange = await positions.seal_anew(connection, keys, ())
                assert f"audit device {forged.device}" in strange
                assert f"audit device {ours.device}" not in strange
        found = await ours.read(retired={former})
        assert found is not None
        assert found.offsets == REACHED.offsets
        assert await forged.read(retired={former}) is None
        await pool.execute(f"DELETE FROM {SCHEMA}.devices WHERE device = ANY($1)", [ours.device, forged.device])


@pytest.mark.parametrize("begin", ["now", "first"])
async def test_where_a_device_begins_is_known_when_it_is_first_seen(
    installation: Installation, keys: VaultKeyring, tmp_path: Path, begin: str
) -> None:
    """Though it takes nothing at first. Meanwhile it says how many records wait for it."""
    receiver = FolderReceiver(f"now-{uuid4().hex[:8]}", tmp_path)
    receiver.settings = replace(receiver.settings, begin=begin)
    name = receiver.settings.name
    receiver.fail()
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        tried = Tried(installation, pool, keys, await log_name(log_topic(installation.settings), keys), receiver)
        await tried.calls(3)
        before = set(tried.made)
        tried.made.clear()
        await tried.start()
        for _ in range(int(PATIENCE / 0.1)):
            if any(each["device"] == name and each["fault"] for each in await device_rows.state(pool)):
                break
            await asyncio.sleep(0.1)
        assert await tried.position()
        await tried.calls(20)
        await until(lambda: waiting_for(name) >= 20)
        await tried.kill()
        receiver.recover()
        await tried.start()
        await tried.holds_all()
        assert before & tried.by_call().keys() == (set() if begin == "now" else before)
        await tried.kill()


def waiting_for(name: str) -> float:
    return measured(DEVICE_LAG, name)


def failures(name: str) -> float:
    return measured(DEVICE_FAILURES, name)


def measured(metric: Metric, name: str) -> float:
    [found] = metric.collect()
    return next((each.value for each in found.samples if each.labels["device"] == name), 0.0)


@pytest.mark.soak
async def test_a_collector_that_takes_one_message_at_a_time_is_not_left_alone_longer_each_time(
    installation: Installation, keys: VaultKeyring, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device has more of the batch each time. A worker that counted these attempts would wait a quarter of a minute for each
    message."""
    receiver = CollectorReceiver(f"limited-{uuid4().hex[:8]}", tmp_path)
    kms = installation.client()
    key = await asyncio.to_thread(lambda: kms.create_key()["KeyMetadata"]["KeyId"])

    def call() -> list[str]:
        context = {"what": "x" * 8000}
        made = [kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context) for _ in range(250)]
        return [each["ResponseMetadata"]["RequestId"] for each in made]

    turns = itertools.cycle([Reply(), Reply(503)])
    receiver.server.judge = lambda message: next(turns)
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        tried = Tried(installation, pool, keys, await log_name(log_topic(installation.settings), keys), receiver)
        tried.made = await asyncio.to_thread(call)
        await tried.start()
        await tried.holds_all()
        await tried.kill()
    receiver.close()
    said = capsys.readouterr().out
    assert said.count("answered 503") >= 4, "the batch was too small for this test"
    assert "attempts=3" not in said

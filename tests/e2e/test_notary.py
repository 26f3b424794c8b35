"""The transparency log of a running installation, read as a stranger reads it: every record is a leaf, once, whatever ends."""

from __future__ import annotations

import asyncio
import random
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS
from domain.transparency.checkpoints import Checkpoint, checkpoint_by_one_of
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.merkle import HASH_LENGTH, check_consistency, consistency_spans, leaf_hash
from domain.transparency.notes import signed_note, verifier_keys
from domain.transparency.order import OrderBroken
from domain.transparency.tiles import HEIGHT, WIDTH, TileName, root_of_tiles, span_hash, tiles_of
from services.adapters.kafka import KafkaReader, KafkaTopic
from services.adapters.keyring import open_keyring
from services.adapters.log_now import log_name
from services.adapters.tile_folder import TileFolder
from services.adapters.topic_bounds import bounds, ends
from services.adapters.topics import log_topic, names
from services.cli.client import Client
from services.notary import worker
from services.notary.alerts import NotaryAlerts
from services.notary.feed import GATHERING_MS
from services.notary.publisher import Superseded, unbundled
from services.notary.recorded_rotations import RecordedRotations
from services.notary.tree_keys import open_tree_keys
from services.notary.worker import Notary
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings
from tests.installation import Installation, eventually
from tests.pausing import pause, paused

Tree = tuple[Checkpoint, list[bytes]]


@pytest.fixture(scope="module")
def notarised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("notary")
    (folder / "alerts.toml").write_text("[rules.notary-behind]\nseconds = 1\n")
    own = {"KEYTRAIL_ALERT_WORKERS": "1", "KEYTRAIL_ALERTS_FILE": str(folder / "alerts.toml")}
    with Installation(folder / ".keytrail", KEYTRAIL_NOTARIES="1", variables=own) as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


def fetched(running: Installation, path: str) -> bytes:
    with urllib.request.urlopen(f"{running.url}/log/{path}", timeout=10) as answer:
        found: bytes = answer.read()
    return found


def is_there(running: Installation, path: str) -> bool:
    try:
        return bool(fetched(running, path))
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code != 404:
            raise
        return False


def head(running: Installation) -> Checkpoint:
    keys = verifier_keys(fetched(running, "key").decode())
    return checkpoint_by_one_of(signed_note(fetched(running, "checkpoint").decode()), keys)[0]


def is_larger(running: Installation, size: int) -> None:
    """Wait for a checkpoint of more leaves."""
    eventually(lambda: head(running).size > size)


def stranger_reads(running: Installation) -> Tree:
    """The checkpoint and all entries, checked by the tiles, as a mirror does it: with nothing but the key and the path."""
    found = head(running)
    names = tiles_of([(0, found.size)], found.size)
    tiles = {name: part_or_whole(running, name, name.path, TileName(name.level, name.index).path) for name in names}
    tiles = {name: content[: name.width * HASH_LENGTH] for name, content in tiles.items()}
    assert root_of_tiles(found.size, tiles) == found.root
    entries: list[bytes] = []
    for index in range(-(-found.size // WIDTH)):
        name = TileName(0, index, min(WIDTH, found.size - index * WIDTH))
        bundle = part_or_whole(running, name, name.entries_path, TileName(0, index).entries_path)
        entries += unbundled(bundle)[: name.width]
        leaves = part_or_whole(running, name, name.path, TileName(0, index).path)[: name.width * HASH_LENGTH]
        assert leaves == b"".join(map(leaf_hash, entries[index * WIDTH :]))
    return found, entries


def part_or_whole(running: Installation, name: TileName, part: str, whole: str) -> bytes:
    """A part of a tile that has become full since the checkpoint may be gone: the whole is there then (C2SP tlog-tiles)."""
    try:
        return fetched(running, part)
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code != 404 or name.width == WIDTH:
            raise
    return fetched(running, whole)


async def recorded(running: Installation) -> set[bytes]:
    """The entry of every record on the topics. Nobody but the installation writes there."""
    settings, found = running.settings, set()
    topics = {EVENTS: names(settings).events, DECISIONS: names(settings).decisions, ALERTS: names(settings).alerts}
    for kind, topic in topics.items():
        for part, (start, end) in (await bounds(settings, topic)).items():
            if start == end:
                continue
            reader = await KafkaReader(settings, topic, part).open(start)
            at = start
            while at < end:
                for each in await reader.read(1000):
                    found.add(entry_of(LeafPlace(kind, part, each.offset), each.value))
                    at = each.offset + 1
            await reader.close()
    return found


def notarised_all(running: Installation) -> Tree:
    """What a stranger reads once every record is notarised; each is a leaf exactly once. Anchors follow calls, so the topics
    may have grown meanwhile."""

    def settled() -> Tree | None:
        before = asyncio.run(recorded(running))
        if head(running).size < len(before):
            return None
        found, entries = stranger_reads(running)
        assert len(entries) == found.size == len(set(entries))
        return (found, entries) if set(entries) == before else None

    tree: Tree = eventually(settled)
    return tree


def calls(running: Installation, count: int) -> None:
    kms = running.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    for _ in range(count):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def test_every_record_is_a_leaf_of_a_tree_that_only_grows(notarised: Installation) -> None:
    calls(notarised, 30)
    before, entries = notarised_all(notarised)
    calls(notarised, 300)
    after, more = notarised_all(notarised)
    assert more[: before.size] == entries
    spans = consistency_spans(before.size, after.size)
    tiles = {name: fetched(notarised, name.path) for name in tiles_of(spans, after.size)}
    path = [span_hash(each, after.size, tiles) for each in spans]
    check_consistency(before.size, before.root, after.size, after.root, path)
    assert after.size > WIDTH, "a full tile and one of a higher level are there"
    # A full tile has taken the place of its parts.
    assert not is_there(notarised, TileName(0, 0, before.size % WIDTH or 1).path)


def test_a_record_is_in_a_checkpoint_soon_and_an_idle_notary_signs_nothing(notarised: Installation) -> None:
    before = notarised_all(notarised)[0]
    calls(notarised, 1)
    eventually(lambda: head(notarised).size > before.size)
    settled = notarised_all(notarised)[0]
    ends = asyncio.run(_batches(notarised))
    notarised.client().list_keys()
    eventually(lambda: head(notarised).size > settled.size)
    # The anchor of the first calls may have been a batch already whose checkpoint was still to come.
    eventually(lambda: asyncio.run(_batches(notarised)) > ends)
    last = notarised_all(notarised)[0]
    assert head(notarised) == last


async def _batches(running: Installation) -> int:
    topic = KafkaTopic(running.settings, names(running.settings).order)
    try:
        return await topic.end()
    finally:
        await topic.close()


def calls_until(running: Installation, done: Event) -> None:
    """At most a hundred calls a second, so that a long test leaves a tree that can be read again and again."""
    kms = running.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    while not done.wait(0.01):
        kms.encrypt(KeyId=key, Plaintext=b"x")


def killed_while_calls_go_on(running: Installation, kills: int) -> None:
    """After each kill, what is published is a whole tree that goes on from the one before."""
    chance, done, entries = random.Random(kills), Event(), list[bytes]()
    with ThreadPoolExecutor(2) as threads:
        going = [threads.submit(calls_until, running, done) for _ in range(2)]
        try:
            for _ in range(kills):
                now = head(running).size
                is_larger(running, now)
                done.wait(
                    chance.uniform(0, 2 * GATHERING_MS / 1000)
                )  # a batch is gathered, appended, read back or published
                notary = running.process("notary-1")
                notary.kill()
                notary.wait(10)
                found, more = stranger_reads(running)
                assert len(set(more)) == found.size
                assert more[: len(entries)] == entries
                entries = more
        finally:
            done.set()
        for each in going:
            each.result()


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.soak)])
def test_a_killed_notary_loses_and_doubles_nothing(notarised: Installation, kills: int) -> None:
    killed_while_calls_go_on(notarised, kills)
    notarised_all(notarised)


@asynccontextmanager
async def another_notary(settings: Settings, folder: Path, *, raises: bool = False) -> AsyncIterator[Notary]:
    """A notary in this process that does not ask whether another is at work. `raises`: alerts, when it stops."""
    pool = await open_pool(settings)
    vault = open_vault(settings, pool)
    keys = await open_keyring(vault)
    log = await log_name(log_topic(settings), keys)
    tree_keys = await open_tree_keys(settings, vault, log, RecordedRotations(settings, pool, keys), "")
    partitions = len(await bounds(settings, names(settings).decisions))
    alerts = NotaryAlerts(settings, keys, log) if raises else None
    notary = Notary(settings, pool, keys, log, partitions, TileFolder(folder), tree_keys, alerts=alerts)
    try:
        yield notary
    finally:
        await notary.close()
        await pool.close()


async def _beside(running: Installation, count: int) -> None:
    going = asyncio.create_task(asyncio.to_thread(calls, running, count))
    superseded = 0
    while not going.done():
        async with another_notary(running.settings, running.settings.tree_path) as notary:
            at_work = asyncio.create_task(notary.run())
            await asyncio.wait([at_work, going], return_when=asyncio.FIRST_COMPLETED)
            at_work.cancel()
            (fault,) = await asyncio.gather(at_work, return_exceptions=True)
            assert isinstance(fault, Superseded | asyncio.CancelledError), repr(fault)
            superseded += isinstance(fault, Superseded)
    await going


@pytest.mark.soak
def test_two_notaries_by_accident_agree(notarised: Installation) -> None:
    """Given a second notary that does not know of the first, when both are at work on one folder, then the tree is one."""
    asyncio.run(_beside(notarised, 150))
    notarised_all(notarised)


async def _notarised_by_another(running: Installation) -> None:
    """Up to the end of the log."""
    end = (await ends(running.settings, names(running.settings).events))[0]
    async with another_notary(running.settings, running.settings.tree_path) as notary:
        at_work = asyncio.create_task(notary.run())
        while notary._order.next.get((EVENTS, 0), 0) < end:
            assert not at_work.done(), at_work.exception()
            await asyncio.sleep(0.1)
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)


@pytest.mark.soak
def test_a_notary_that_is_away_during_a_rotation_of_the_key_goes_on(
    notarised: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more batches to make before it reads of the rotation. Under the key of that time nobody would believe them."""
    monkeypatch.setattr(worker, "MOST", 8)
    kms = notarised.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    with paused(notarised.process("notary-1")):
        for number in range(30):
            kms.update_key_description(KeyId=key, Description=str(number))
        notarised.keytrail("log-keys", "rotate")
        asyncio.run(_notarised_by_another(notarised))
    notarised_all(notarised)
    assert notarised.verified("--topics-only")["whole"]


async def fault_of_notary(settings: Settings, folder: Path, *, raises: bool = False) -> OrderBroken:
    """What a notary says when it stops."""
    async with another_notary(settings, folder, raises=raises) as notary:
        with pytest.raises(OrderBroken) as fault:
            async with asyncio.timeout(60):
                await notary.run()
        return fault.value


def test_a_changed_folder_stops_the_notary_with_the_place(notarised: Installation, tmp_path: Path) -> None:
    """A tile that is missing, a tile that is changed, and a checkpoint that somebody else signed."""
    notarised_all(notarised)
    folder = notarised.settings.tree_path
    size = head(notarised).size
    edge = TileName(0, size >> HEIGHT, size & WIDTH - 1).path
    for number, change in enumerate(CHANGES):
        copy = tmp_path / str(number)
        for each in folder.rglob("*"):
            if each.is_file():
                (copy / each.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
                (copy / each.relative_to(folder)).write_bytes(each.read_bytes())
        wanted = change(copy, edge)
        assert wanted in str(asyncio.run(fault_of_notary(notarised.settings, copy)))


def _tile_is_gone(folder: Path, edge: str) -> str:
    (folder / edge).unlink()
    return edge


def _tile_is_changed(folder: Path, edge: str) -> str:
    held = (folder / edge).read_bytes()
    (folder / edge).write_bytes(bytes([held[0] ^ 1]) + held[1:])
    return "another root than its checkpoint"


def _checkpoint_is_changed(folder: Path, edge: str) -> str:
    lines = (folder / "checkpoint").read_text().split("\n")
    lines[1] = str(int(lines[1]) + 1)
    (folder / "checkpoint").write_text("\n".join(lines))
    return "does not hold"


CHANGES: tuple[Callable[[Path, str], str], ...] = (_tile_is_gone, _tile_is_changed, _checkpoint_is_changed)


@pytest.mark.soak
def test_a_folder_that_is_lost_is_published_again_from_the_topics(notarised: Installation, tmp_path: Path) -> None:
    """Given an empty folder, when a notary starts, then the tree is the same, leaf for leaf."""
    before, _ = notarised_all(notarised)
    notary = notarised.process("notary-1")
    with paused(notary):
        asyncio.run(published_again(notarised.settings, tmp_path, before))


async def published_again(settings: Settings, folder: Path, before: Checkpoint) -> None:
    async with another_notary(settings, folder) as notary:
        at_work = asyncio.create_task(notary.run())
        # The notary tells nobody when it has published.
        while notary.publisher.edge.size < before.size and not at_work.done():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.05)
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        assert (notary.publisher.edge.size, notary.publisher.edge.root()) == (before.size, before.root)


@pytest.mark.parametrize(
    "lost",
    [
        "TRUNCATE transparency.runs",
        pytest.param("UPDATE transparency.reached SET document = '{}'", marks=pytest.mark.soak),
        pytest.param("TRUNCATE transparency.reached", marks=pytest.mark.soak),
    ],
)
async def test_rows_that_are_lost_or_changed_are_made_again(notarised: Installation, lost: str) -> None:
    """Rows are a notary's notes: which leaf a record is, and how far it read. Kafka and the tree say both again."""
    await asyncio.to_thread(notarised_all, notarised)
    question = "SELECT kind, partition, first, last, leaf, voids FROM transparency.runs ORDER BY leaf"
    async with notarised.connected() as pool:
        before = await pool.fetch(question)
        notary = notarised.process("notary-1")
        pause(notary)
        await pool.execute(lost)
        notary.kill()
        await asyncio.to_thread(calls, notarised, 3)
        await asyncio.to_thread(notarised_all, notarised)
        after = await pool.fetch(question)
    assert before
    assert after[: len(before)] == before


@pytest.mark.soak
def test_verify_and_recheck_say_that_records_leaves_and_rows_are_the_same(notarised: Installation) -> None:
    calls(notarised, 3)
    notarised_all(notarised)
    notarised.caught_up()
    whole = " ".join(notarised.keytrail("verify").stdout.split())
    assert "leaves of the transparency log are the records" in whole
    (found,) = notarised.answers("verify", "--remote", "--topics-only")
    assert (found["whole"], found["tree"]["differences"]) == (True, [])
    shown = " ".join(notarised.keytrail("recheck").stdout.split())
    assert "Each is a leaf of the transparency log" in shown


@pytest.mark.soak
def test_a_notary_that_stands_still_raises_one_alert_and_one_when_it_has_caught_up(notarised: Installation) -> None:
    def told() -> list[str]:
        notarised.caught_up()
        return [each["summary"] for each in notarised.answers("alerts") if each["rule"] == "notary-behind"]

    notarised_all(notarised)
    # A notary that was killed may have been behind for a second as well: what it raised then is over first.
    eventually(lambda: not told() or "caught up" in told()[0])
    before = len(told())
    notary = notarised.process("notary-1")
    with paused(notary):
        calls(notarised, 3)
        eventually(lambda: len(told()) > before, within=60)
        assert "notary lag" in notarised.keytrail("status").stdout
        status = Client(notarised.data).get("/v1/status")["notary"]
        assert status["lag"] >= 3
    eventually(lambda: "caught up" in told()[0], within=60)
    summaries = told()
    assert len(summaries) >= before + 2
    assert ["caught up" in each for each in summaries] == [True, False] * (len(summaries) // 2), "the newest are first"


def test_metrics_say_how_far_the_notary_is(notarised: Installation) -> None:
    calls(notarised, 1)
    size = notarised_all(notarised)[0].size

    def shown() -> dict[str, float]:
        with urllib.request.urlopen(f"{notarised.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {
            line.split()[0]: float(line.split()[-1]) for line in lines if line.startswith(("keytrail_n", "keytrail_c"))
        }

    found = eventually(lambda: each if (each := shown()).get("keytrail_notary_leaves", 0) >= size else None)
    assert {found[f'keytrail_notary_lag{{topic="{kind}"}}'] for kind in (EVENTS, DECISIONS, ALERTS)} == {0}
    assert 0 < found["keytrail_notary_seconds"] < 60
    assert 0 <= time.time() - found["keytrail_checkpoint_time_seconds"] < 120
    at = "keytrail_notary_time_seconds"
    assert eventually(lambda: shown()[at] > found[at]), "also where nothing is called"


@pytest.mark.parametrize(
    "path", ["", "other", "tile/0/../../checkpoint", "tile/64/000", "tile/0/0", "tile/0/000.p/0", "tile/0/999", "key/x"]
)
def test_a_path_that_is_none_of_the_logs_is_not_found(notarised: Installation, path: str) -> None:
    assert not is_there(notarised, path)


@pytest.mark.soak
def test_a_log_that_is_not_served_is_still_written(tmp_path: Path) -> None:
    with Installation(tmp_path / ".keytrail", KEYTRAIL_NOTARIES="1", KEYTRAIL_TREE_SERVED="off") as running:
        eventually(lambda: (running.settings.tree_path / "checkpoint").exists())
        assert not is_there(running, "checkpoint")
        assert isinstance(running.process("notary-1"), psutil.Process)

"""What callers send does not decide how much memory the projector and the notary need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from domain.log.authenticity import DECISIONS
from domain.log.chain import Chain
from services.adapters import topics
from services.adapters.keyring import open_keyring
from services.adapters.log_now import chain_now
from services.adapters.record_topics import AT_ONCE, BATCH_BYTES, RecordTopics
from services.adapters.topic_bounds import bounds
from services.adapters.topics import log_topic
from services.notary.feed import LeafFeed
from services.notary.worker import MOST
from services.projector.feed import EntryFeed
from services.projector.store import ReadTo
from services.projector.worker import BATCH
from services.runtime.bootstrap import open_pool, open_vault
from tests.installation import Installation, eventually
from tests.pausing import pause

CONTEXT = {"k": "\u0001" * 8000}
"""Of all that a request may hold, this makes the largest record: each character is six in JSON, and stands there three times."""
LARGEST = 150_000
THREADS = 8


def use(running: Installation, key: str, count: int) -> None:
    def call(kms: Any) -> None:
        for _ in range(count // THREADS):
            kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, [running.client() for _ in range(THREADS)]))


async def test_a_batch_of_the_largest_records_ends_before_it_is_full(installation: Installation) -> None:
    count = 400
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    use(installation, key, count)
    pool = await open_pool(installation.settings)
    settings = installation.settings
    keys = await open_keyring(open_vault(settings, pool))
    records = RecordTopics(settings, await topics.prepare(settings, flush=False))
    feed = EntryFeed(records, settings.region, keys)
    await feed.open(ReadTo(), await chain_now(log_topic(settings), pool, keys))
    sizes: list[int] = []
    try:
        while sum(sizes) < count:
            batch = await feed.next(BATCH)
            sizes.append(
                sum(key in str(each.document.get("decision")) and _is_large(each.document) for each in batch.entries)
            )
    finally:
        await feed.close()
        await pool.close()
    assert count == sum(sizes)
    assert max(sizes) * LARGEST <= BATCH_BYTES + (AT_ONCE + 16) * LARGEST


@pytest.mark.soak
async def test_a_batch_of_leaves_ends_before_it_is_full_of_the_largest_records(installation: Installation) -> None:
    """It had 20,000 records, whatever their size: a notary that was away would have taken three gigabytes."""
    count, settings = 400, installation.settings
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    pool = await open_pool(settings)
    keys = await open_keyring(open_vault(settings, pool))
    now = await chain_now(log_topic(settings), pool, keys)
    ends = await bounds(settings, topics.names(settings).decisions)
    use(installation, key, count)
    feed = LeafFeed(settings, await topics.prepare(settings, flush=False), keys, Chain(keys=keys), now)
    await feed.open({(DECISIONS, partition): end for partition, (_, end) in ends.items()})
    sizes: list[int] = []
    try:
        while sum(sizes) < count:
            sizes.append(sum(place.kind == DECISIONS for place, _ in await feed.next(MOST, 0.5)))
    finally:
        await feed.close()
        await pool.close()
    assert max(sizes) <= BATCH_BYTES // (LARGEST * 2 // 3) + AT_ONCE < count


def _is_large(document: dict[str, Any]) -> bool:
    return document["call"] is not None and len(str(document["call"])) > 8000


def peak(pid: int) -> float:
    """The most memory that a process had, in megabytes."""
    (line,) = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@pytest.mark.soak  # a minute
def test_a_projector_that_was_away_takes_no_more_memory_for_the_largest_records(tmp_path: Path) -> None:
    """It took 750 MB for these, and would take more for more partitions."""
    with Installation(tmp_path / "data", workers=4, KEYTRAIL_DECISION_PARTITIONS="8") as running:
        key = running.client().create_key()["KeyMetadata"]["KeyId"]
        running.caught_up()
        away = running.process("projector")
        pause(away)
        use(running, key, 12_000)
        away.kill()
        running.has_another("projector", away.pid)
        eventually(lambda: running.answers("status")[0]["lag"]["decisions"] == 0, within=200)
        assert peak(running.pid("projector")) < 300

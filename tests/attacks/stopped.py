"""An installation that is stopped, and its topics and rows as somebody rewrote them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from domain.log.authority import Authority
from domain.transparency.checkpoints import Checkpoint
from services.adapters import topics
from services.adapters.kafka import KafkaReader, Producer, administering
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.log_now import chain_now
from services.adapters.record_topics import topics_read
from services.adapters.topic_bounds import bounds
from services.adapters.topics import log_topic
from services.notary.order_topic import extents_now
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings
from services.verification.report import verified
from tests.e2e.test_notary import another_notary
from tests.installation import Installation

Values = dict[int, list[bytes]]
"""The values of a topic, by partition."""


async def values_on(settings: Settings, topic: str) -> Values:
    found: Values = {}
    for part, (start, end) in (await bounds(settings, topic)).items():
        found[part] = []
        if start == end:
            continue
        reader = await KafkaReader(settings, topic, part).open(start)
        while len(found[part]) < end - start:
            found[part] += [each.value for each in await reader.read(1000)]
        await reader.close()
    return found


async def put(settings: Settings, topic: str, values: Values) -> None:
    """The topic with these values and no others: deleted, made again and filled."""
    async with administering(settings) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110  # the broker tells nobody when a topic is gone
            await asyncio.sleep(0.05)
    await topics.prepare(settings, flush=False)
    producer = Producer(settings)
    for part, each in values.items():
        if each:
            await producer.append_all(topic, part, [(value, ()) for value in each])
    await producer.close()


@dataclass(frozen=True)
class Stopped:
    """An installation that is stopped, how its servers are reached, and a checkpoint from before the last calls."""

    installation: Installation
    settings: Settings
    earlier: Checkpoint

    def verified(self, *, projections: bool = True) -> dict[str, Any]:
        return asyncio.run(verified(self.settings, None, lambda *_: None, projections=projections))

    @contextmanager
    def rewritten(self, topic: str, change: Callable[[Values], Values]) -> Iterator[Values]:
        """The topic as somebody rewrote it, and afterwards as it was. Yields what it was."""
        before = asyncio.run(values_on(self.settings, topic))
        asyncio.run(put(self.settings, topic, change({part: list(each) for part, each in before.items()})))
        try:
            yield before
        finally:
            asyncio.run(put(self.settings, topic, before))

    @contextmanager
    def changed_rows(self, *statements: str) -> Iterator[None]:
        """Rows as somebody changed them, and afterwards as they were."""
        tables = ("p_decisions.decisions", "transparency.runs", "transparency.reached")
        copies = {each: f"attack_{number}" for number, each in enumerate(tables)}
        self._run(*(f"CREATE TABLE {copy} AS TABLE {table}" for table, copy in copies.items()), *statements)
        try:
            yield
        finally:
            for table, copy in copies.items():
                self._run(f"TRUNCATE {table}", f"INSERT INTO {table} TABLE {copy}", f"DROP TABLE {copy}")

    def _run(self, *statements: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.settings.postgres)
            for each in statements:
                await connection.execute(each)
            await connection.close()

        asyncio.run(run())


async def notarise_the_rest(settings: Settings) -> None:
    """A worker that ends anchors its decisions, perhaps after the notary has ended."""
    pool = await open_pool(settings)
    keys = await open_keyring(open_vault(settings, pool))
    authority = (await chain_now(log_topic(settings), pool, keys)).authority
    async with another_notary(settings, settings.tree_path) as notary:
        at_work = asyncio.create_task(notary.run())
        while not await _all_are_leaves(settings, keys, authority, notary.publisher.edge.size):
            assert not at_work.done(), at_work.exception()
            await asyncio.sleep(0.1)
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
    await pool.close()


async def _all_are_leaves(settings: Settings, keys: VaultKeyring, authority: Authority, published: int) -> bool:
    leaves = await extents_now(settings, keys, authority)
    size = sum(each.last - each.first - len(each.voids) for each in leaves.values())
    for kind, topic in topics_read(settings).items():
        for part, (begin, end) in (await bounds(settings, topic)).items():
            if end > begin and ((kind, part) not in leaves or leaves[kind, part].last < end):
                return False
    return published == size

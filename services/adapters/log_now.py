"""What the log says of itself: its name, its chain at its end, and whether it still has a record that was read once."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from domain.log.chain import Chain, digest
from domain.log.codec import parse
from domain.ports import Stored, Topic
from domain.state.fold import Fold
from services.adapters import keyring, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import has_record, read_between
from services.adapters.postgres import Pool

LOOKED_BACK = 100
"""How many records before its place it looks at first. Only void records can be between its place and the last valid one."""
FURTHER = 30
READ_AT_ONCE = 1000
NEAR = 10_000
"""Whoever has folded nothing reads so many records from the first on; where there are more, a snapshot's chain is nearer."""


async def log_name(events: Topic, keys: VaultKeyring) -> str:
    """The log's name, from its first valid record. Waits until a writer has made the record. It closes the topic."""
    try:
        reader = await events.reader(0)
        try:
            fold = Fold.under(keys)
            while not fold.world.log:
                for stored in await reader.read(1):
                    await keyring.take(fold, stored, keys)
            return fold.world.log
        finally:
            await reader.close()
    finally:
        await events.close()


async def chain_now(events: Topic, pool: Pool, keys: VaultKeyring) -> Chain:
    """The log's chain at its end. It closes the topic. Raises Unavailable, OutOfRange, Unreadable."""
    try:
        return (await snapshots.newest(pool, events, keys)).chain
    finally:
        await events.close()


async def chain_ahead(of: Fold, known: Chain, events: Topic, pool: Pool, keys: VaultKeyring) -> Chain:
    """The log's chain at its end, for whoever has a fold of its beginning. `known`: a chain that it knew before, from which it
    goes on if the log still has its last record. Records are read for their links alone: no second world is made beside the fold,
    and a record that a newer version wrote ends nobody who has not come to it. Raises Unavailable, OutOfRange, KeyMissing."""
    end = await events.end()
    chain, at = of.chain, of.next
    if known.position > chain.position and await has_record(events, known.position, known.head):
        chain, at = known, known.position + 1
    elif at == 0 and end > NEAR:
        kept = await snapshots.restore(pool, events, keys)
        chain, at = kept.chain, kept.next
    chain = replace(chain, authority=replace(chain.authority, retired=dict(chain.authority.retired)))
    if at >= end:
        return chain
    reader = await events.reader(at)
    try:
        async with aclosing(read_between(reader, at, end, READ_AT_ONCE)) as batches:
            async for found in batches:
                for each in found:
                    await _link(chain, each, keys)
    finally:
        await reader.close()
    return chain


async def _link(chain: Chain, stored: Stored, keys: VaultKeyring) -> None:
    document = parse(stored.value)
    if document is None:
        return
    await keys.attempted(chain.accepts, stored.offset, stored.value, document)


async def has_before(events: Topic, place: int, head: str) -> bool:
    """Whether the record with this digest is on the log, before this place. It closes the topic. Raises Unavailable."""
    back = LOOKED_BACK
    try:
        first, end = await events.start(), await events.end()  # as another broker confirms it
        while place <= end:
            since = max(first, place - back)
            if since < place and await _is_between(events, since, place, head):
                return True
            if since == first:
                break
            back *= FURTHER
    finally:
        await events.close()
    return False


async def _is_between(events: Topic, since: int, place: int, head: str) -> bool:
    reader = await events.reader(since)
    try:
        async with aclosing(read_between(reader, since, place, READ_AT_ONCE)) as batches:
            async for found in batches:
                if any(digest(each.value) == head for each in found):
                    return True
    finally:
        await reader.close()
    return False

"""What the log says of itself: its name, its chain at its end, and whether it still has a record that was read once."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from domain.log.authority import Authority
from domain.log.chain import Chain, digest
from domain.log.codec import parse
from domain.ports import Topic
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
    chain = replace(chain, authority=chain.authority.copied())
    await _link_between(chain, events, at, end, keys)
    return chain


async def is_last_before(events: Topic, place: int, head: str, authority: Authority, keys: VaultKeyring) -> bool:
    """Whether the record with this digest is still the last valid one before this place. `authority`: what is authentic after it.
    It closes the topic. Raises Unavailable, KeyMissing.

    Void records may stand between the two. If brokers lose them, valid ones may come in their place: then the record is still
    there, and no reader who goes on from it at this place would accept what follows.
    """
    back = LOOKED_BACK
    try:
        first, end = await events.start(), await events.end()  # as another broker confirms it
        while place <= end:
            since = max(first, place - back)
            if since < place and (at := await _place_of(head, events, since, place)) is not None:
                chain = Chain(head, at, keys, authority.copied())
                await _link_between(chain, events, at + 1, place, keys)
                return chain.position == at
            if since == first:
                break
            back *= FURTHER
    finally:
        await events.close()
    return False


async def head_before(place: int, events: Topic, pool: Pool, keys: VaultKeyring) -> str | None:
    """The digest of the last valid record before this place; None if the log ends earlier. It closes the topic. Raises
    Unavailable, OutOfRange, KeyMissing."""
    try:
        if await events.end() < place:
            return None
        kept = await snapshots.restore(pool, events, keys, (place - 1, None))
        await _link_between(kept.chain, events, kept.next, place, keys)
        return kept.chain.head
    finally:
        await events.close()


async def _place_of(head: str, events: Topic, since: int, place: int) -> int | None:
    reader = await events.reader(since)
    try:
        async with aclosing(read_between(reader, since, place, READ_AT_ONCE)) as batches:
            async for found in batches:
                for each in found:
                    if digest(each.value) == head:
                        return each.offset
    finally:
        await reader.close()
    return None


async def _link_between(chain: Chain, events: Topic, start: int, end: int, keys: VaultKeyring) -> None:
    if start >= end:
        return
    reader = await events.reader(start)
    try:
        async with aclosing(read_between(reader, start, end, READ_AT_ONCE)) as batches:
            async for found in batches:
                for each in found:
                    document = parse(each.value)
                    if document is not None:
                        await keys.attempted(chain.accepts, each.offset, each.value, document)
    finally:
        await reader.close()

"""What the log says of itself: its name, its chain at its end, and whether it still has a record that was read once."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from domain.log.chain import Chain, digest
from domain.ports import Topic
from domain.state.fold import Fold
from services.adapters import keyring, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_between, read_known
from services.adapters.postgres import Pool

LOOKED_BACK = 100
"""How many records before its place it looks at first. Only void records can be between its place and the last valid one."""
FURTHER = 30
READ_AT_ONCE = 1000
NEAR = 10_000
"""How many records are read for their chain alone. A snapshot is nearer to the end of a log that has more."""


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


async def chain_ahead(of: Fold, events: Topic, pool: Pool, keys: VaultKeyring) -> Chain:
    """The log's chain at its end, for whoever has a fold of its beginning. Raises Unavailable, OutOfRange, Unreadable."""
    end = await events.end()
    if end - of.next > NEAR:
        return (await snapshots.newest(pool, events, keys)).chain
    authority = replace(of.chain.authority, retired=dict(of.chain.authority.retired))
    ahead = Fold(chain=replace(of.chain, authority=authority), next=of.next)
    reader = await events.reader(ahead.next)
    try:
        while ahead.next < end:
            for stored in await read_known(reader, READ_AT_ONCE):
                await keyring.read(ahead, stored, keys)
    finally:
        await reader.close()
    return ahead.chain


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

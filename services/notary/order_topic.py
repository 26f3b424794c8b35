"""Reads the topic of batches: which records became which leaves, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from domain.log.authority import Authority
from domain.ports import Stored
from domain.transparency.leaf_extents import LeafExtent, extents_of
from domain.transparency.order import LeafBatch, LeafOrder, LeafPartition
from services.adapters.keyring import VaultKeyring
from services.adapters.topic_bounds import values_of
from services.adapters.topics import names
from services.settings import Settings


def batch_in(order: LeafOrder, keys: VaultKeyring, authority: Authority, stored: Stored) -> LeafBatch | None:
    """Take a value of the topic into the order. None if it is no batch that counts. Raises OrderBroken."""
    try:
        document = orjson.loads(stored.value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    return order.accepts(keys, authority, stored.offset, stored.value, document)


async def batches(
    settings: Settings, keys: VaultKeyring, authority: Authority, order: LeafOrder
) -> AsyncGenerator[list[LeafBatch], None]:
    """The batches that count, from the topic's first record to its present end; `order` is what they say in sum. Raises
    OrderBroken, OutOfRange, Unavailable."""
    async with aclosing(values_of(settings, names(settings).order, 0)) as read:
        async for found, _ in read:
            await keys.know_those_of(each.value for each in found)
            yield [each for each in (batch_in(order, keys, authority, value) for value in found) if each is not None]
            await asyncio.sleep(0)  # a process that answers calls may ask


async def extents_now(settings: Settings, keys: VaultKeyring, authority: Authority) -> dict[LeafPartition, LeafExtent]:
    """Which records of each partition are leaves. Raises OrderBroken, OutOfRange, Unavailable."""
    found: dict[LeafPartition, LeafExtent] = {}
    async with aclosing(batches(settings, keys, authority, LeafOrder())) as read:
        async for some in read:
            extents_of(some, found)
    return found

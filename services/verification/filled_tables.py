"""Fills a projection once more, up to where the live one is."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from projections.registry import Projection
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection
from services.projector import store
from services.projector.feed import Batch
from services.projector.store import TEMPORARY


class FilledTables:
    """A projection that is filled in the connection's temporary tables, up to exactly the offsets `to`."""

    def __init__(
        self, connection: Connection, projection: Projection, keys: VaultKeyring, to: Mapping[store.Partition, int]
    ) -> None:
        self._connection, self._projection, self._keys, self._to = connection, projection, keys, to
        self._reached = dict.fromkeys(to, 0)
        self._going = store.ProjectorMemory()

    @property
    def count(self) -> int:
        return sum(self._reached.values())

    @property
    def is_whole(self) -> bool:
        return self._reached == self._to

    def take(self, batch: Batch) -> Coroutine[Any, Any, None]:
        """Counts the batch as taken, and returns the work of writing it."""
        # A partition that has come to its end is left out from then on. The log goes on meanwhile, and its digest in a later
        # batch is that of a later record.
        offsets = {
            where: min(after, self._to[where])
            for where, after in batch.reached.offsets.items()
            if self._reached.get(where, 0) < self._to.get(where, 0)
        }
        self._reached |= offsets
        return self._write(batch, offsets)

    async def _write(self, batch: Batch, offsets: dict[store.Partition, int]) -> None:
        """The entries of a batch that stand before these offsets."""
        if offsets:
            entries = [each for each in batch.entries if each.offset < offsets.get((each.topic, each.partition), 0)]
            batch.reached.offsets = offsets
            await store.take_in(
                self._connection, self._projection, entries, batch.reached, self._keys, TEMPORARY, self._going
            )

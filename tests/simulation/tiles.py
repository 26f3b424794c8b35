"""Where simulated notaries publish: a store that all of them share, with answers that may be lost. It passes the store's contract."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from domain.ports import ContentDiffers, Unavailable


@dataclass(slots=True)
class TileFiles:
    """`away`: the store does not answer. `unanswered`: the chance that a write is done and its answer lost. `replaced`: everything
    that ever stood at a path whose content is replaced."""

    chance: Random
    files: dict[str, bytes] = field(default_factory=dict)
    replaced: dict[str, list[bytes]] = field(default_factory=dict)
    away: bool = False
    unanswered: float = 0.0


class SimulatedTiles:
    """Port TileStore."""

    def __init__(self, files: TileFiles) -> None:
        self.files = files

    async def _ask(self) -> None:
        await asyncio.sleep(self.files.chance.uniform(0.0005, 0.004))
        if self.files.away:
            raise Unavailable("the store does not answer")

    def _done(self) -> None:
        if self.files.chance.random() < self.files.unanswered:
            raise Unavailable("the store does not answer")

    async def create(self, path: str, content: bytes) -> None:
        await self.create_all([(path, content)])

    async def create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        await self._ask()
        for path, content in contents:
            if self.files.files.setdefault(path, content) != content:
                raise ContentDiffers(path)
        self._done()

    async def read(self, path: str) -> bytes | None:
        await self._ask()
        return self.files.files.get(path)

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        await self._ask()
        if self.files.files.get(path) != former:
            raise ContentDiffers(path)
        self.files.files[path] = content
        self.files.replaced.setdefault(path, []).append(content)
        self._done()

    async def remove(self, paths: Sequence[str]) -> None:
        await self._ask()
        for each in paths:
            self.files.files.pop(each, None)
        self._done()

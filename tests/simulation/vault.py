"""The vault in memory: rows that all processes share, and the way to them. It passes the contract of the vault in Postgres."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from domain.ports import Unavailable
from services.adapters.vault import ROOT_BYTES, Vault

AN_HOUR = 3600.0
PATIENCE = 5.0


@dataclass(slots=True)
class VaultRows:
    """`away`: the database does not answer. `unanswered`: the chance that a write is done and its answer lost."""

    chance: Random
    root: bytes = field(default_factory=lambda: os.urandom(ROOT_BYTES))
    later: list[bytes] = field(default_factory=list)
    materials: dict[str, tuple[str, bytes, float]] = field(default_factory=dict)
    secrets: dict[str, tuple[str, float]] = field(default_factory=dict)
    pin: tuple[str, str] | None = None
    away: bool = False
    unanswered: float = 0.0


class MemoryVault(Vault):
    """Nothing is sealed here: what the master key does is `Vault`'s own, and has no part in what processes do to each other."""

    def __init__(self, rows: VaultRows) -> None:
        self._rows = rows

    async def _ask(self) -> None:
        await asyncio.sleep(self._rows.chance.uniform(0.0005, 0.003))
        if self._rows.away:
            await asyncio.sleep(self._rows.chance.choice([0.0, PATIENCE]))
            raise Unavailable("the vault does not answer")

    async def _done(self) -> None:
        if self._rows.chance.random() < self._rows.unanswered:
            raise Unavailable("the vault does not answer")

    async def prepare(self, why_not_new: Callable[[], Awaitable[str]]) -> None:
        pass

    async def root(self) -> bytes:
        await self._ask()
        return self._rows.root

    async def is_authentic(self) -> bool:
        return True

    async def require_authentic(self) -> None:
        pass

    async def require_made(self) -> None:
        pass

    async def record_secrets(self) -> list[bytes]:
        await self._ask()
        return [self._rows.root, *self._rows.later]

    async def add_record_secret(self) -> bytes:
        await self._ask()
        self._rows.later.append(os.urandom(ROOT_BYTES))
        return self._rows.later[-1]

    async def pin(self) -> tuple[str, str] | None:
        await self._ask()
        return self._rows.pin

    async def keep_pin(self, document: str, mac: str, before: str) -> None:
        await self._ask()
        if (self._rows.pin or ("", ""))[1] == before:
            self._rows.pin = (document, mac)

    async def put_material(self, key: str, material: str, secret: bytes) -> None:
        await self._ask()
        self._rows.materials[material] = (key, bytes(secret), time.time())
        await self._done()

    async def material(self, key: str, material: str) -> bytes:
        await self._ask()
        row = self._rows.materials.get(material)
        if row is None or row[0] != key:
            raise Unavailable(f"the vault holds no material {material} of key {key}")
        return row[1]

    async def put_secret(self, access_key: str, secret: str) -> None:
        await self._ask()
        self._rows.secrets[access_key] = (secret, time.time())
        await self._done()

    async def secret(self, access_key: str) -> str | None:
        await self._ask()
        row = self._rows.secrets.get(access_key)
        return None if row is None else row[0]

    async def materials(self) -> dict[str, bool]:
        await self._ask()
        old = time.time() - AN_HOUR
        return {name: at < old for name, (_, _, at) in self._rows.materials.items()}

    async def old_secrets(self) -> set[str]:
        await self._ask()
        old = time.time() - AN_HOUR
        return {name for name, (_, at) in self._rows.secrets.items() if at < old}

    async def remove_secrets(self, names: Sequence[str]) -> int:
        await self._ask()
        removed = sum(self._rows.secrets.pop(each, None) is not None for each in names)
        await self._done()
        return removed

    async def destroy(self, materials: Sequence[str]) -> int:
        await self._ask()
        removed = sum(self._rows.materials.pop(each, None) is not None for each in materials)
        await self._done()
        return removed

"""A database in which alerts are counted, beside the shared installation's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.postgres import Pool, connect
from services.alert_worker import takeover
from services.alert_worker.books import Books
from services.alert_worker.marks import Marked
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from tests.installation import Installation, beside


class MemoryMarks:
    """The marks, which somebody who writes to Postgres cannot reach."""

    def __init__(self) -> None:
        self.marked: Marked | None = None
        self.deaf = False

    async def read(self) -> Marked | None:
        return self.marked

    async def keep(self, marked: Marked) -> bool:
        if not self.deaf:
            self.marked = marked
        return not self.deaf


@pytest.fixture
async def keys(installation: Installation) -> AsyncIterator[VaultKeyring]:
    async with installation.connected() as pool:
        yield await open_keyring(open_vault(installation.settings, pool))


@pytest.fixture(scope="module")
def database(installation: Installation) -> Iterator[Settings]:
    """A separate database beside the installation's."""
    name = f"counting_{uuid4().hex}"

    async def run(statement: str) -> None:
        server = await asyncpg.connect(installation.settings.postgres)
        await server.execute(statement)
        await server.close()

    asyncio.run(run(f"CREATE DATABASE {name}"))
    yield replace(installation.settings, postgres=beside(installation.settings.postgres, name))
    asyncio.run(run(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def marks() -> MemoryMarks:
    return MemoryMarks()


@pytest.fixture
async def pool(database: Settings) -> AsyncIterator[Pool]:
    found = await connect(database)
    yield found
    await found.close()


@pytest.fixture
async def books(pool: Pool, keys: VaultKeyring, marks: MemoryMarks) -> Books:
    """With empty tables."""
    other, found = Books(keys, uuid4().hex), Books(keys, "log")
    await takeover.prepare(pool, other, MemoryMarks())
    await takeover.prepare(pool, found, marks)
    return found

"""A database where alerts are counted, beside the shared installation's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.postgres import Pool, connect
from services.alerts import keeping
from services.bootstrap import open_vault
from services.settings import Settings
from tests.installation import Installation


@pytest.fixture
async def keys(installation: Installation) -> AsyncIterator[VaultKeyring]:
    async with installation.connected() as pool:
        yield await open_keyring(open_vault(installation.settings, pool))


@pytest.fixture(scope="module")
def database(installation: Installation) -> Iterator[Settings]:
    """Of its own, beside the installation's."""
    name = f"counting_{uuid4().hex}"

    async def run(statement: str) -> None:
        server = await asyncpg.connect(installation.settings.postgres)
        await server.execute(statement)
        await server.close()

    asyncio.run(run(f"CREATE DATABASE {name}"))
    own = installation.settings.postgres.replace("/keytrail?", f"/{name}?")
    assert own != installation.settings.postgres
    yield replace(installation.settings, postgres=own)
    asyncio.run(run(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def pool(database: Settings, keys: VaultKeyring) -> AsyncIterator[Pool]:
    found = await connect(database)
    await keeping.prepare(found, keys, uuid4().hex)
    await keeping.prepare(found, keys, "log")
    yield found
    await found.close()

"""Checkpoints that a notary keeps in a real Postgres: which one gets a time stamp next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.durations import DAY_SECONDS, YEAR_DAYS
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import NoteSigner
from services.adapters.postgres import Pool
from services.adapters.tile_folder import TileFolder
from services.clock import Clock
from services.notary import kept_heads, leaf_rows
from services.notary.kept_heads import HeadKeeper
from tests.installation import Installation

SIGNER = NoteSigner("keytrail.example/log", Ed25519PrivateKey.generate())
AHEAD = Clock(YEAR_DAYS * DAY_SECONDS * 1_000_000)


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        await leaf_rows.prepare(found)
        await kept_heads.prepare(found)
        yield found
        await found.execute("DELETE FROM transparency.heads")


async def test_a_checkpoint_of_a_clock_that_was_ahead_does_not_end_time_stamping(pool: Pool, tmp_path: Path) -> None:
    """It was the newest one for a year, and had its time stamp."""
    store = TileFolder(tmp_path)

    async def keep(size: int, clock: Clock) -> None:
        note = str(Checkpoint(SIGNER.name, size, bytes(32)).signed_by(SIGNER)).encode()
        await store.replace("checkpoint", note, await store.read("checkpoint"))
        assert await HeadKeeper(pool, store, clock, "checkpoint").keep()

    async def next_to_stamp(clock: Clock) -> int | None:
        found = await kept_heads.to_stamp(pool, clock)
        return None if found is None else found.head.size

    await keep(1, AHEAD)
    assert await next_to_stamp(AHEAD) == 1
    await kept_heads.keep_stamp(pool, 1, b"a stamp")
    await keep(2, Clock())
    assert await next_to_stamp(Clock()) == 2
    await kept_heads.keep_stamp(pool, 2, b"a stamp")
    assert await next_to_stamp(Clock()) is None

"""`keytrail rebuild` while others work with the same tables."""

from __future__ import annotations

import asyncio

import pytest
from click.exceptions import Exit

from domain.ports import Unavailable
from projections.registry import PROJECTIONS
from services.adapters.keyring import VaultKeyring
from services.cli.host import result_or_exit
from services.projector.rebuild import rebuild_projection
from tests.installation import Installation

KEYS = PROJECTIONS["keys"]


async def test_a_rebuild_waits_for_a_long_reader_and_keeps_nobody_else_waiting(
    installation: Installation, keys: VaultKeyring
) -> None:
    """It gave up after a minute, and threw away hours of work. Until then each question to the projection waited behind it."""
    installation.client().create_key()
    told, waits = [], asyncio.Event()

    def tell(what: str, done: int, of: int) -> None:
        told.append(what)
        if what.startswith("waiting for those who read keys"):
            waits.set()

    async with installation.connected() as pool, pool.acquire() as reader:
        reading = reader.transaction(isolation="repeatable_read", readonly=True)
        await reading.start()
        before = await reader.fetchval(f"SELECT sum(next) FROM {KEYS.schema}.positions")
        rebuild = asyncio.ensure_future(rebuild_projection(installation.settings, pool, keys, KEYS, tell))
        await asyncio.wait([asyncio.ensure_future(waits.wait()), rebuild], return_when=asyncio.FIRST_COMPLETED)
        assert not rebuild.done(), "the reader is still there"
        assert await pool.fetchval(f"SELECT sum(next) FROM {KEYS.schema}.positions") >= before, "others are answered"
        assert await reader.fetchval(f"SELECT sum(next) FROM {KEYS.schema}.positions") == before
        await reading.rollback()
        assert await rebuild > 0
    assert told[-1] == "rebuilding keys"


async def test_two_rebuilds_of_one_projection_do_not_meet(installation: Installation, keys: VaultKeyring) -> None:
    """The second one dropped what the first had built, and either might put a half of it in place. Others go on side by side."""
    begun = asyncio.Event()
    async with installation.connected() as pool, pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch(f"SELECT FROM {KEYS.schema}.positions")
        first = asyncio.ensure_future(
            rebuild_projection(installation.settings, pool, keys, KEYS, lambda what, *_: begun.set())
        )
        await begun.wait()
        with pytest.raises(Unavailable, match="another rebuild of keys is under way"):
            await rebuild_projection(installation.settings, pool, keys, KEYS, lambda *_: None)
        await reading.rollback()
        assert await first > 0
        assert await rebuild_projection(installation.settings, pool, keys, KEYS, lambda *_: None) > 0, (
            "it is free again"
        )


def test_a_fault_without_text_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """ "error: The projection is unchanged:" was all that a timeout said."""

    async def work(tell: object) -> None:
        raise TimeoutError

    with pytest.raises(Exit):
        result_or_exit(work, "The projection is unchanged: ")
    assert "The projection is unchanged: no answer in time" in capsys.readouterr().err

"""What every store of tiles promises (port TileStore)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from domain.ports import ContentDiffers, TileStore
from tests.contracts.adapters import TILES


@pytest.fixture(params=sorted(TILES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TileStore:
    made: TileStore = TILES[request.param](tmp_path / "tree")
    return made


async def test_what_is_created_is_read_and_never_changes(store: TileStore) -> None:
    await store.create("tile/0/x001/234", b"one")
    await store.create("tile/0/x001/234", b"one")
    with pytest.raises(ContentDiffers, match=r"tile/0/x001/234"):
        await store.create("tile/0/x001/234", b"two")
    assert await store.read("tile/0/x001/234") == b"one"
    assert await store.read("tile/0/x001") is None


async def test_of_many_that_create_one_path_at_once_one_gets_it(store: TileStore) -> None:
    found = await asyncio.gather(
        *(store.create("tile/0/000", bytes([each])) for each in range(20)), return_exceptions=True
    )
    assert [type(each) for each in found].count(ContentDiffers) == 19
    held = await store.read("tile/0/000")
    assert held is not None
    assert found[held[0]] is None


async def test_a_reader_of_what_is_replaced_gets_the_whole_of_one(store: TileStore) -> None:
    contents = [bytes([each]) * 100_000 for each in range(20)]
    await store.replace("checkpoint", contents[0], None)

    async def replaced() -> None:
        for former, each in pairwise(contents):
            await store.replace("checkpoint", each, former)

    going = asyncio.create_task(replaced())
    while not going.done():
        assert await store.read("checkpoint") in contents
    await going
    assert await store.read("checkpoint") == contents[-1]


async def test_what_is_replaced_is_what_was_read(store: TileStore) -> None:
    """Of many that read one content and replace it at once, one does."""
    for wrong in (b"", b"one"):
        with pytest.raises(ContentDiffers, match="checkpoint"):
            await store.replace("checkpoint", b"two", wrong)
    await store.replace("checkpoint", b"one", None)
    with pytest.raises(ContentDiffers):
        await store.replace("checkpoint", b"two", None)
    found = await asyncio.gather(
        *(store.replace("checkpoint", bytes([each]), b"one") for each in range(20)), return_exceptions=True
    )
    assert [type(each) for each in found].count(ContentDiffers) == 19
    held = await store.read("checkpoint")
    assert held is not None
    assert found[held[0]] is None


async def test_what_is_removed_is_gone_and_may_be_removed_again(store: TileStore) -> None:
    await store.create("tile/0/000.p/1", b"one")
    for _ in range(2):
        await store.remove(["tile/0/000.p/1", "tile/0/000.p/2"])
    assert await store.read("tile/0/000.p/1") is None
    await store.create("tile/0/000.p/1", b"two")


async def test_a_store_holds_nothing_but_what_was_stored(store: TileStore, tmp_path: Path) -> None:
    """A file under another name that is left over would be served, and copied by mirrors."""
    await store.create("tile/0/000", b"one")
    with pytest.raises(ContentDiffers):
        await store.create("tile/0/000", b"two")
    await store.replace("checkpoint", b"one", None)
    files = await asyncio.to_thread(lambda: [each.name for each in tmp_path.rglob("*") if each.is_file()])
    assert sorted(files) == ["000", "checkpoint"]

"""What every store of tiles promises (port TileStore)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from domain.ports import ContentDiffers, TileStore, Unavailable
from services.adapters.tile_bucket import TileBucket
from services.adapters.tile_folder import TileFolder
from services.adapters.tile_stores import require_conditions
from tests import bucket_server
from tests.bucket_server import stored_in
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


async def test_many_are_created_together(store: TileStore) -> None:
    """More than a bucket takes at once. Where one differs, the others may be there, and are tried again later."""
    contents = [(f"tile/0/{each:03d}", bytes([each])) for each in range(40)]
    await store.create("tile/0/007", b"\7")
    await store.create_all(contents)
    assert [await store.read(path) for path, _ in contents] == [content for _, content in contents]
    with pytest.raises(ContentDiffers, match="tile/0/020"):
        await store.create_all([("tile/0/100", b"x"), ("tile/0/020", b"x"), ("tile/0/101", b"x")])
    await store.create_all([("tile/0/100", b"x"), ("tile/0/101", b"x")])
    await store.create_all([])


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


async def test_a_store_holds_nothing_but_what_was_stored(store: TileFolder | TileBucket) -> None:
    """A file under another name that is left over would be served, and copied by mirrors."""
    await store.create("tile/0/000", b"one")
    with pytest.raises(ContentDiffers):
        await store.create("tile/0/000", b"two")
    await store.replace("checkpoint", b"one", None)
    await require_conditions(store)
    assert await asyncio.to_thread(stored_in, store) == {"tile/0/000": b"one", "checkpoint": b"one"}


async def test_a_bucket_that_does_not_answer_is_unavailable() -> None:
    """Nor does a bucket that is not there count as an empty one."""
    server = bucket_server.started()
    store = TileBucket(server.address())
    await store.create("tile/0/000", b"one")
    await asyncio.to_thread(server.stop)
    for asked in (
        store.read("tile/0/000"),
        store.create("tile/0/001", b"one"),
        store.replace("checkpoint", b"one", None),
        store.remove(["tile/0/000"]),
    ):
        with pytest.raises(Unavailable, match="the bucket log-"):
            await asked
    server = await asyncio.to_thread(bucket_server.started, server.port)
    try:
        for asked in (store.read("tile/0/000"), store.create("tile/0/000", b"one")):
            with pytest.raises(Unavailable, match=r"the bucket log-.*404"):  # the server has forgotten its buckets
                await asked
    finally:
        await asyncio.to_thread(server.stop)

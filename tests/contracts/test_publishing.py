"""Publishing a tree while another notary publishes it too: one tree, and a checkpoint that never gets smaller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.notes import NoteSigner, signed_note
from domain.transparency.order import OrderBroken
from services.notary.publisher import CHECKPOINT, KEY, Superseded, TreePublisher, checkpoint_of
from tests.bucket_server import stored_in
from tests.contracts.adapters import TILES
from tests.one_key import OneKey

OpenStore = Callable[[str], Any]
SIGNER = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))


@pytest.fixture(params=sorted(TILES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Makes an empty store."""
    return lambda name: TILES[request.param](tmp_path / name)


@pytest.fixture
def store(open_store: OpenStore) -> Any:
    return open_store("tree")


def entries(first: int, last: int) -> list[bytes]:
    return [each.to_bytes(32, "big") for each in range(first, last)]


async def opened(store: Any) -> TreePublisher:
    found = TreePublisher(store, OneKey(SIGNER))
    await found.open()
    return found


async def size(store: Any) -> int:
    found = checkpoint_of(await store.read(CHECKPOINT), SIGNER.verifier)
    return 0 if found is None else found.size


async def test_a_notary_that_was_paused_takes_nothing_back(store: Any) -> None:
    """Given a notary that is stopped with a batch that was read back, when another publishes it and the next one, then the first
    signs nothing after it wakes."""
    paused, other = await opened(store), await opened(store)
    batch = paused.grown(entries(0, 300))
    for first, last in ((0, 300), (300, 700)):
        await other.publish(other.grown(entries(first, last)))
    before = await store.read(CHECKPOINT)
    with pytest.raises(Superseded):
        await paused.publish(batch)
    assert await store.read(CHECKPOINT) == before


async def test_one_batch_may_be_published_twice(store: Any) -> None:
    for _ in range(2):
        publisher = TreePublisher(store, OneKey(SIGNER))
        await publisher.publish(publisher.grown(entries(0, 300)))
    assert await size(store) == 300


async def test_another_tree_of_the_same_size_is_refused(store: Any) -> None:
    first = await opened(store)
    await first.publish(first.grown(entries(0, 300)))
    other = TreePublisher(store, OneKey(SIGNER))
    with pytest.raises(OrderBroken):
        await other.publish(other.grown(entries(1, 301)))
    assert await size(store) == 300


@pytest.mark.parametrize("sizes", [[1, 2, 3], [255, 256, 257], [256, 512], [10, 700, 701], [700], [3_000, 3_001]])
async def test_a_publisher_goes_on_from_what_is_published(open_store: OpenStore, sizes: list[int]) -> None:
    """Batch after batch, each by a publisher that was just opened, the tree and the files are those of one go."""
    before, many, alone = 0, open_store("many"), open_store("once")
    for each in sizes:
        publisher = await opened(many)
        await publisher.publish(publisher.grown(entries(before, each)))
        before = each
    once = await opened(alone)
    await once.publish(once.grown(entries(0, before)))
    files = [await asyncio.to_thread(stored_in, each) for each in (many, alone)]
    whole = [{name: content for name, content in each.items() if ".p/" not in name} for each in files]
    assert whole[0] == whole[1]
    assert files[1].items() <= files[0].items()


async def test_a_tree_goes_on_under_a_new_key(store: Any) -> None:
    """Given a checkpoint that the former key signed alone, when the keys change, then the same checkpoint is signed by both, and
    later by the new one alone; the tree goes on each time."""
    new = NoteSigner(SIGNER.name, Ed25519PrivateKey.from_private_bytes(b"\2" * 32))
    first = await opened(store)
    await first.publish(first.grown(entries(0, 300)))
    size_before = 300
    for signers, former in (((new, SIGNER), ()), ((new,), (SIGNER,))):
        publisher = TreePublisher(store, OneKey(*signers, former=former))
        await publisher.open()
        are_others = publisher.is_signed_by_others
        assert are_others
        assert await publisher.sign_anew() is not None
        assert not publisher.is_signed_by_others
        assert await signed_by(store, SIGNER, new) == list(signers)[::-1]
        named = await store.read(KEY)
        assert named == "".join(f"{each.verifier.text}\n" for each in signers).encode()
        await publisher.publish(publisher.grown(entries(size_before, size_before + 50)))
        size_before += 50
        found = checkpoint_of(await store.read(CHECKPOINT), new.verifier)
        assert found is not None
        assert found.size == size_before


async def test_a_checkpoint_of_a_key_that_is_not_ours_is_refused(store: Any) -> None:
    first = await opened(store)
    await first.publish(first.grown(entries(0, 3)))
    other = NoteSigner(SIGNER.name, Ed25519PrivateKey.from_private_bytes(b"\2" * 32))
    with pytest.raises(OrderBroken, match="is not ours"):
        await TreePublisher(store, OneKey(other)).open()


async def signed_by(store: Any, *signers: NoteSigner) -> list[NoteSigner]:
    content = await store.read(CHECKPOINT)
    assert content is not None
    note = signed_note(content.decode())
    return [each for each in signers if note.by(each.verifier) is not None]

"""Publishes a tree: its tiles, its entries, and the checkpoint that makes them count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from domain.ports import ContentDiffers, TileStore
from domain.transparency.checkpoints import Checkpoint, checkpoint_by_one_of
from domain.transparency.merkle import leaf_hash
from domain.transparency.notes import NoteRefused, SignedNote, VerifierKey, note_of
from domain.transparency.order import OrderBroken
from domain.transparency.tiles import WIDTH, TileMissing, TileName, TreeEdge, bundle, edge_from, edge_names

CHECKPOINT, KEY = "checkpoint", "key"
OTHER_HEAD = "there is another checkpoint of this size: the folder of the transparency log was changed"


class Superseded(Exception):
    """Another notary is at work and was faster: this one has to begin anew from what that one published."""


class CheckpointKeys(Protocol):
    """The keys of one log."""

    @property
    def origin(self) -> str: ...

    @property
    def own(self) -> Sequence[VerifierKey]:
        """Every key that signs or has signed."""

    @property
    def signing(self) -> Sequence[VerifierKey]:
        """The keys that sign now, newest first."""

    async def read(self) -> None:
        """Look for new keys. Raises Unavailable."""

    async def signed(self, head: Checkpoint) -> SignedNote:
        """By each key that signs now. Raises Unavailable."""


class TreePublisher:
    """`edge` is that of the tree which is published."""

    def __init__(self, store: TileStore, keys: CheckpointKeys) -> None:
        self._store, self._keys = store, keys
        self._signed: Sequence[VerifierKey] = ()
        """Our keys that signed what is published."""
        self._entries: list[bytes] = []
        self.edge = TreeEdge()

    async def open(self) -> None:
        """Goes on from the checkpoint that is published. Raises OrderBroken if what is published is not ours or not whole,
        Superseded if another notary published meanwhile."""
        content = await self._store.read(CHECKPOINT)
        found = await self._head(content)
        self._signed = self._keys.signing if content is None else self._signers(note_of(content))
        try:
            await self._go_on_from(found)
        except OrderBroken:
            # Parts of a tile go when the tile is full: then this is no fault of what is published.
            if await self._store.read(CHECKPOINT) != content:
                raise Superseded("another checkpoint was published meanwhile") from None
            raise
        await self._name_keys()

    async def _go_on_from(self, found: Checkpoint | None) -> None:
        """Raises OrderBroken."""
        size = 0 if found is None else found.size
        tiles = {name: await self._read(name.path) for name in edge_names(size)}
        try:
            self.edge = edge_from(size, lambda name: tiles[name])
        except TileMissing as fault:
            raise OrderBroken(f"{fault} of the transparency log has another length than its name says") from None
        if found is not None and self.edge.root() != found.root:
            raise OrderBroken(f"the tiles of the tree of {size} leaves give another root than its checkpoint")
        held = size % WIDTH
        self._entries = unbundled(await self._read(TileName(0, size // WIDTH, held).entries_path)) if held else []

    @property
    def is_signed_by_others(self) -> bool:
        """Whether other keys signed what is published than would sign it now."""
        return list(self._signed) != list(self._keys.signing)

    async def sign_anew(self) -> tuple[Checkpoint, SignedNote] | None:
        """Publishes the same checkpoint with the signatures of the keys that sign now. None before the first checkpoint. Raises
        OrderBroken, Superseded, Unavailable."""
        if self.edge.size:
            return await self.publish(self.grown([]))
        await self._name_keys()
        self._signed = self._keys.signing
        return None

    def _signers(self, note: SignedNote) -> Sequence[VerifierKey]:
        return [each for each in self._keys.own if note.by(each) is not None]

    async def _name_keys(self) -> None:
        text = "".join(f"{each.text}\n" for each in self._keys.signing).encode()
        former = await self._store.read(KEY)
        if former != text:
            with suppress(ContentDiffers):  # another notary puts the same keys there
                await self._store.replace(KEY, text, former)

    async def _head(self, content: bytes | None) -> Checkpoint | None:
        """The checkpoint that is published. Raises OrderBroken."""
        try:
            return checkpoint_of(content, *self._keys.own)
        except OrderBroken:
            await self._keys.read()  # another notary may know a newer key
            return checkpoint_of(content, *self._keys.own)

    async def _read(self, path: str) -> bytes:
        found = await self._store.read(path)
        if found is None:
            raise OrderBroken(f"{path} is missing from the transparency log")
        return found

    def grown(self, entries: Iterable[bytes]) -> GrownTree:
        """The tree with further leaves, which is not published yet."""
        return GrownTree(self.edge, self._entries, entries)

    async def publish(self, tree: GrownTree) -> tuple[Checkpoint, SignedNote]:
        """Raises OrderBroken, Superseded, Unavailable. May be interrupted at any time, and done again."""
        checkpoint = Checkpoint(self._keys.origin, tree.edge.size, tree.edge.root())
        former = await self._store.read(CHECKPOINT)
        await self._require_onward(former, checkpoint)
        if self.is_signed_by_others:
            await self._name_keys()
        try:
            await self._store.create_all(tree.contents)
        except ContentDiffers as fault:
            raise OrderBroken(f"{fault} of the transparency log has another content") from None
        note = await self._keys.signed(checkpoint)
        try:
            await self._store.replace(CHECKPOINT, str(note).encode(), former)
        except ContentDiffers:
            raise Superseded("another checkpoint was published meanwhile") from None
        # Until a tile is full, every checkpoint has a part of it of its own.
        await self._store.remove(tree.superseded)
        self.edge, self._entries = tree.edge, tree.entries
        self._signed = self._signers(note)
        return checkpoint, note

    async def _require_onward(self, former: bytes | None, checkpoint: Checkpoint) -> None:
        """Raises Superseded, OrderBroken."""
        found = await self._head(former)
        if found is None or found.size < checkpoint.size:
            return
        if found.size > checkpoint.size:
            raise Superseded(f"the published tree already has {found.size} leaves")
        if found.root != checkpoint.root:
            raise OrderBroken(OTHER_HEAD)


class GrownTree:
    """A published tree with further leaves: its edge, and the files that it has and the published one has not."""

    def __init__(self, before: TreeEdge, held: Sequence[bytes], entries: Iterable[bytes]) -> None:
        self.edge = TreeEdge(before.size, [list(each) for each in before.levels])
        self.entries = list(held)
        self.contents: list[tuple[str, bytes]] = []
        self.superseded: list[str] = []
        new = list(entries)
        first = before.size
        full = list(self.edge.add(map(leaf_hash, new)))
        self.contents += [(name.path, tile) for name, tile in [*full, *self.edge.partial()]]
        # A tile that was begun and filled by this batch has no parts: only the last tiles of the published tree have some.
        begun = {(name.level, name.index): name.width for name in edge_names(first)}
        for name, _ in full:
            widths = range(1, begun.get((name.level, name.index), 0) + 1)
            self.superseded += [TileName(name.level, name.index, width).path for width in widths]
        self._bundle(new, first)

    def _bundle(self, new: Sequence[bytes], first: int) -> None:
        index = first // WIDTH
        self.entries += new
        while len(self.entries) >= WIDTH:
            self.contents.append((TileName(0, index).entries_path, bundle(self.entries[:WIDTH])))
            held = first % WIDTH if index == first // WIDTH else 0
            self.superseded += [TileName(0, index, width).entries_path for width in range(1, held + 1)]
            del self.entries[:WIDTH]
            index += 1
        if self.entries:
            self.contents.append((TileName(0, index, len(self.entries)).entries_path, bundle(self.entries)))


def checkpoint_of(content: bytes | None, *keys: VerifierKey) -> Checkpoint | None:
    """The checkpoint that is published; None before the first. Raises OrderBroken for one that none of these keys signed."""
    if content is None:
        return None
    try:
        return checkpoint_by_one_of(note_of(content), keys)[0]
    except NoteRefused as fault:
        raise OrderBroken(f"the published checkpoint is not ours: {fault}") from None


def unbundled(content: bytes) -> list[bytes]:
    """The inverse of `bundle`."""
    found, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        found.append(content[at + 2 : at + 2 + length])
        at += 2 + length
    return found

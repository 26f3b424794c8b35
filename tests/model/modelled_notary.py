"""A notary of the model: the real one, whose questions to the world are steps."""

from __future__ import annotations

import types
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.log.authenticity import DECISIONS
from domain.log.authority import Authority
from domain.log.chain import Chain
from domain.ports import Stored
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.notes import NoteSigner, SignedNote, VerifierKey
from domain.transparency.order import LeafRun
from services.adapters.keyring import VaultKeyring
from services.notary.feed import TakenRecord
from services.notary.worker import Notary
from services.settings import load
from tests.keys import process_keys

KEYS: VaultKeyring = process_keys()
AUTHORITY = Authority("log", 0, "", KEYS.newest)
SIGNERS = [
    NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(bytes([each]) * 32)) for each in (5, 6)
]
SETTINGS = load({}, data=Path("nowhere"))
Question = tuple[Any, ...]
"""What is asked, and its arguments."""
Answer = Any


@types.coroutine
def asked(*question: Any) -> Generator[Question, Answer, Answer]:
    """A step: the world answers, now or later."""
    return (yield question)


class AskedStore:
    """Port TileStore."""

    async def create(self, path: str, content: bytes) -> None:
        await asked("create", path, content)

    async def create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        for path, content in contents:
            await self.create(path, content)

    async def read(self, path: str) -> bytes | None:
        found: bytes | None = await asked("read", path)
        return found

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        await asked("replace", path, content, former)

    async def remove(self, paths: Sequence[str]) -> None:
        await asked("remove", tuple(paths))


class AskedReader:
    def __init__(self, offset: int) -> None:
        self._next = offset

    async def read(self, limit: int) -> Sequence[Stored]:
        found: tuple[bytes, ...] = await asked("values", self._next)
        first, self._next = self._next, self._next + len(found)
        return [Stored(first + place, value) for place, value in enumerate(found)]


class AskedTopic:
    """Port Topic: that of batches."""

    async def append(self, value: bytes) -> int:
        return int(await asked("append", value))

    async def reader(self, offset: int) -> AskedReader:
        return AskedReader(offset)

    async def end(self) -> int:
        return int(await asked("end"))

    async def start(self) -> int:
        """Nobody removes batches here, so it is no question."""
        return 0


class AskedRows:
    """What services/notary/leaf_rows.py asks of Postgres."""

    async def fetchval(self, sql: str) -> int:
        return int(await asked("largest leaf"))

    async def fetchrow(self, sql: str) -> Mapping[str, str] | None:
        found: tuple[str, str] | None = await asked("reached")
        return None if found is None else dict(zip(("document", "mac"), found, strict=True))

    async def executemany(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await asked("keep rows", tuple(tuple(each) for each in rows))

    async def execute(self, sql: str, document: str, mac: str) -> None:
        await asked("keep reached", document, mac)


class FixedClock:
    def now(self) -> int:
        return 1_767_225_600_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """Records that arrive at once, at the end of one partition of `decisions`; those named by `voids` have no leaf."""

    partition: int
    first: int
    count: int
    voids: tuple[int, ...] = ()

    @cache  # noqa: B019  # there are few, and each is asked again and again
    def records(self) -> tuple[TakenRecord, ...]:
        places = [LeafPlace(DECISIONS, self.partition, self.first + each) for each in range(self.count)]
        return tuple(
            (place, None if place.position in self.voids else entry_of(place, b'{"mac":"%d"}' % place.position))
            for place in places
        )


class ModelledKeys:
    """The log's keys, as far as a notary knows them: 0 the first one signs; 1 it and its successor; 2 the successor alone."""

    def __init__(self) -> None:
        self.known = 0

    @property
    def origin(self) -> str:
        return SIGNERS[0].name

    @property
    def own(self) -> Sequence[VerifierKey]:
        return [each.verifier for each in (SIGNERS[:1], SIGNERS[::-1], SIGNERS[::-1])[self.known]]

    @property
    def signing(self) -> Sequence[VerifierKey]:
        return signing(self.known)

    async def read(self) -> None:
        self.known = int(await asked("keys"))

    async def read_sometimes(self) -> None:
        await self.read()

    async def signed(self, head: Checkpoint) -> SignedNote:
        return head.signed_by(*signers(self.known))


def signers(known: int) -> Sequence[NoteSigner]:
    return (SIGNERS[:1], SIGNERS[::-1], SIGNERS[1:])[known]


def signing(known: int) -> Sequence[VerifierKey]:
    return [each.verifier for each in signers(known)]


class ModelledNotary(Notary):
    """A notary whose questions are the model's steps."""

    def __init__(self, name: str, arrivals: Sequence[Arrival]) -> None:
        self.tree_keys = ModelledKeys()
        super().__init__(SETTINGS, AskedRows(), KEYS, "log", 1, AskedStore(), self.tree_keys)  # type: ignore[arg-type]  # all it asks
        self._name, self._clock = name, FixedClock()  # type: ignore[assignment]  # as above
        self._topic = AskedTopic()  # type: ignore[assignment]  # as above
        self._now = Chain("", -1, KEYS, AUTHORITY)
        self._keys_read = float("inf")  # nobody rotates the key of records here, so they are never read again
        self._arrivals = arrivals

    async def run(self) -> None:
        await self.tree_keys.read()
        await self.begin()
        while True:
            wakes = self.publisher.is_signed_by_others, self.tree_keys.known
            taken = await asked("records", tuple(sorted(self._order.next.items())), *wakes)
            await self.tree_keys.read()
            if taken:
                await self._take(taken, self._now)
            if self.publisher.is_signed_by_others:
                await self.publisher.sign_anew()

    def memory(self) -> tuple[Any, ...]:
        """All that it remembers when it asks for records: those who remember the same go on in the same way."""
        order, publisher = self._order, self.publisher
        tree = publisher.edge.root(), tuple(publisher._entries), tuple(publisher._signed), self.tree_keys.known
        return self._name, str(order.document()), self._read, *tree

    async def _entries_of(self, run: LeafRun) -> list[bytes]:
        """The records stand on their topics unchanged, so when they are read makes no difference."""
        found = {place: each for arrival in self._arrivals for place, each in arrival.records()}
        return [each for place in run.places() if (each := found[place]) is not None]

"""A separate process reads and prepares the files, two batches ahead of the import.

Reading a record takes as long as writing it, and Python uses one core. The process is forked before anything is opened, so
it holds no key, no connection and no lock. It sends the batches in order through a socket, which holds less than one batch,
so the process waits for the import. If the import is killed, the socket breaks and the process ends.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from domain.ports import Unavailable
from services.runtime.memory import keep, seldom
from services.trails.prepared import Prepared, RecordPreparer
from services.trails.wrappers import FoundRecord

BATCH = 4_000
BYTES = 16 << 20
"""The most bytes of records in a batch: three times the length of 4,000 records of CloudTrail. Longer records come in smaller
batches, so memory is bounded and the broker accepts each batch in time."""
_LENGTH = 8
MOST_BROKEN = 1_000
"""How many parts of a file that cannot be read are kept, each with its reason. They go onto the topic for good, and a file may
hold millions."""
ReadingOf = Callable[[Path], Iterator[FoundRecord]]


class Ahead:
    """A context manager: the process ends with it."""

    def __init__(self, paths: list[Path], reading_of: ReadingOf) -> None:
        self.files = 0
        """How many files had been read to their end when the last batch was sent."""
        self._ours, its = socket.socketpair()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_send_all, args=(paths, reading_of, self._ours, its), daemon=True)
        self._process.start()
        its.close()
        self._ours.setblocking(False)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._process.kill()
        self._process.join()

    async def following(self) -> list[Prepared]:
        """The next batch, empty at the end. Raises Unavailable."""
        length = int.from_bytes(await self._received(_LENGTH))
        self.files, batch = unpacked(await self._received(length))
        return batch

    async def _received(self, length: int) -> bytearray:
        """Returns `length` bytes. Raises Unavailable."""
        loop, text, at = asyncio.get_running_loop(), bytearray(length), 0
        rest = memoryview(text)
        while at < length:
            try:
                count = await loop.sock_recv_into(self._ours, rest[at:])
            except OSError:
                count = 0
            if not count:
                raise Unavailable("the process that reads the files was ended")
            at += count
        return text


def _send_all(paths: list[Path], reading_of: ReadingOf, theirs: socket.socket, ours: socket.socket) -> None:
    """Sends batch after batch, and an empty one at the end. Stops if nobody reads."""
    theirs.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the import handles Ctrl-C, and its end also ends this process
    keep()
    files = 0

    def every() -> Iterator[Prepared]:
        nonlocal files
        preparing = RecordPreparer()
        for path in paths:
            yield from prepared_of(reading_of(path), preparing)
            files += 1

    with seldom():
        for batch in batches(every()):
            text = packed(files, batch)
            try:
                ours.sendall(len(text).to_bytes(_LENGTH))
                ours.sendall(text)
            except OSError:
                return  # the import has stopped


def prepared_of(records: Iterator[FoundRecord], preparing: RecordPreparer) -> Iterator[Prepared]:
    """Yields the records of a file, prepared. Of those that cannot be read, only the first MOST_BROKEN come, and one more that
    says how many are left out."""
    broken, source = 0, ""
    for found in records:
        each = preparing.prepare(found)
        if each.reason:
            broken, source = broken + 1, found.source
            if broken > MOST_BROKEN:
                continue
        yield each
    if broken > MOST_BROKEN:
        more = broken - MOST_BROKEN
        reason = f"{more} more parts of the file cannot be read either; they are not kept"
        found = FoundRecord(source, f"after {MOST_BROKEN} broken parts", reason.encode())
        yield Prepared(found, reason=reason, not_kept=more)


def batches(prepared: Iterator[Prepared]) -> Iterator[list[Prepared]]:
    """Yields batches, and an empty one at the end."""
    batch, held = list[Prepared](), 0
    for each in prepared:
        batch.append(each)
        held += len(each.found.raw)
        if len(batch) == BATCH or held >= BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
    yield []


_OF_FOUND = [each.name for each in fields(FoundRecord)]
_OF_PREPARED = [each.name for each in fields(Prepared)][1:]


def packed(files: int, batch: list[Prepared]) -> bytes:
    """Packs a batch as columns, in half the time that objects take. A column with only one value is sent as that value."""
    founds = [each.found for each in batch]
    columns = [_column(name, founds) for name in _OF_FOUND]
    columns += [_column(name, batch) for name in _OF_PREPARED]
    return pickle.dumps((files, len(batch), columns), pickle.HIGHEST_PROTOCOL)


def _column(name: str, objects: Sequence[Any]) -> list[Any]:
    column = list(map(attrgetter(name), objects))
    same = bool(column) and column[0] is column[-1] and column.count(column[0]) == len(column)
    return column[:1] if same else column


def unpacked(text: bytes | bytearray) -> tuple[int, list[Prepared]]:
    files, count, columns = pickle.loads(text)  # noqa: S301  # from our own child, through a socket that only the two have
    if not count:
        return files, []
    whole = [column if len(column) == count else repeat(column[0], count) for column in columns]
    founds = map(FoundRecord, *whole[: len(_OF_FOUND)])
    return files, list(map(Prepared, founds, *whole[len(_OF_FOUND) :]))

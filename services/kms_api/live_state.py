"""The API's live state: the fold of `events`, and whether it is fresh enough to decide on.

It is fresh if it is folded up to a recent watermark. The broker must have given that watermark for a question *sent*
less than `fresh_for` seconds ago, with a read always pending. A refusal needs a barrier: a
watermark that was asked for after the call arrived, because another worker may have made the key a millisecond ago.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from domain.log.authenticity import DECISIONS, KeyMissing, Seal
from domain.log.authority import Authority
from domain.log.chain import digest
from domain.log.codec import Unreadable, parse, record_from
from domain.log.record import Record
from domain.ports import OutOfRange, Reader, Stored, Topic, Unavailable
from domain.state.fold import Fold
from domain.state.world import World
from services.adapters import keyring
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known, record_at
from services.clock import lasting
from services.logs import logger_of

log = logger_of("present")

ASK_EVERY = 1.0
BARRIER_DEADLINE = 4.0
BEGIN_DEADLINE = 15.0
"""Seconds. After these a worker takes calls even if it cannot answer them; /healthz then says what is wrong."""
BATCH = 1000

Seen = tuple[int, Record]


class NotFresh(Exception):
    """The log's end is not known or not folded yet, so nothing may be decided now."""


def end_process(reason: str) -> NoReturn:
    log.error("the log does not go on from what was read; this process ends", reason=reason)
    os._exit(78)  # EX_CONFIG: a restart does not mend it


class LiveState:
    """Owns one fold. Start `follow` and `keep_asking` as tasks."""

    def __init__(
        self,
        events: Topic,
        fold: Fold,
        keys: VaultKeyring,
        fresh_for: float,
        on_record: Callable[[Record | None], None],
        end: Callable[[str], NoReturn] = end_process,
        now: Callable[[], float] = lasting,
    ) -> None:
        """`end` is called with the reason when nothing may be answered from here any more. By default it ends the process. `now`:
        seconds."""
        self._events = events
        self._keys = keys
        self._fold = fold
        self.world: World = fold.world
        """The same object throughout the life of the process; the fold changes it in place."""
        self._fresh_for = fresh_for
        self._on_record = on_record
        self._end = end
        self._now = now
        self._fresh_at = float("-inf")
        self._in_doubt = False
        """A void record was read, and it is not known yet whether the log is still the one that was read."""
        self._settled = False
        self._waiting: list[asyncio.Future[None]] = []
        self._asked = asyncio.Event()
        self._progress = asyncio.Condition()
        self._expected: dict[str, asyncio.Future[Seen]] = {}

    @property
    def position(self) -> int:
        return self._fold.chain.position

    @property
    def head(self) -> str:
        return self._fold.chain.head

    @property
    def next(self) -> int:
        return self._fold.next

    @property
    def voids(self) -> int:
        return self._fold.voids

    @property
    def authority(self) -> Authority:
        """What counts as authentic, as the log says now."""
        return self._fold.chain.authority

    def seal(self, kind: str) -> Seal:
        """The key that now authenticates values of this kind of topic. Raises Unavailable while the vault has not told a key that
        the log has gone on to."""
        authority = self._fold.chain.authority
        try:
            return self._keys.seal(authority.key or self._keys.newest, kind, self.world.log)
        except KeyMissing as missing:
            raise Unavailable(f"the vault has not told the key {missing} yet") from None

    def seal_of_decisions(self) -> Seal:
        """As `seal`. A decision may have waited for a lane. Whoever rotates the key waits until every state is fresh or decides
        nothing; what a stale one sealed later, under the former key, would be answered and void. Raises Unavailable."""
        if not self.is_fresh():
            raise Unavailable("the log's newest state is not known")
        return self.seal(DECISIONS)

    def sealed(self, kind: str, body: bytes) -> bytes:
        """The value to append, for a JSON object that is never shown in parts. Raises Unavailable."""
        return self.seal(kind).sealed(body)[0]

    def is_fresh(self) -> bool:
        """Whether this state may decide: it has reached the log's end, and the log is this installation's own."""
        return self._now() - self._fresh_at < self._fresh_for and (self._settled or self._is_settled())

    def _is_settled(self) -> bool:
        # Kept, since every call asks: a log that was once authentic stays authentic.
        self._settled = self._fold.chain.authority.is_settled(self._keys)
        return self._settled

    def can_answer(self) -> bool:
        """Whether calls can be answered: the state is fresh, and it has an access key that may be used."""
        return self.is_fresh() and bool(self.world.access_keys)

    async def begun(self, root: str) -> None:
        """Returns when calls can be answered, also those of the access key `root`, or after BEGIN_DEADLINE. A client that calls
        while a worker starts waits for another worker or for this one: a start causes no refusal."""

        def has_begun() -> bool:
            return self.can_answer() and root in self.world.access_keys

        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_DEADLINE):
                while not has_begun():
                    folded = self._fold.next
                    with suppress(NotFresh):
                        await self.barrier()
                        if not has_begun():  # a new log, or another root key, whose records are still to come
                            await self._folded_to(folded + 1)

    def require_fresh(self) -> None:
        """Raises NotFresh."""
        if not self.is_fresh():
            raise NotFresh

    async def barrier(self) -> None:
        """Returns when all that was on the log at the time of this call is folded. Raises NotFresh."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._asked.set()
        try:
            async with asyncio.timeout(BARRIER_DEADLINE):
                await future
        except TimeoutError:
            raise NotFresh from None

    @contextmanager
    def expecting(self, call: str) -> Iterator[asyncio.Future[Seen]]:
        """A future that ends when the record of this call is folded. Enter this context before the command is sent."""
        future: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._expected[call] = future
        try:
            yield future
        finally:
            del self._expected[call]

    async def first_answer(self, invocation: str) -> tuple[int, Record]:
        """The place and record of the first answer to a client's call. The record of a retry names the place where its writer
        expected the first answer. If records of another writer, or a stranger's, came before those that were on their way, the
        first answer stands behind them, and somebody else's record there. Raises Unavailable, also if the retry came as late as
        one is recognised."""
        first = self.world.recent_calls.answers.get(invocation)
        if first is None:
            raise Unavailable("the first answer is too old")
        document = parse((await record_at(self._events, first.position)).value)
        assert document is not None, "the position of a valid record holds one"
        return first.position, record_from(document)

    async def follow(self) -> None:
        """Folds the log's records as they come, for ever. A log that cannot be read ends the process, which must not
        answer from a wrong state."""
        reader: Reader | None = None
        try:
            while True:
                try:
                    if reader is None:
                        self._fold.rewind()
                        await keyring.know_key_in_force(self._fold, self._keys)
                        reader = await self._opened()
                    voids = self._fold.voids
                    for stored in await reader.read(BATCH):
                        if stored.offset < self._fold.next:
                            self._require_void_still(stored)
                            continue
                        record = await keyring.take(self._fold, stored, self._keys)
                        self._in_doubt |= record is None
                        self._on_record(record)
                        if record is not None and record.call is not None:
                            self._tell(stored.offset, record)
                    if self._fold.voids > voids:
                        await reader.close()
                        reader = await self._opened()
                    async with self._progress:
                        self._progress.notify_all()
                except Unavailable as fault:
                    log.warning("the log cannot be read; trying again", reason=str(fault))
                    if reader is not None:
                        await reader.close()
                    reader = None
                    await asyncio.sleep(0.5)
        except (OutOfRange, Unreadable) as fault:
            self._end(str(fault))
        except KeyMissing as missing:
            self._end(f"the log goes on under key {missing}, which the vault does not have")
        finally:
            if reader is not None:
                await reader.close()

    async def _opened(self) -> Reader:
        """A reader that has found the last valid record where this state knows it. Raises Unavailable, OutOfRange.

        If brokers lost records that they had acknowledged while this process was away, others may have gone on since. Every
        record of theirs would be void here, and this state would decide as if it were the present. So a worker that comes back,
        or meets a void record, looks whether the log is still the one that it has read.
        """
        position, head = self._fold.chain.position, self._fold.chain.head
        reader = await self._events.reader(max(position, 0))
        try:
            if position >= 0:
                found = (await read_known(reader, 1))[0]
                if found.offset != position or digest(found.value) != head:
                    self._end(f"the log holds another record at {position} than the one that was read there")
        except BaseException:
            await reader.close()
            raise
        self._in_doubt = False
        return reader

    def _require_void_still(self, stored: Stored) -> None:
        """A record after the last valid one was void when it was read. If one of ours follows the last valid one now, it has come
        in its place. Somebody else's record may name the last valid one too, and is as void as before."""
        chain, document = self._fold.chain, parse(stored.value)
        if document is None or document.get("previous") != chain.head or stored.offset <= chain.position:
            return
        if chain.authority.admits(self._keys, stored.value, document):
            self._end(f"the log holds another record at {stored.offset} than the void one that was read there")

    def _tell(self, position: int, record: Record) -> None:
        assert record.call is not None
        future = self._expected.get(record.call.id)
        if future is not None and not future.done():
            future.set_result((position, record))

    async def keep_asking(self) -> None:
        """Asks for the watermark once a second, and at once when a barrier waits. One question serves all waiting barriers."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_EVERY):
                    await self._asked.wait()
            self._asked.clear()
            waiting, self._waiting = self._waiting, []
            sent, folded = self._now(), self._fold.next
            try:
                end = await self._events.end()
                # Compared with what was folded when the question was sent: by now the fold may be ahead of the answer.
                if end < folded:
                    self._end(f"the log ends at {end}, before what was read of it ({folded}): it was cut or made anew")
                async with asyncio.timeout(BARRIER_DEADLINE):
                    await self._folded_to(end)
            except (Unavailable, TimeoutError):
                for future in waiting:
                    if not future.done():
                        future.set_exception(NotFresh())
                await asyncio.sleep(0.05)
                continue
            self._fresh_at = sent
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def _folded_to(self, end: int) -> None:
        def is_folded() -> bool:
            return self._fold.next >= end and not self._in_doubt

        if not is_folded():
            async with self._progress:
                await self._progress.wait_for(is_folded)

"""When keys were made, by the log, not by a table that somebody else may write to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from domain.alerts.engine.judge import Pair
from domain.durations import SECOND_MICROS
from domain.log.events import KeyCreated
from domain.ports import Topic, Unavailable
from domain.state.fold import Fold
from services.adapters import keyring
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.turns import Turn

READ = 500


@dataclass
class Ages:
    """The ages of keys. `fold` gives what this worker has folded of `events`; that may be behind, since another worker may
    judge them. The fold is asked first, and nearly always answers. The log is read from its beginning only for a key that was
    deleted since its use, or made after an old fold ends. It is read once, and later from where that ended."""

    topic: Topic
    keys: VaultKeyring
    fold: Callable[[], Fold | None]
    _passed: Fold = field(init=False)
    _made: dict[str, int] = field(init=False, default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._passed = Fold.under(self.keys)

    async def of(self, pairs: Iterable[Pair], age: int) -> Mapping[str, int]:
        """By ARN, when the keys of these pairs were made, in microseconds. A key that came after the fold, and is younger than
        `age` seconds in any case, may get the fold's time. A key that the log does not have gets 0, and counts as old: a missing
        fact must not keep an alert from being raised.

        Raises Unavailable, OutOfRange, Unreadable.
        """
        fold = self.fold()
        if fold is None:
            raise Unavailable("the log is being folded again")
        found: dict[str, int] = {}
        left: set[str] = set()
        for pair in pairs:
            key = _id(pair.key)
            there = fold.world.keys.get(key)
            if there is not None:
                found[pair.key] = there.created
            elif key not in fold.world.deleted and pair.call.at - fold.world.at < age * SECOND_MICROS:
                found[pair.key] = fold.world.at
            else:
                left.add(pair.key)
        if any(_id(arn) not in self._made for arn in left):
            await self._read_on()
        return found | {arn: self._made.get(_id(arn), 0) for arn in left}

    async def _read_on(self) -> None:
        async with self._one_at_a_time:
            end = await self.topic.end()
            if self._passed.next >= end:
                return
            reader, turn = await self.topic.reader(self._passed.next), Turn()
            try:
                while self._passed.next < end:
                    for stored in await read_known(reader, min(READ, end - self._passed.next)):
                        found = await keyring.read(self._passed, stored, self.keys)
                        if found is not None and isinstance(event := found[1].event, KeyCreated):
                            self._made[event.key] = found[1].at
                        await turn.give_way()  # otherwise the group drops the worker during a long log
            except BaseException:
                self._passed = Fold.under(self.keys)  # it may have passed over a record
                raise
            finally:
                await reader.close()


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]

"""When keys were made: as the log says, and no table that somebody else may write to."""

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
from services.turns import Turn

READ = 500


@dataclass
class Ages:
    """`fold` gives what this worker has folded of `events`, which may be behind: another worker may judge it. It is asked
    first, and answers nearly always. The log is read from its beginning only for a key that was deleted since its use, or
    that was made after a fold which is old; it is read once, and then from where that ended."""

    topic: Topic
    keys: VaultKeyring
    fold: Callable[[], Fold | None]
    _passed: Fold = field(init=False)
    _made: dict[str, int] = field(init=False, default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._passed = Fold.under(self.keys)

    async def of(self, pairs: Iterable[Pair], age: int) -> Mapping[str, int]:
        """By ARN, when the keys of these pairs were made, in microseconds. A key that is younger than `age` seconds
        whenever it was made may have the time of the fold, which it came after. One that the log does not tell of has 0,
        and counts as old: what is not known is no reason to be silent.

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
                    for stored in await reader.read(min(READ, end - self._passed.next)):
                        found = await keyring.read(self._passed, stored, self.keys)
                        if found is not None and isinstance(event := found[1].event, KeyCreated):
                            self._made[event.key] = found[1].at
                        await turn.give_way()  # else a long log has the worker's group miss it
            except BaseException:
                self._passed = Fold.under(self.keys)  # it may have passed a record over
                raise
            finally:
                await reader.close()


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]

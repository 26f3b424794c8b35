"""Work that becomes due: deletions, expiries and rotations.

The leading writer keeps an index of times beside its world. At the time of an entry, the key is looked up in the world,
so an outdated entry does no harm.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from domain.commands.import_material import expired
from domain.commands.rotate_key import is_due
from domain.keys.key import Key
from domain.keys.states import State
from domain.state.world import World


def next_due(key: Key) -> int | None:
    """When something of the key is next due, in microseconds since the epoch; None for never."""
    times = [each.expires for each in key.materials if each.stored and each.expires]
    if key.deletion:
        times.append(key.deletion)
    if key.schedule is not None and key.state is State.ENABLED:
        times.append(key.schedule.next)
    return min(times, default=None)


@dataclass(frozen=True, slots=True)
class Deletion:
    key: str


@dataclass(frozen=True, slots=True)
class Expiry:
    key: str
    material: str


@dataclass(frozen=True, slots=True)
class Rotation:
    key: str


Work = Deletion | Expiry | Rotation


def work_on(key: Key, now: int) -> Work | None:
    """The first work that is due on a key. A deleted key takes its material with it, so deletion comes first."""
    if key.deletion and key.deletion <= now:
        return Deletion(key.id)
    ended = expired(key, now)
    if ended is not None:
        return Expiry(key.id, ended.id)
    return Rotation(key.id) if is_due(key, now) else None


def destructions_due(world: World, now: int) -> list[tuple[int, Key, Deletion | Expiry]]:
    """Every deletion and expiry that is due, with the time of it and its key, the earliest first."""
    found = list[tuple[int, Key, Deletion | Expiry]]()
    for key in world.all_keys():
        if key.deletion and key.deletion <= now:
            found.append((key.deletion, key, Deletion(key.id)))
        else:
            found += ((each.expires, key, Expiry(key.id, each.id)) for each in key.materials if each.has_expired(now))
    return sorted(found, key=lambda each: (each[0], each[1].arn))


class Agenda:
    """The times of a world's keys, in order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._times: list[tuple[int, str]] = []
        self._aside: list[tuple[int, str]] = []
        for key in world.all_keys():
            self.note(key.id)

    def note(self, key_id: str) -> None:
        """Updates the entries of a key after something happened to it."""
        key = self._world.keys.get(key_id)
        time = None if key is None else next_due(key)
        if time is not None:
            heapq.heappush(self._times, (time, key_id))

    def due(self, now: int) -> Work | None:
        """The next work that is due, or None. The caller does it and then calls `note`, or `set_aside` if it cannot be done."""
        while self._times and self._times[0][0] <= now:
            key = self._world.keys.get(self._times[0][1])
            work = None if key is None else work_on(key, now)
            if work is not None:
                return work
            heapq.heappop(self._times)
        return None

    def set_aside(self) -> None:
        """Leave out the work that `due` gave last, so that it holds up nothing behind it, until `take_up`."""
        if self._times:
            self._aside.append(heapq.heappop(self._times))

    @property
    def waiting_since(self) -> int | None:
        """When what was set aside and waits longest became due, in microseconds since the epoch; None if nothing waits."""
        return min((time for time, _ in self._aside), default=None)

    def take_up(self) -> None:
        """What was set aside is due again."""
        for entry in self._aside:
            heapq.heappush(self._times, entry)
        self._aside.clear()

"""Puts the changes of one second into an order that the service allows. CloudTrail's times are whole seconds, and its
ids are random.

A change can be made when the slots that it needs are right (steps.py). If no order is allowed, a record is missing; the
changes then keep the usual order: what makes something first, what ends something last. If several orders are allowed
and the result depends on the order, the answer says so. A second may have thousands of changes, and orders grow faster
than they do: what is tried for one second has a limit, and the answer names the changes beyond it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from domain.cloudtrail.slots import ABSENT, OWNED, PRESENT, UNKNOWN, Slot, Step, Value
from domain.identities.limits import VERSIONS

MOST_LOOKS = 500_000
"""How many slots and steps are looked at to order one second."""
MOST_PAIRS = 40
"""How many pairs of changes that depend on one another are tried the other way round, for each group of such changes."""
Before = Callable[[Slot], Value | bool]
"""The content of a slot before the second."""


@dataclass(slots=True)
class Ordered:
    """`open`: pairs of changes either of which may have come last, though the result depends on it. `unfit`: changes
    that fit in no order. `untried`: changes whose orders were not all tried, since they are too many. `only`: no other
    order of the changes is allowed, not even one with the same result."""

    ids: list[str] = field(default_factory=list)
    only: bool = True
    open: list[tuple[str, str]] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)


class _TooMany(Exception):
    """There are too many orders to try."""


class _Looks:
    """What is left to look at for a second."""

    def __init__(self) -> None:
        self._left = MOST_LOOKS

    def spend(self, count: int) -> None:
        """Raises _TooMany."""
        self._left -= count
        if self._left < 0:
            raise _TooMany


class _Group:
    """Steps that depend on one another, and the slots that they write or need."""

    def __init__(self, steps: Sequence[Step], before: Before, looks: _Looks) -> None:
        self.steps, self.before, self.looks = steps, before, looks
        self.written = {slot for step in steps for slot in step.writes}
        self._under: dict[Slot, list[Slot]] = {}
        for slot in self.written.union(*(step.needs for step in steps)):
            for length in range(1, len(slot) + 1):
                self._under.setdefault(slot[:length], []).append(slot)

    def under(self, prefixes: Iterable[Slot]) -> list[Slot]:
        """The slots with one of these beginnings. Raises _TooMany."""
        found = [slot for prefix in prefixes for slot in self._under.get(prefix, ())]
        self.looks.spend(len(found))
        return found

    def held(self, slot: Slot, state: dict[Slot, Value | bool]) -> Value | bool:
        return state[slot] if slot in state else self.before(slot)

    def is_full(self, slot: Slot, state: dict[Slot, Value | bool]) -> bool:
        return self.held(slot, state) not in (None, UNKNOWN)

    def make(self, step: Step, state: dict[Slot, Value | bool]) -> None:
        """Changes the state as the step does. The step was made, so what it needs was there, whether the trail saw it or
        not. Raises _TooMany."""
        for slot, wanted in step.needs.items():
            if self.held(slot, state) is UNKNOWN:
                state[slot] = _SOMETHING if wanted is PRESENT else None
        kept = [
            slot
            for slot, other in step.left_empty.items()
            if self.held(slot, state) is None and self.is_full(other, state)
        ]
        state.update(dict.fromkeys(self.under(step.resets)))
        state.update(step.writes)
        state.update(dict.fromkeys(kept))


def ordered(steps: Iterable[Step], before: Before) -> Ordered:
    groups = _dependent(sorted(steps, key=lambda each: (each.rank, each.id)))
    found, looks, before = Ordered(only=len(groups) < 2), _Looks(), cache(before)
    # The small groups come first, since a large one may use up all the looks.
    orders = {id(group): _in_order(_Group(group, before, looks), found) for group in sorted(groups, key=len)}
    found.ids = [step.id for group in groups for step in orders[id(group)]]
    return found


def _in_order(group: _Group, found: Ordered) -> Sequence[Step]:
    """The steps in their order. Adds to `found` what there is to say of it."""
    if len(group.steps) == 1:
        return group.steps
    order = None
    try:
        order = _order(group, group.steps)
        if order is None:
            found.unfit += [each.id for each in group.steps]
        found.only = found.only and order is not None and _is_only(order, group)
        for pair in _either(order or (), group):
            found.open.append(pair)
    except _TooMany:
        found.untried += [each.id for each in group.steps]
        found.only = False
    return group.steps if order is None else order


def _dependent(steps: Sequence[Step]) -> list[list[Step]]:
    """Groups of steps that depend on one another, directly or through others: one writes what another needs. Each group
    keeps the order of the steps."""
    leader = list(range(len(steps)))

    def top(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    writers: dict[Slot, int] = {}
    for number, step in enumerate(steps):
        for slot in step.writes:
            for name in _names(slot):
                leader[top(number)] = top(writers.setdefault(name, number))
    for number, step in enumerate(steps):
        for slot in (*step.needs, *step.others, *step.room, *step.clear):
            if slot in writers:
                leader[top(number)] = top(writers[slot])
    groups: dict[int, list[Step]] = {}
    for number, step in enumerate(steps):
        groups.setdefault(top(number), []).append(step)
    return list(groups.values())


def _names(slot: Slot) -> Iterator[Slot]:
    """The slot, and the prefix by which a step clears it."""
    yield slot
    if slot[0] == "attached to":
        yield slot[:2]
    elif slot[0] in OWNED:
        yield slot[:4]


class _Search:
    def __init__(self, group: _Group, steps: Sequence[Step], first: Step | None, then: Step | None) -> None:
        self._group, self._steps, self._first, self._then = group, steps, first, then
        self._dead: set[tuple[frozenset[str], frozenset[tuple[Slot, Value | bool]]]] = set()

    def _is_allowed(self, step: Step, state: dict[Slot, Value | bool]) -> bool:
        """Whether the state allows the step. Raises _TooMany."""
        self._group.looks.spend(1 + len(step.needs) + len(step.room))
        for slot, wanted in step.needs.items():
            held = self._group.held(slot, state)
            if held is not UNKNOWN and (held is not None) is not wanted:
                return False
        if any(self._group.held(slot, state) == other for slot, other in step.others.items()):
            return False
        if len(step.room) >= VERSIONS and sum(self._group.is_full(slot, state) for slot in step.room) >= VERSIONS:
            return False
        spared = None if step.spared is None else (*step.spared[0], self._group.held(step.spared[1], state))
        return not any(
            slot in self._group.written and slot != spared and self._group.is_full(slot, state)
            for slot in self._group.under(step.clear)
        )

    def _waits(self, step: Step, rest: Sequence[Step]) -> bool:
        return step is self._then and any(each is self._first for each in rest)

    def greedy(self) -> list[Step] | None:
        """Takes the first allowed step each time. This is enough for nearly all seconds. Raises _TooMany."""
        rest, state, found = list(self._steps), dict[Slot, Value | bool](), list[Step]()
        while rest:
            self._group.looks.spend(len(rest) if self._then is not None else 1)
            for number, step in enumerate(rest):
                if not self._waits(step, rest) and self._is_allowed(step, state):
                    found.append(rest.pop(number))
                    self._group.make(step, state)
                    break
            else:
                return None
        return found

    def run(self, rest: tuple[Step, ...], state: dict[Slot, Value | bool]) -> list[Step] | None:
        """Tries every order. Raises _TooMany."""
        if not rest:
            return []
        self._group.looks.spend(len(rest) + len(state))
        name = (frozenset(each.id for each in rest), frozenset(state.items()))
        if name in self._dead:
            return None
        for step in rest:
            if not self._waits(step, rest) and self._is_allowed(step, state):
                self._group.looks.spend(len(rest) + len(state))
                made = dict(state)
                self._group.make(step, made)
                found = self.run(tuple(each for each in rest if each is not step), made)
                if found is not None:
                    return [step, *found]
        self._dead.add(name)
        return None


_SOMETHING = "?"
"""The content of a slot that is known only to be full."""


MOST = 60
"""The largest group of dependent changes for which every order is tried; each change is one nested call."""


def _order(
    group: _Group, steps: Sequence[Step], first: Step | None = None, then: Step | None = None
) -> list[Step] | None:
    """An allowed order, much like that of `steps`; if `first` and `then` are given, one with `first` before `then`.
    Raises _TooMany."""
    search = _Search(group, steps, first, then)
    found = search.greedy()
    if found is None and len(steps) > MOST:
        raise _TooMany
    return search.run(tuple(steps), {}) if found is None else found


def _is_only(order: Sequence[Step], group: _Group) -> bool:
    """Whether no two neighbours may change places. Any other order turns some two neighbours of this one round."""
    return len(order) <= MOST_PAIRS and all(
        _follows(one, other, group) or _order(group, order, other, one) is None
        for one, other in itertools.pairwise(order)
    )


def _either(order: Sequence[Step], group: _Group) -> Iterator[tuple[str, str]]:
    """Pairs of a step that could come last in the place of another, which would leave a slot with another content. The other
    one is the last that touches the slot in this order. Raises _TooMany."""
    last: dict[Slot, int] = {}
    touched = list[set[Slot]]()
    for number, step in enumerate(order):
        touched.append({*step.writes, *(group.written.intersection(group.under(step.resets)))})
        last.update(dict.fromkeys(touched[-1], number))
    tried, end = 0, _end(order, group)
    for number, one in enumerate(order):
        group.looks.spend(len(touched[number]))
        for later in sorted({last[slot] for slot in touched[number]} - {number}):
            other = order[later]
            group.looks.spend(len(touched[number]))
            differ = any(one.leaves(slot) != other.leaves(slot) for slot in touched[number] & touched[later])
            if differ and not _follows(one, other, group):
                tried += 1
                if tried > MOST_PAIRS:
                    raise _TooMany
                if any(also is not None and _end(also, group) != end for also in _turned(order, one, other, group)):
                    yield one.id, other.id


def _turned(order: Sequence[Step], one: Step, other: Step, group: _Group) -> Iterator[list[Step] | None]:
    """Orders with `other` before `one`: any, and one in which `one` writes what it writes only then. Raises _TooMany."""
    yield _order(group, order, other, one)
    if one.left_empty:
        writing = replace(one, needs=one.needs | dict.fromkeys(one.left_empty.values(), ABSENT))
        yield _order(group, [writing if each is one else each for each in order], other, writing)


def _end(order: Sequence[Step], group: _Group) -> dict[Slot, Value | bool]:
    """The final content of the slots that the steps of a second write. Raises _TooMany."""
    group.looks.spend(len(order))
    end = dict[Slot, Value | bool]()
    for step in order:
        group.make(step, end)
    return {slot: content for slot, content in end.items() if slot in group.written}


def _follows(one: Step, other: Step, group: _Group) -> bool:
    """Whether `other` can only come after `one`: only `one` makes what `other` needs, or `other` ends what `one` needs
    and nothing makes it."""
    order = group.steps
    group.looks.spend(len(order))
    for slot, wanted in other.needs.items():
        if wanted is PRESENT and one.needs.get(slot) is ABSENT and not any(each.leaves(slot) is None for each in order):
            return True
    for slot, wanted in one.needs.items():
        if wanted is PRESENT and other.leaves(slot) is None:
            return not any(each.leaves(slot) not in (None, UNKNOWN) for each in order)
    return False

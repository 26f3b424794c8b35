"""Puts the changes of one second into an order that the service allows. CloudTrail's times are whole seconds, and its
ids are random.

A change can be made when the slots that it needs are right (steps.py). If no order is allowed, a record is missing; the
changes then keep the usual order: what makes something first, what ends something last. If several orders are allowed
and the result depends on the order, the answer says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from domain.cloudtrail.slots import ABSENT, OWNED, PRESENT, UNKNOWN, Slot, Step, Value, begins
from domain.identities.limits import VERSIONS

MOST_STEPS = 20_000
"""The number of steps that are tried for changes that depend on one another."""
MOST_PAIRS = 40
Before = Callable[[Slot], Value | bool]
"""The content of a slot before the second."""


@dataclass(slots=True)
class Ordered:
    """`open`: pairs of changes either of which may have come last, though the result depends on it. `unfit`: changes
    that fit in no order. `only`: no other order of the changes is allowed, not even one with the same result."""

    ids: list[str] = field(default_factory=list)
    only: bool = True
    open: list[tuple[str, str]] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)


def ordered(steps: Iterable[Step], before: Before) -> Ordered:
    groups = _dependent(sorted(steps, key=lambda each: (each.rank, each.id)))
    found = Ordered(only=len(groups) < 2)
    for group in groups:
        if len(group) == 1:
            found.ids.append(group[0].id)
            continue
        order = _order(group, before)
        if order is None:
            found.unfit += [each.id for each in group]
            found.ids += [each.id for each in group]
            found.only = False
            continue
        found.ids += [each.id for each in order]
        found.only = found.only and _is_only(order, before)
        found.open += _either(order, before)
    return found


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
    def __init__(self, steps: Sequence[Step], before: Before, first: Step | None, then: Step | None) -> None:
        self.steps, self._before, self._first, self._then = steps, before, first, then
        self.left = MOST_STEPS
        self._slots = {slot for step in steps for slot in step.writes}
        self._asked = self._slots.union(*(step.needs for step in steps))
        self._known: dict[Slot, Value | bool] = {}
        self._dead: set[tuple[frozenset[str], frozenset[tuple[Slot, Value | bool]]]] = set()

    def _held(self, slot: Slot, state: dict[Slot, Value | bool]) -> Value | bool:
        if slot in state:
            return state[slot]
        if slot not in self._known:
            self._known[slot] = self._before(slot)
        return self._known[slot]

    def _is_full(self, slot: Slot, state: dict[Slot, Value | bool]) -> bool:
        return self._held(slot, state) not in (None, UNKNOWN)

    def _after(self, step: Step, state: dict[Slot, Value | bool]) -> dict[Slot, Value | bool] | None:
        """The state after a step; None if the state does not allow the step."""
        made = dict(state)
        for slot, wanted in step.needs.items():
            held = self._held(slot, state)
            if held is UNKNOWN:
                made[slot] = _SOMETHING if wanted is PRESENT else None
            elif (held is not None) is not wanted:
                return None
        for slot, other in step.others.items():
            if self._held(slot, state) == other:
                return None
        if len(step.room) >= VERSIONS and sum(self._is_full(slot, state) for slot in step.room) >= VERSIONS:
            return None
        if step.clear:
            spared = self._held(step.spared, state) if step.spared is not None else None
            for slot in self._slots:
                if begins(slot, step.clear) and slot[-1] != spared and self._is_full(slot, state):
                    return None
        if step.resets:
            made.update((slot, None) for slot in self._asked if begins(slot, step.resets))
        made.update(step.writes)
        return made

    def greedy(self) -> list[Step] | None:
        """Takes the first allowed step each time. This is enough for nearly all seconds, and works for any number of
        steps."""
        rest, state, found = list(self.steps), dict[Slot, Value | bool](), list[Step]()
        while rest:
            for number, step in enumerate(rest):
                if step is self._then and self._first in rest:
                    continue
                made = self._after(step, state)
                if made is not None:
                    found.append(rest.pop(number))
                    state = made
                    break
            else:
                return None
        return found

    def run(self, rest: tuple[Step, ...], state: dict[Slot, Value | bool]) -> list[Step] | None:
        if not rest:
            return []
        name = (frozenset(each.id for each in rest), frozenset(state.items()))
        if name in self._dead or self.left <= 0:
            return None
        for step in rest:
            if step is self._then and self._first in rest:
                continue
            self.left -= 1
            made = self._after(step, state)
            if made is not None:
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
    steps: Sequence[Step], before: Before, first: Step | None = None, then: Step | None = None
) -> list[Step] | None:
    """An allowed order; if `first` and `then` are given, one with `first` before `then`."""
    search = _Search(steps, before, first, then)
    return search.greedy() or (search.run(tuple(steps), {}) if len(steps) <= MOST else None)


def _is_only(order: Sequence[Step], before: Before) -> bool:
    """Whether no two neighbours may change places. If there is another order, some two neighbours may."""
    return len(order) <= MOST_PAIRS and all(
        _follows(one, other, order) or _order(order, before, other, one) is None
        for one, other in itertools.pairwise(order)
    )


def _either(order: Sequence[Step], before: Before) -> list[tuple[str, str]]:
    """Pairs that write different things to one slot, and either of which may be the later."""
    found: list[tuple[str, str]] = []
    tried, end = 0, _end(order)
    for number, one in enumerate(order):
        for other in order[number + 1 :]:
            touched = one.writes.keys() | other.writes.keys()
            differ = any(UNKNOWN is not one.leaves(slot) != other.leaves(slot) is not UNKNOWN for slot in touched)
            if differ and not _follows(one, other, order) and tried < MOST_PAIRS:
                tried += 1
                also = _order(order, before, other, one)
                if also is not None and _end(also) != end:
                    found.append((one.id, other.id))
    return found


def _end(order: Sequence[Step]) -> dict[Slot, Value]:
    """The final content of the slots that the steps of a second write."""
    slots = {slot for step in order for slot in step.writes}
    end = dict[Slot, Value]()
    for step in order:
        if step.resets:
            end.update((slot, None) for slot in slots if begins(slot, step.resets))
        end.update(step.writes)
    return end


def _follows(one: Step, other: Step, order: Sequence[Step]) -> bool:
    """Whether `other` can only come after `one`: only `one` makes what `other` needs, or `other` ends what `one` needs
    and nothing makes it."""
    for slot, wanted in other.needs.items():
        if wanted is PRESENT and one.needs.get(slot) is ABSENT and not any(each.leaves(slot) is None for each in order):
            return True
    for slot, wanted in one.needs.items():
        if wanted is PRESENT and other.leaves(slot) is None:
            return not any(each.leaves(slot) not in (None, UNKNOWN) for each in order)
    return False

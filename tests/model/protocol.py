"""An exhaustive model of the log's protocol: every interleaving of writers, network and clients within small bounds.

It models DESIGN's protocol, and shares nothing with the code. Writers fold, fence, decide ahead and stop on doubt. The
network delays, reorders, loses and duplicates appends. Processes crash, clients send a command twice, and the broker
loses the end of its log. A pause needs no action of its own: a writer that takes no step for a while is paused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

IDLE, FENCING, LEADING, DEAD = range(4)
FENCE = -1
GENESIS = -1


class Record(NamedTuple):
    """`previous`: the id of the record that it links to. `applied`: the commands that its writer had applied when it
    decided."""

    previous: int
    writer: int
    command: int
    next_command: int
    applied: tuple[int, ...]


class Writer(NamedTuple):
    phase: int = IDLE
    read: int = 0
    confirmed: int = GENESIS
    head: int = GENESIS
    applied: tuple[int, ...] = ()
    next_command: int = 0
    appended: tuple[int, ...] = ()


class State(NamedTuple):
    log: tuple[int, ...]
    arrived: int
    writers: tuple[Writer, ...]
    network: tuple[int, ...]
    answered: frozenset[int]
    losses: int
    duplicates: int
    cuts: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """`commands`: the ids that clients send, in order. An id that appears twice was sent again."""

    writers: int
    commands: tuple[int, ...]
    window: int = 2
    losses: int = 1
    duplicates: int = 1
    cuts: int = 0


class Violation(AssertionError):
    """A property that does not hold, and the state that breaks it."""


class Model:
    """`valid_rule` is the rule under test: whether a record is valid, given the head before it."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.records: list[Record] = []
        self._ids: dict[Record, int] = {}
        self.valid = lru_cache(maxsize=None)(self._valid)

    def is_valid(self, record: Record, head: int, in_force: int) -> bool:
        """The one rule: `previous` is the last valid record. (`in_force` is for the alternative rules in the tests.)"""
        return record.previous == head

    def intern(self, record: Record) -> int:
        found = self._ids.get(record)
        if found is None:
            found = self._ids[record] = len(self.records)
            self.records.append(record)
        return found

    def _valid(self, log: tuple[int, ...]) -> tuple[int, ...]:
        """The valid records of a log, as every reader computes them."""
        if not log:
            return ()
        before = self.valid(log[:-1])
        head = before[-1] if before else GENESIS
        in_force = next(
            (self.records[each].writer for each in reversed(before) if self.records[each].command == FENCE), -1
        )
        return (*before, log[-1]) if self.is_valid(self.records[log[-1]], head, in_force) else before

    # -- what can happen next -------------------------------------------------------------------------------------

    def explore(self, most: int = 10_000_000) -> int:
        """Visit and check every reachable state. Returns the number of states. Raises Violation."""
        bounds = self.bounds
        first = State(
            (), 0, (Writer(),) * bounds.writers, (), frozenset(), bounds.losses, bounds.duplicates, bounds.cuts
        )
        seen = {first}
        waiting = deque([first])
        while waiting:
            state = waiting.popleft()
            self.check(state)
            for following in self.steps(state):
                if following not in seen:
                    seen.add(following)
                    assert len(seen) <= most, "the bounds are too wide to be exhausted"
                    waiting.append(following)
        return len(seen)

    def steps(self, state: State) -> list[State]:
        found = []
        if state.arrived < len(self.bounds.commands):
            found.append(state._replace(arrived=state.arrived + 1))
        for place, record in enumerate(state.network):
            rest = state.network[:place] + state.network[place + 1 :]
            found.append(state._replace(log=(*state.log, record), network=rest))
            if state.losses:
                found.append(state._replace(network=rest, losses=state.losses - 1))
            if state.duplicates:
                found.append(state._replace(log=(*state.log, record), duplicates=state.duplicates - 1))
        if state.cuts and state.log:
            found.append(state._replace(log=state.log[:-1], cuts=state.cuts - 1))
        for number, writer in enumerate(state.writers):
            if writer.phase == IDLE:
                # Writers are alike, so they start in the order of their numbers.
                if number == 0 or state.writers[number - 1].phase != IDLE:
                    found.append(self._start(state, number))
                continue
            if writer.phase == DEAD:
                continue
            found.append(_with(state, number, writer._replace(phase=DEAD, appended=())))
            if writer.read < len(state.log):
                found.append(self._read(state, number, writer))
            elif writer.read > len(state.log):
                found.append(_with(state, number, writer._replace(phase=DEAD, appended=())))  # the log was cut
            if (
                writer.phase == LEADING
                and writer.next_command < state.arrived
                and len(writer.appended) < self.bounds.window
            ):
                found.append(self._decide(state, number, writer))
        return found

    def _start(self, state: State, number: int) -> State:
        """Fold the log and append a fence."""
        valid = self.valid(state.log)
        head = valid[-1] if valid else GENESIS
        applied = tuple(self.records[each].command for each in valid if self.records[each].command != FENCE)
        next_command = self.records[head].next_command if valid else 0
        fence = self.intern(Record(head, number, FENCE, next_command, applied))
        writer = Writer(FENCING, len(state.log), head, fence, applied, next_command, (fence,))
        return _with(state, number, writer)._replace(network=tuple(sorted((*state.network, fence))))

    def _decide(self, state: State, number: int, writer: Writer) -> State:
        """Decide the next command on the state that is certainly current: what was folded, and what was appended
        since."""
        command = self.bounds.commands[writer.next_command]
        following = writer.next_command + 1
        if command in writer.applied:
            return _with(state, number, writer._replace(next_command=following))
        record = self.intern(Record(writer.head, number, command, following, writer.applied))
        writer = writer._replace(
            head=record,
            applied=(*writer.applied, command),
            next_command=following,
            appended=(*writer.appended, record),
        )
        return _with(state, number, writer)._replace(network=tuple(sorted((*state.network, record))))

    def _read(self, state: State, number: int, writer: Writer) -> State:
        """Read back one record. If it is the next of its own, it is confirmed and answered; any other record is a
        doubt."""
        record = state.log[writer.read]
        writer = writer._replace(read=writer.read + 1)
        if writer.appended and record == writer.appended[0]:
            confirmed = writer._replace(phase=LEADING, confirmed=record, appended=writer.appended[1:])
            answers = state.answered if self.records[record].command == FENCE else state.answered | {record}
            return _with(state, number, confirmed)._replace(answered=answers)
        if self.records[record].previous == writer.confirmed or writer.appended:
            return _with(state, number, writer._replace(phase=DEAD, appended=()))
        return _with(state, number, writer)

    # -- what must hold -------------------------------------------------------------------------------------------

    def check(self, state: State) -> None:
        valid = self.valid(state.log)
        commands: list[int] = []
        upto = 0
        for each in valid:
            record = self.records[each]
            if record.applied != tuple(commands):
                raise Violation(f"a valid record was not decided on the valid prefix before it: {state}")
            if record.command != FENCE:
                if record.command in commands:
                    raise Violation(f"a command has two valid records: {state}")
                commands.append(record.command)
            skipped = set(self.bounds.commands[upto : record.next_command]) - set(commands)
            if skipped or record.next_command < upto:
                raise Violation(f"an accepted command was skipped: {state}")
            upto = record.next_command
        uncut = state.cuts == self.bounds.cuts
        if uncut and not state.answered <= set(valid):
            raise Violation(f"an answered call's record is not valid any more: {state}")


def _with(state: State, number: int, writer: Writer) -> State:
    return state._replace(writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))

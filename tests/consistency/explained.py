"""Whether the log explains every answer: each call by its own record, and the records in an order that clients could see.

The log is one order of all changes. So nothing has to be searched: a history is right if that order respects real time, and if every
answer is what the state at the answer's position gives.
"""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from domain.decisions.again import Callers, decide_again
from domain.decisions.case import case_of
from domain.log.codec import micros
from domain.log.record import Document, Record
from domain.state.fold import Fold
from tests.consistency.linearizable import RegisterCall, fault_in
from tests.consistency.observed import ObservedCall

READS = frozenset({"DescribeKey"})
FIRST = "0"
"""The description with which keys are made; every other one is written by one call."""
DENIED = "AccessDeniedException"
CHANGES = frozenset(
    {
        "CreateKey",
        "PutKeyPolicy",
        "UpdateKeyDescription",
        "EnableKey",
        "DisableKey",
        "TagResource",
        "ScheduleKeyDeletion",
    }
)


@dataclass(frozen=True, slots=True)
class KeyAt:
    description: str
    enabled: bool


@dataclass(slots=True)
class LogAsRead:
    """What the valid records of `events` say. `keys`: by key, the positions of its changes and what it was from then on."""

    effects: dict[str, int] = field(default_factory=dict)
    """By the call's id: the position at which it had its effect, or was refused."""
    refusals: dict[str, str] = field(default_factory=dict)
    """By the call's id: the kind of the error that its record has, "" if it was carried out."""
    changed: dict[str, tuple[list[int], list[KeyAt]]] = field(default_factory=lambda: defaultdict(lambda: ([], [])))
    written: Counter[str] = field(default_factory=Counter)
    """How often each description was written by a record that counts."""
    records_of: Counter[str] = field(default_factory=Counter)

    def at(self, key: str, position: int) -> KeyAt | None:
        positions, states = self.changed[key]
        place = bisect.bisect_right(positions, position)
        return states[place - 1] if place else None


class LogReading:
    """Reads on from where it was. `found` is what it has read so far."""

    def __init__(self) -> None:
        self._fold = Fold()
        self.found = LogAsRead()

    def take(self, values: Iterable[tuple[int, bytes]]) -> None:
        """`values`: (offset, value) of the topic's next records, in order."""
        for offset, value in values:
            record = self._fold.take(offset, value)
            if record is not None and record.call is not None:
                _note(self.found, self._fold, offset, record)


def read_log(values: Iterable[tuple[int, bytes]]) -> LogAsRead:
    """`values`: (offset, value) of the whole topic, in order."""
    reading = LogReading()
    reading.take(values)
    return reading.found


def _note(found: LogAsRead, fold: Fold, offset: int, record: Record) -> None:
    assert record.call is not None, "the record is that of a call"
    found.records_of[record.call.id] += 1
    found.effects[record.call.id] = offset if record.repeats is None else record.repeats.position
    if record.decision is not None and record.repeats is None:
        found.refusals[record.call.id] = "" if record.decision.error is None else str(record.decision.error["kind"])
    if record.event is None or record.decision is None:
        return
    if record.call.operation in ("CreateKey", "UpdateKeyDescription"):
        found.written[str(record.call.parameters.get("Description", ""))] += 1
    for arn in record.decision.resources:
        key = fold.world.keys.get(arn.rpartition("/")[2])
        if key is not None:
            positions, states = found.changed[key.id]
            positions.append(offset)
            states.append(KeyAt(key.description, key.enabled))


def decided_otherwise(
    values: Iterable[tuple[int, bytes]], decisions: Mapping[str, Sequence[Document]]
) -> Iterator[str]:
    """The decisions that come out otherwise when they are made again on the state that their records name."""
    by_position: dict[int, list[Document]] = defaultdict(list)
    for documents in decisions.values():
        for each in documents:
            by_position[int(each["seen"])].append(each)
    fold, callers = Fold(), Callers()
    for offset, value in values:
        fold.take(offset, value)
        for document in by_position.pop(fold.chain.position, ()):
            case = case_of(document)
            if case is None:
                continue
            again = decide_again(case, fold.world, micros(document["at"]), callers)
            if list(again.reasons) != case["reasons"]:
                yield f"{case['operation']} {document['call']['id']} was decided on {offset} by {case['reasons']}, not {again.reasons}"
    for position in by_position:
        yield f"decisions were made on {position}, where no record counts"


@dataclass(slots=True)
class Judge:
    """`faults` are sentences. `decisions`: by the call's id, the documents of `decisions` that count. `stale_for`: seconds for which
    a use may be allowed by an older state."""

    log: LogAsRead
    decisions: Mapping[str, Sequence[Document]]
    stale_for: float
    denied: bool = False
    """Whether callers may be denied access. Whether they had to be, `decided_otherwise` says."""
    faults: list[str] = field(default_factory=list)

    def judge(self, calls: Sequence[ObservedCall], *, registers: bool = True) -> list[str]:
        """`registers`: these are all calls from the keys' beginning on, so that descriptions are judged without the log too."""
        for each in calls:
            if self.log.records_of[each.request_id] > 1:
                self._fault(
                    f"{each.operation} {each.request_id} has {self.log.records_of[each.request_id]} records on events"
                )
            text = each.parameters.get("Description", FIRST)
            if text != FIRST and self.log.written[text] > 1:
                self._fault(f"the change to {text!r} happened {self.log.written[text]} times")
        changes = [each for each in calls if each.operation in CHANGES and each.answered]
        placed = [(each, self._effect_of(each)) for each in changes]
        self._in_real_time([(each, at) for each, at in placed if at is not None])
        known = sorted((each.ended, at) for each, at in placed if at is not None)
        ends, latest = [ended for ended, _ in known], list(accumulate((at for _, at in known), max))
        for each in calls:
            if each.answered and each.operation not in CHANGES:
                self._use(each, ends, latest)
        if registers:
            self._registers(calls)
        return self.faults

    def _fault(self, what: str) -> None:
        self.faults.append(what)

    def _effect_of(self, call: ObservedCall) -> int | None:
        at = self.log.effects.get(call.request_id)
        if at is None:
            self._fault(
                f"{call.operation} {call.request_id} was answered ({call.status}), and has no record: it is lost"
            )
        recorded = self.log.refusals.get(call.request_id)
        if recorded is not None and bool(recorded) == call.succeeded:
            self._fault(
                f"{call.operation} {call.request_id} was answered {call.status}, and its record says {recorded or 'allowed'!r}"
            )
        return at

    def _in_real_time(self, placed: Sequence[tuple[ObservedCall, int]]) -> None:
        """A call that began after another was answered comes later on the log."""
        by_end = sorted((call.ended, at) for call, at in placed)
        latest, next_end = -1, 0
        for call, at in sorted(placed, key=lambda each: each[0].began):
            while next_end < len(by_end) and by_end[next_end][0] < call.began:
                latest = max(latest, by_end[next_end][1])
                next_end += 1
            if at < latest:
                self._fault(
                    f"{call.operation} {call.request_id} is at {at}, and one that was answered before it began at {latest}"
                )

    def _use(self, call: ObservedCall, ends: Sequence[float], latest: Sequence[int]) -> None:
        """`ends`: when changes were answered, in order. `latest`: the last position of all that were answered by then."""
        records = self.decisions.get(call.request_id, ())
        if len(records) != 1:
            self._fault(
                f"{call.operation} {call.request_id} was answered ({call.status}), and has {len(records)} records"
            )
            return
        (record,) = records
        seen = int(record["seen"])
        # What had been answered when the call began; a use that is allowed may be as old as that.
        fresh = call.operation in READS or not call.succeeded
        since = call.began if fresh else call.began - self.stale_for
        answered = bisect.bisect_left(ends, since)
        expected = latest[answered - 1] if answered else -1
        if seen < expected:
            self._fault(
                f"{call.operation} {call.request_id} was decided on {seen}, and {expected} had been answered before"
            )
        self._answer(call, seen)

    def _answer(self, call: ObservedCall, seen: int) -> None:
        key = self.log.at(str(call.parameters["KeyId"]), seen)
        if self.denied and call.refused_as == DENIED:
            return
        if key is None:
            self._fault(f"{call.operation} {call.request_id} was answered about a key that was not there at {seen}")
        elif call.operation == "DescribeKey" and not call.succeeded:
            self._fault(
                f"DescribeKey {call.request_id} was answered {call.status} {call.refused_as}, and the key is there"
            )
        elif call.operation == "DescribeKey":
            told = call.answer["KeyMetadata"]
            if (told["Description"], told["Enabled"]) != (key.description, key.enabled):
                self._fault(
                    f"DescribeKey {call.request_id} told {told['Description']!r}, and at {seen} it was {key.description!r}"
                )
        elif call.operation == "Encrypt" and (call.succeeded, call.refused_as) not in (
            (True, ""),
            (False, "DisabledException"),
        ):
            self._fault(f"Encrypt {call.request_id} was answered with {call.status} {call.refused_as}")
        elif call.operation == "Encrypt" and call.succeeded != key.enabled:
            self._fault(f"Encrypt {call.request_id}: {call.status}, and at {seen} the key's state was {key.enabled=}")

    def _registers(self, calls: Sequence[ObservedCall]) -> None:
        """The same once more, without the log: the description of each key is a register."""
        for key, history in register_calls(calls).items():
            fault = fault_in(history, FIRST)
            if fault:
                self._fault(f"the description of {key} is not linearizable: {fault}")


def register_calls(calls: Iterable[ObservedCall]) -> dict[str, list[RegisterCall]]:
    """By key: what clients wrote to its description, and read of it."""
    by_key: dict[str, list[RegisterCall]] = defaultdict(list)
    for each in calls:
        if each.operation == "UpdateKeyDescription" and (each.succeeded or not each.answered):
            made = RegisterCall("write", each.parameters["Description"], each.began)
            if each.succeeded:
                made = RegisterCall("write", each.parameters["Description"], each.began, each.ended)
            by_key[each.parameters["KeyId"]].append(made)
        elif each.operation == "DescribeKey" and each.succeeded:
            read = RegisterCall("read", each.answer["KeyMetadata"]["Description"], each.began, each.ended)
            by_key[each.parameters["KeyId"]].append(read)
    return by_key

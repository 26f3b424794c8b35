"""An exhaustive model of notaries that run at the same time: every interleaving of their steps, within small bounds.

The notaries are the real ones: how they begin, take records and publish is the code of services/notary, with the real order,
publisher and rows. Modelled is what they talk to: the topic of batches, the store of tiles, Postgres, and the records that
arrive. Each question to one of these is a step. Between any two steps, a notary may be killed, or the others may take as many
steps as they like, which is a pause. What a killed notary was writing may be lost, or land at any time later.

A notary's step depends on nothing but the answers that it had so far. So a state of the model holds these answers, and two
ways that lead to the same answers and the same world are one state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.ports import ContentDiffers
from domain.transparency.checkpoints import checkpoint, checkpoint_by_one_of
from domain.transparency.notes import NoteRefused, VerifierKey, signed_note, verifier_keys
from domain.transparency.order import LeafPartition, OrderBroken
from domain.transparency.tiles import WIDTH, TileName, root_of_tiles, tiles_of
from services.notary.feed import TakenRecord
from services.notary.publisher import CHECKPOINT, KEY, Superseded, unbundled
from tests.model.modelled_notary import Answer, Arrival, ModelledNotary, Question, signing
from tests.model.protocol import Violation

IDLE = -1
WRITES = ("append", "create", "replace", "put", "remove", "keep rows", "keep reached")


@dataclass(frozen=True, slots=True)
class NotaryBounds:
    """`starts`: how often notaries start in all; at most `notaries` of them run at the same time."""

    arrivals: tuple[Arrival, ...]
    notaries: int = 2
    starts: int = 3
    kills: int = 1
    copies: int = 0
    """How many late writes land twice."""
    rotations: int = 0
    """Of the key that signs: 1 the successor signs too, 2 it signs alone."""


class NotaryWorld(NamedTuple):
    """`late`: what killed notaries were writing. `store` and `rows` are numbers of interned contents. `signed`: each size and root
    that a notary signed."""

    arrived: int = 0
    topic: tuple[bytes, ...] = ()
    late: tuple[Question, ...] = ()
    store: int = 0
    rows: int = 0
    signed: frozenset[tuple[int, bytes]] = frozenset()
    keys: int = 0


class NotaryState(NamedTuple):
    """`running`: for each notary, the number of the answers that it had; IDLE for one that does not run."""

    world: NotaryWorld
    running: tuple[int, ...]
    starts: int
    kills: int
    copies: int


RunningNotary = tuple[ModelledNotary, Coroutine[Question, Any, None]]


class NotaryModel:
    """`notary`: the class under test."""

    def __init__(self, bounds: NotaryBounds, notary: type[ModelledNotary] = ModelledNotary) -> None:
        self.bounds, self._notary = bounds, notary
        self._stores: list[dict[str, bytes]] = [{}]
        self._rows: list[tuple[frozenset[tuple[Any, ...]], tuple[str, str] | None]] = [(frozenset(), None)]
        self._numbers: dict[Any, int] = {(): 0, self._rows[0]: 0}
        self._entries: dict[int, list[bytes]] = {}
        self._continues: set[tuple[Any, ...]] = set()
        # By number of answers: what came before it (number, answer), and what the notary asks then (None: it ended).
        self._before: list[tuple[int, Answer]] = []
        self._asks: list[Question | None] = []
        self._knows: list[int] = []
        self._after: dict[tuple[int, Any], int] = {}
        self._remembering: dict[tuple[Any, ...], int] = {}
        self._live: dict[int, RunningNotary] = {}

    # -- what can happen next ---------------------------------------------------------------------------------------

    def explore(self, most: int = 5_000_000) -> int:
        """Visit and check every reachable state. Returns the number of states. Raises Violation. Needs a running event loop, of
        which `asyncio.timeout` asks the time."""
        bounds = self.bounds
        first = NotaryState(NotaryWorld(), (IDLE,) * bounds.notaries, 0, bounds.kills, bounds.copies)
        seen, waiting = {first}, deque([first])
        while waiting:
            state = waiting.popleft()
            self._check_continues(state.world)
            for following in self._steps(state):
                if following not in seen:
                    seen.add(following)
                    assert len(seen) <= most, "the bounds are too wide to be exhausted"
                    waiting.append(following)
        for _, running in self._live.values():
            running.close()
        return len(seen)

    def _steps(self, state: NotaryState) -> Iterator[NotaryState]:
        world = state.world
        if world.arrived < len(self.bounds.arrivals):
            yield state._replace(world=world._replace(arrived=world.arrived + 1))
        if world.keys < self.bounds.rotations and self._may_rotate(state):
            yield state._replace(world=world._replace(keys=world.keys + 1))
        for place, written in enumerate(world.late):
            landed, _ = self._answered(world, written)
            yield state._replace(world=landed._replace(late=world.late[:place] + world.late[place + 1 :]))
            if state.copies:
                yield state._replace(world=landed, copies=state.copies - 1)
        for slot, at in enumerate(state.running):
            if at == IDLE:
                if state.starts < self.bounds.starts:
                    yield self._with(state, slot, self._started(str(state.starts)))._replace(starts=state.starts + 1)
                continue
            question = self._asks[at]
            assert question is not None
            if state.kills:
                killed = _placed(state, slot, IDLE)._replace(kills=state.kills - 1)
                yield killed
                if question[0] in WRITES:
                    late = tuple(sorted((*world.late, question), key=hash))
                    yield killed._replace(world=world._replace(late=late))
            for after, answer in self._answers(world, question):
                yield self._with(state._replace(world=after), slot, self._went_on(at, answer))

    def _may_rotate(self, state: NotaryState) -> bool:
        """A successor may sign at any time. The former key ends only days later: by then nothing is late, every notary knows both,
        and both have signed what is published."""
        world = state.world
        if world.keys == 0:
            return True
        knowing = [self._knows[at] for at in state.running if at != IDLE]
        signed = self._signers(world)
        return not world.late and all(each == world.keys for each in knowing) and signed in ([], signing(world.keys))

    def _signers(self, world: NotaryWorld) -> list[VerifierKey]:
        """The keys that signed the published checkpoint."""
        content = self._stores[world.store].get(CHECKPOINT)
        return [each for each in signing(1) if content and signed_note(content.decode()).by(each)]

    def _with(self, state: NotaryState, slot: int, at: int) -> NotaryState:
        """The notary has this answer. What it signs before its next question is on record."""
        question = self._asks[at]
        if question is None:
            return _placed(state, slot, IDLE)
        if question[0] in ("replace", "put") and question[1] == CHECKPOINT:
            head = checkpoint(signed_note(question[2].decode()).text)
            signed = state.world.signed | {(head.size, head.root)}
            if len({size for size, _ in signed}) < len(signed):
                raise Violation(f"two roots are signed for {head.size} leaves: {state}")
            state = state._replace(world=state.world._replace(signed=signed))
        return _placed(state, slot, at)

    # -- a notary, by the answers that it had -----------------------------------------------------------------------

    def _started(self, name: str) -> int:
        return self._noted((IDLE, name), IDLE, name)

    def _went_on(self, at: int, answer: Answer) -> int:
        marked = ("differs", str(answer)) if isinstance(answer, ContentDiffers) else answer
        return self._noted((at, marked), at, answer)

    def _noted(self, key: tuple[int, Any], at: int, answer: Answer) -> int:
        found = self._after.get(key)
        if found is not None:
            return found
        number = len(self._before)
        self._before.append((at, answer))
        question = self._next(number)
        self._asks.append(question)
        self._knows.append(self._live[number][0].tree_keys.known if number in self._live else 0)
        if question is not None and question[0] == "records":
            self._after[key] = self._remembering.setdefault(self._live[number][0].memory(), number)
        else:
            self._after[key] = number
        return self._after[key]

    def _next(self, number: int) -> Question | None:
        """What the notary asks once it had these answers. Raises Violation if it stops."""
        before, answer = self._before[number]
        held = self._live.pop(before, None)
        notary, running = self._again(before, answer) if held is None else held
        try:
            question = _sent(running, before, answer)
        except (Superseded, StopIteration):
            return None
        except OrderBroken as fault:
            self._check_stopped(fault)
            return None
        self._live[number] = notary, running
        return question

    def _again(self, number: int, name: Answer) -> RunningNotary:
        """The notary as it was after these answers. The first of them is its name."""
        answers: list[tuple[int, Answer]] = []
        while number != IDLE:
            answers.append(self._before[number])
            number, name = answers[-1]
        notary = self._notary(str(name), self.bounds.arrivals)
        running = notary.run()
        for before, answer in reversed(answers):
            _sent(running, before, answer)
        return notary, running

    # -- the world ------------------------------------------------------------------------------------------------------

    def _answers(self, world: NotaryWorld, question: Question) -> list[tuple[NotaryWorld, Answer]]:
        """Each answer that may come now, with the world after it. Raises Violation."""
        match question:
            case ("records", next, signed_by_others, known):
                found = self._records(world.arrived, dict(next))
                wakes = signed_by_others or known != world.keys
                return [(world, each) for each in (*found, *([()] if wakes else []))]
            case ("values", first):
                return [(world, world.topic[first:])] if first < len(world.topic) else []
            case _:
                return [self._answered(world, question)]

    def _answered(self, world: NotaryWorld, question: Question) -> tuple[NotaryWorld, Answer]:
        """Raises Violation."""
        match question:
            case ("append", value):
                return world._replace(topic=(*world.topic, value)), len(world.topic)
            case ("end",):
                return world, len(world.topic)
            case ("keys",):
                return world, world.keys
            case ("largest leaf",):
                return world, max((each[4] for each in self._rows[world.rows][0]), default=0)
            case ("reached",):
                return world, self._rows[world.rows][1]
            case ("keep rows", rows):
                kept, reached = self._rows[world.rows]
                known = {each[:3] for each in kept}
                new = {(*each[:5], tuple(each[5])) for each in rows if each[:3] not in known}
                return world._replace(rows=self._number(self._rows, (kept | new, reached))), None
            case ("keep reached", document, mac):
                found = (self._rows[world.rows][0], (document, mac))
                return world._replace(rows=self._number(self._rows, found)), None
            case _:
                return self._stored(world, question)

    def _stored(self, world: NotaryWorld, question: Question) -> tuple[NotaryWorld, Answer]:
        held = self._stores[world.store]
        match question:
            case ("read", path):
                return world, held.get(path)
            case ("create", path, content):
                if held.get(path, content) != content:
                    return world, ContentDiffers(path)
                changed = held | {path: content}
            case ("replace", path, content, former) if held.get(path) != former:
                return world, ContentDiffers(path)
            case ("replace" | "put", path, content, *_):
                changed = held | {path: content}
            case ("remove", paths):
                changed = {path: content for path, content in held.items() if path not in paths}
            case _:
                raise AssertionError(question)
        key = tuple(sorted(changed.items()))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._stores)
            self._stores.append(changed)
        after = self.published(number)
        if question[1] == CHECKPOINT and after[: len(before := self.published(world.store))] != before:
            raise Violation(f"{len(before)} leaves were published, and these {len(after)} do not begin with them")
        return world._replace(store=number), None

    def _number(self, known: list[Any], content: Any) -> int:
        found = self._numbers.get(content)
        if found is None:
            found = self._numbers[content] = len(known)
            known.append(content)
        return found

    def _records(self, arrived: int, next: Mapping[LeafPartition, int]) -> list[tuple[TakenRecord, ...]]:
        """What the notary may read: everything that is new to it, or one partition alone, since each has its own fetch."""
        new = [
            (place, each)
            for arrival in self.bounds.arrivals[:arrived]
            for place, each in arrival.records()
            if place.position >= next.get((place.kind, place.partition), 0)
        ]
        parts = sorted({place.partition for place, _ in new})
        found = [tuple(new)] if new else []
        if len(parts) > 1:
            found += [tuple(each for each in new if each[0].partition == part) for part in parts]
        return found

    # -- what must hold -------------------------------------------------------------------------------------------------

    def published(self, number: int) -> list[bytes]:
        """The entries that a stranger reads from a store, checked by its tiles. Each leaf is there once, and none is missing among
        those of its partition. Raises Violation."""
        found = self._entries.get(number)
        if found is None:
            found = self._entries[number] = self._read(self._stores[number])
        return found

    def _read(self, store: Mapping[str, bytes]) -> list[bytes]:
        if CHECKPOINT not in store:
            return []
        try:
            head, _ = checkpoint_by_one_of(signed_note(store[CHECKPOINT].decode()), verifier_keys(store[KEY].decode()))
        except NoteRefused as fault:
            raise Violation(f"no key that is published signed the checkpoint: {fault}") from fault
        whole = {name: TileName(name.level, name.index) for name in tiles_of([(0, head.size)], head.size)}
        tiles = {
            name: store.get(name.path, store.get(full.path, b""))[: name.width * 32] for name, full in whole.items()
        }
        if root_of_tiles(head.size, tiles) != head.root:
            raise Violation(f"the tiles of {head.size} leaves do not give the root of their checkpoint")
        entries: list[bytes] = []
        for index in range(-(-head.size // WIDTH)):
            name = TileName(0, index, min(WIDTH, head.size - index * WIDTH))
            bundle = store.get(name.entries_path, store.get(TileName(0, index).entries_path, b""))
            entries += unbundled(bundle)[: name.width]
        places = {each: place for arrival in self.bounds.arrivals for place, each in arrival.records() if each}
        next: dict[int, list[int]] = {}
        for each in entries:
            next.setdefault(places[each].partition, []).append(places[each].position)
        for partition, positions in next.items():
            wanted = [each.position for each in places.values() if each.partition == partition]
            if positions != wanted[: len(positions)] or len(entries) != head.size:
                raise Violation(f"a leaf of partition {partition} is missing, or there twice")
        return entries

    def _check_stopped(self, fault: OrderBroken) -> None:
        raise Violation(f"a notary stops, though nobody changed anything: {fault}") from fault

    def _check_continues(self, world: NotaryWorld) -> None:
        """Whatever was killed here: a notary that starts alone, and is left alone, publishes every record that arrived."""
        key = (world.arrived, world.topic, world.store, world.rows, world.keys)
        if key in self._continues:
            return
        self._continues.add(key)
        at = self._started("alone")
        for _ in range(300):
            question = self._asks[at]
            if question is None:
                raise Violation(f"a notary that is alone begins anew: {world}")
            answers = self._answers(world, question)
            if not answers:
                break
            world, answer = answers[0]
            at = self._went_on(at, answer)
        arrived = [each for arrival in self.bounds.arrivals[: world.arrived] for _, each in arrival.records() if each]
        if set(self.published(world.store)) != set(arrived):
            raise Violation(f"a notary that is alone does not publish every record: {world}")
        if self._signers(world) not in ([], signing(world.keys)):
            raise Violation(f"a notary that is alone does not sign with the keys of now: {world}")


def _sent(running: Coroutine[Question, Any, None], before: int, answer: Answer) -> Question:
    """What it asks after this answer. The first answer is its name, which it has."""
    if before == IDLE:
        return running.send(None)
    return running.throw(answer) if isinstance(answer, ContentDiffers) else running.send(answer)


def _placed(state: NotaryState, slot: int, at: int) -> NotaryState:
    """The notaries are alike, so which of them is the first makes no difference."""
    running = (*state.running[:slot], at, *state.running[slot + 1 :])
    return state._replace(running=tuple(sorted(running)))

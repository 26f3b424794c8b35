"""Folds a trail's changes in the order of time: first the facts known from elsewhere, then each record's changes. The changes
of one second are put in an order that the service would allow.

What a record changes depends on the changes before it. So each change is applied to the world at once (`_take`), while the
tables are written once for each batch of records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import asyncpg
import orjson

from domain.cloudtrail.kms_changes import is_change, is_own, made_by, met_in
from domain.cloudtrail.known import BY, Fact, beginning, changed_by, fact_of
from domain.cloudtrail.order import ordered
from domain.cloudtrail.record import Broken, NotOurService, PassedOver, TrailReading, read, require_names
from domain.cloudtrail.slots import MAKES, Slot, Step, before
from domain.cloudtrail.steps import needed_by, step_of, told_by
from domain.identities.directory import Directory
from domain.log import events
from domain.log.catalogue import CATALOGUE, WIRE_NAMES
from domain.state.world import World
from projections.history.project import HistoryBatch
from projections.log.entry import EVENTS, Entry
from projections.policy_versions import project as policy_versions
from projections.trails import records
from services.projector.change_writer import ChangeWriter
from services.rendering import utc
from services.trails.prepared import UNSHAPED
from services.trails.rows import names

BATCH = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = frozenset({"policy", "document", "trust", "description"})
"""Members of events that no index has: texts of any length. All others are names, also those of principals in a policy."""
ImportProgress = Callable[[str, int], None]
"""(the step under way, how many records so far)."""


@dataclass(slots=True)
class Folded:
    """The result of the fold: the position after the last event, and what each changing record did."""

    world: World
    position: int = 0
    moments: list[datetime] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    changed: list[tuple[Any, ...]] = field(default_factory=list)
    met: list[tuple[Any, ...]] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[datetime, list[int]] = field(default_factory=dict)
    """For each second with changes: the position before the first change, and the position after each."""
    shuffled: set[int] = field(default_factory=set)
    """The position before the first change, for each second whose changes may have come in another order."""
    known: int = 0
    late: list[dict[str, Any]] = field(default_factory=list)
    several: list[dict[str, Any]] = field(default_factory=list)
    unfit: list[dict[str, Any]] = field(default_factory=list)
    untried: list[dict[str, Any]] = field(default_factory=list)
    """Seconds with more changes than orders are tried for: the time, and the number of these changes."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """Takes a record's place for events that are known from elsewhere."""

    region: str
    principal: str = BY
    access_key: str = ""
    id: str = "known"


class TrailFold:
    """Folds a trail's changes into the history and policy versions of a schema."""

    def __init__(self, connection: asyncpg.Connection[Any], schema: str, name: str) -> None:
        self._connection, self._name = connection, name
        self._writer = ChangeWriter(connection, schema, {})
        self._folded = Folded(World(region="", directory=Directory(ended=set()), of_trail=True))
        self._batch = HistoryBatch(self._folded.world)
        self._entries: list[Entry] = []
        """The batch's entries."""
        self._unread: dict[str, Exception] = {}

    async def fold(self, progress: ImportProgress) -> Folded:
        await self._begin()
        rows = await self._connection.cursor(records.CHANGING)
        done, rest = 0, list[Any]()
        while some := [*rest, *await rows.fetch(BATCH)]:
            # All records of a second are folded together.
            whole = len(some) > len(rest) and some[0]["at"] != some[-1]["at"]
            more = len(some) > len(rest)
            rest = [row for row in some if row["at"] == some[-1]["at"]] if more else []
            if more and not whole:
                continue
            some = some[: len(some) - len(rest)]
            for at, second in groupby(some, key=lambda row: row["at"]):
                self._second(at, list(second))
            await self._write()
            done += len(some)
            progress("following the changes", done)
            await asyncio.sleep(0)
        for identifier, fault in self._unread.items():
            self._put_aside(identifier, fault)
        return self._folded

    async def _write(self) -> None:
        """Writes what the entries since the last write changed."""
        for change in [*self._batch.changes(), *policy_versions.changes(self._entries)]:
            await self._writer.write(change)
        self._writer.remember()
        self._batch, self._entries = HistoryBatch(self._folded.world), []

    async def _begin(self) -> None:
        """Applies the facts known from elsewhere, at the beginning of the trail. For each subject the first answer counts,
        unless a record changed the subject before that answer was taken."""
        folded = self._folded
        facts = list[Fact]()
        for row in await self._connection.fetch(records.KNOWN):
            try:
                facts.append(fact_of(orjson.loads(row["raw"])))
            except (Broken, *UNSHAPED) as fault:
                self._put_aside(row["id"], fault)
        if not facts:
            return
        changed: dict[Slot, int] = {}
        first: datetime | None = None
        for row in await self._connection.fetch(records.CHANGING):
            first = first or row["at"]
            reading = self._read(row)
            if reading is not None and is_change(reading) and not reading.refused:
                for name in told_by(reading, _step(reading)):
                    changed.setdefault(name, reading.at)
        held: dict[str, dict[str, Fact]] = {}
        for each in facts:
            if changed.get(changed_by(each), each.at + 1) <= each.at:
                folded.late.append(
                    {"kind": each.kind, "of": each.subject, "taken": utc(_EPOCH + timedelta(microseconds=each.at))}
                )
            else:
                held.setdefault(each.kind, {}).setdefault(each.subject, each)
        folded.known = sum(map(len, held.values()))
        if first is None:
            return
        for subject, made in beginning(held, folded.world):
            try:
                self._beginning(made, first)
            except (Broken, *UNSHAPED) as fault:
                self._put_aside(subject, fault)
        await self._write()

    def _beginning(self, made: Iterator[tuple[str, object]], at: datetime) -> None:
        world = self._folded.world
        for region, event in made:
            if region and region != world.region:
                self._take(_Begun(region), at, events.LogCreated(self._name, region))
            self._take(_Begun(region or world.region), at, event)

    def _read(self, row: Any) -> TrailReading | None:
        """Returns None for a record that this version cannot read: an earlier one took some that it could not follow."""
        try:
            return read(orjson.loads(row["raw"]), names)
        except (Broken, NotOurService, PassedOver, *UNSHAPED) as fault:
            self._unread[row["id"]] = fault
            return None

    def _second(self, at: datetime, rows: list[Any]) -> None:
        """Takes in the records of one second."""
        folded = self._folded
        read_rows = [(row, reading) for row in rows if (reading := self._read(row)) is not None]
        changes = {
            row["id"]: (row, reading)
            for row, reading in read_rows
            if row["own_order"] is None and is_change(reading) and not reading.refused
        }
        if not changes:
            for row, reading in read_rows:
                self._record(row, reading)
            return
        steps = [_step(reading) for _, reading in changes.values()]
        made = {slot for step in steps if step.rank == MAKES for slot in step.writes}
        # Callers and keys are added before the changes, unless the changes create them.
        met = {row["id"] for row, reading in read_rows if not needed_by(reading) & made}
        for row, reading in read_rows:
            if row["id"] in met:
                self._meet(row, reading)
        low = folded.position - 1
        order, only = self._order(changes, steps, at)
        if not only:
            folded.shuffled.add(low)
        for name in order:
            self._record(*changes[name])
            if folded.changed and folded.changed[-1][0] == name:
                folded.seconds.setdefault(at, [low]).append(folded.position - 1)
        for row, reading in read_rows:
            # A caller that has been deleted by now is not added again.
            changed = is_change(reading) and not reading.refused
            if row["id"] not in changes and (row["id"] not in met or changed):
                self._record(row, reading)

    def _order(
        self, changes: dict[str, tuple[Any, TrailReading]], steps: list[Step], at: datetime
    ) -> tuple[list[str], bool]:
        """Returns the changes of one second in an order that the service would allow, and whether it would allow no other."""
        if len(steps) == 1:
            return list(changes), True
        folded = self._folded
        found = ordered(steps, lambda slot: before(slot, folded.world))
        said = {name: f"{reading.operation} {name}" for name, (_, reading) in changes.items()}
        folded.several += [{"at": utc(at), "changes": [said[one], said[other]]} for one, other in found.open]
        if found.unfit:
            folded.unfit.append({"at": utc(at), "changes": [said[name] for name in found.unfit]})
        if found.untried:
            folded.untried.append({"at": utc(at), "changes": len(found.untried)})
        return found.ids, found.only

    def _meet(self, row: Any, reading: TrailReading) -> None:
        """Adds the caller and the keys that a record names, if they are new."""
        try:
            self._met_in(row, reading)
        except (Broken, *UNSHAPED) as fault:
            self._put_aside(row["id"], fault)

    def _record(self, row: Any, reading: TrailReading) -> None:
        """Takes in a whole record: the caller and keys that it names, and its changes."""
        folded = self._folded
        before = folded.position - 1
        own: tuple[int, str | None] | None = None
        try:
            self._met_in(row, reading)
            for event in made_by(reading, folded.world):
                about = _about(event, folded.world)
                self._take(reading, row["at"], event)
                if is_own(reading.operation, event):
                    own = len(folded.met) - 1, about or _about(event, folded.world)
        except (Broken, *UNSHAPED) as fault:
            self._put_aside(row["id"], fault)
            return
        if own is not None:
            self._note(reading, before, *own)

    def _met_in(self, row: Any, reading: TrailReading) -> None:
        world = self._folded.world
        if reading.region != world.region:
            self._take(reading, row["at"], events.LogCreated(self._name, reading.region))
        for event in met_in(reading, world):
            self._take(reading, row["at"], event)

    def _put_aside(self, identifier: str, fault: Exception) -> None:
        # A record may have any shape. Its changes before the fault are kept, and the fold goes on.
        self._folded.aside.append((identifier, str(fault) if isinstance(fault, Broken) else repr(fault)))

    def _take(self, reading: TrailReading | _Begun, at: datetime, event: object) -> None:
        """Applies the next event to the world."""
        folded = self._folded
        document = {
            "at": utc(at),
            "call": {"principal": reading.principal, "access_key": reading.access_key, "id": reading.id},
        }
        entry = Entry(EVENTS, 0, folded.position, at, reading.region, document, event)
        name = WIRE_NAMES[type(event)]
        data = _data(event)
        # If an identity's unique id is unknown, its ARN takes the id's place.
        summary = CATALOGUE[name].summary.format(**data).replace("ARN:arn:", "arn:")
        require_names(*[each for told, each in data.items() if isinstance(each, str) and told not in _TEXTS])
        text = orjson.dumps(data).decode()
        # Nothing above this line is kept of an event that cannot be shown or applied.
        self._batch.take(entry)
        folded.position += 1
        folded.moments.append(at)
        folded.met.append((entry.offset, at, reading.id, name, summary, text))
        self._entries.append(entry)

    def _note(self, reading: TrailReading, before: int, place: int, about: str | None) -> None:
        """`place`: where `met` holds the event of the record's own change. The record's other events only add callers or keys."""
        folded = self._folded
        position, _, _, name, summary, data = folded.met.pop(place)
        # Its effects are complete after its last event.
        folded.changed.append((reading.id, before, position, about, name, summary, data))
        if reading.order >= 0:
            folded.orders.append((reading.order, folded.position - 1))


def _step(reading: TrailReading) -> Step:
    try:
        return step_of(reading)
    except UNSHAPED:  # the fold reports what is wrong with it
        return Step(reading.id)


def _about(event: object, world: World) -> str | None:
    """The ARN of the identity or managed policy that an event changes, which CloudTrail's records of IAM do not name."""
    unique = getattr(event, "id", None) or getattr(event, "user", None)
    if unique is None:
        return None
    identity = world.directory.identities.get(unique)
    return identity.arn if identity is not None else world.directory.policy_arns.get(unique)


def _data(event: Any) -> dict[str, Any]:
    return asdict(event)  # every catalogued event is a dataclass

"""A trail's changes folded in the order of time: what is known beforehand, then each record's, those of one second in an order
that the service allows.
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
from domain.cloudtrail.record import Broken, TrailReading, read
from domain.cloudtrail.slots import MAKES, Slot, Step, before
from domain.cloudtrail.steps import needed_by, step_of, told_by
from domain.log import events
from domain.log.catalogue import CATALOGUE, WIRE_NAMES
from domain.state.world import World
from projections.history import project as history
from projections.log.entry import EVENTS, Appends, Closes, Entry, Interns
from projections.policy_versions import project as policy_versions
from services.rendering import utc
from services.trails.prepared import UNSHAPED
from services.trails.rows import names

BATCH = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Progress = Callable[[str, int], None]
CHANGES = """
SELECT id, at, own_order, raw FROM records WHERE raw IS NOT NULL AND kind <> '\\x01' ORDER BY at, own_order NULLS FIRST, id
"""
KNOWN = "SELECT raw FROM records WHERE kind = '\\x01' ORDER BY at, id"


@dataclass(slots=True)
class Folded:
    """What the fold has come to: the position after the last event, and what each changing record did."""

    world: World
    position: int = 0
    moments: list[datetime] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    changed: list[tuple[Any, ...]] = field(default_factory=list)
    met: list[tuple[Any, ...]] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[datetime, list[int]] = field(default_factory=dict)
    """Of each second with changes: the positions before the first and after each."""
    shuffled: set[int] = field(default_factory=set)
    """The positions before the first, of seconds whose changes may have come in another order."""
    known: int = 0
    late: list[dict[str, Any]] = field(default_factory=list)
    several: list[dict[str, Any]] = field(default_factory=list)
    unfit: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Begun:
    """In a record's place, where there is none: what was known from elsewhere."""

    region: str
    principal: str = BY
    access_key: str = ""
    id: str = "known"


class Folding:
    """Into the history and the versions of policies of a schema."""

    def __init__(self, connection: asyncpg.Connection[Any], schema: str, name: str) -> None:
        self._connection, self._schema, self._name = connection, schema, name

    async def fold(self, progress: Progress) -> Folded:
        folded = Folded(World(region=""))
        await self._begin(folded)
        rows = await self._connection.cursor(CHANGES)
        done, rest = 0, list[Any]()
        while some := [*rest, *await rows.fetch(BATCH)]:
            # A second is folded whole.
            whole = len(some) > len(rest) and some[0]["at"] != some[-1]["at"]
            more = len(some) > len(rest)
            rest = [row for row in some if row["at"] == some[-1]["at"]] if more else []
            if more and not whole:
                continue
            some = some[: len(some) - len(rest)]
            entries = self._entries(some, folded)
            await self._project(entries, folded)
            done += len(some)
            progress("following the changes", done)
            await asyncio.sleep(0)
        return folded

    async def _project(self, entries: Iterator[Entry], folded: Folded) -> None:
        # The projection takes each entry in before the next is asked for: what a record changes depends on it.
        seen: list[Entry] = []
        for change in history.changes(_noting(entries, seen), folded.world):  # type: ignore[arg-type]  # an iterator will do
            await self._write(change)
        for appended in policy_versions.changes(seen):
            await self._write(appended)

    async def _begin(self, folded: Folded) -> None:
        """What is known from elsewhere, as the trail begins: of each thing the first answer taken, where no record changed what
        it tells before that."""
        facts = [fact_of(orjson.loads(row["raw"])) for row in await self._connection.fetch(KNOWN)]
        if not facts:
            return
        changed: dict[Slot, int] = {}
        first: datetime | None = None
        for row in await self._connection.fetch(CHANGES):
            first = first or row["at"]
            reading = read(orjson.loads(row["raw"]), names)
            if is_change(reading) and not reading.refused:
                for name in told_by(_step(reading)):
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
        entries = self._beginning(beginning(held, folded.world), first, folded)
        await self._project(entries, folded)

    def _beginning(self, made: Iterator[tuple[str, object]], at: datetime, folded: Folded) -> Iterator[Entry]:
        for region, event in made:
            if region and region != folded.world.region:
                yield self._entry(_Begun(region), {"at": at}, events.LogCreated(self._name, region), folded)
            yield self._entry(_Begun(region or folded.world.region), {"at": at}, event, folded)

    def _entries(self, rows: list[Any], folded: Folded) -> Iterator[Entry]:
        for at, second in groupby(rows, key=lambda row: row["at"]):
            records = [(row, read(orjson.loads(row["raw"]), names)) for row in second]
            changes = {
                row["id"]: (row, reading)
                for row, reading in records
                if row["own_order"] is None and is_change(reading) and not reading.refused
            }
            if not changes:
                for row, reading in records:
                    yield from self._record(row, reading, folded)
                continue
            steps = [_step(reading) for _, reading in changes.values()]
            made = {slot for step in steps if step.rank == MAKES for slot in step.writes}
            others = [each for each in records if each[0]["id"] not in changes]
            # Whoever calls, and what is used, is there before the changes, unless it is made by them.
            met = {row["id"] for row, reading in records if not needed_by(reading) & made}
            for row, reading in records:
                if row["id"] in met:
                    yield from self._record(row, reading, folded, whole=False)
            low = folded.position - 1
            order, only = self._order(changes, steps, at, folded)
            if not only:
                folded.shuffled.add(low)
            for name in order:
                row, reading = changes[name]
                yield from self._record(row, reading, folded)
                if folded.changed and folded.changed[-1][0] == name:
                    folded.seconds.setdefault(at, [low]).append(folded.position - 1)
            for row, reading in others:
                # Whoever called, and is deleted by now, is not met again.
                if row["id"] not in met or is_change(reading):
                    yield from self._record(row, reading, folded)

    def _order(
        self, changes: dict[str, tuple[Any, TrailReading]], steps: list[Step], at: datetime, folded: Folded
    ) -> tuple[list[str], bool]:
        """Changes of one second, in an order that the service allows, and whether it allows no other."""
        if len(steps) == 1:
            return list(changes), True
        found = ordered(steps, lambda slot: before(slot, folded.world))
        said = {name: f"{reading.operation} {name}" for name, (_, reading) in changes.items()}
        folded.several += [{"at": utc(at), "changes": [said[one], said[other]]} for one, other in found.open]
        if found.unfit:
            folded.unfit.append({"at": utc(at), "changes": [said[name] for name in found.unfit]})
        return found.ids, found.only

    def _record(self, row: Any, reading: TrailReading, folded: Folded, *, whole: bool = True) -> Iterator[Entry]:
        before = folded.position - 1
        own: tuple[int, str | None] | None = None
        try:
            if reading.region != folded.world.region:
                yield self._entry(reading, row, events.LogCreated(self._name, reading.region), folded)
            for event in met_in(reading, folded.world):
                yield self._entry(reading, row, event, folded)
            for event in made_by(reading, folded.world) if whole else ():
                about = _about(event, folded.world)
                yield self._entry(reading, row, event, folded)
                if is_own(reading.operation, event):
                    own = len(folded.met) - 1, about or _about(event, folded.world)
        except (Broken, *UNSHAPED) as fault:
            # Of any shape, as records are: what it changed before the fault stands, and the rest goes on.
            folded.aside.append((row["id"], str(fault) if isinstance(fault, Broken) else repr(fault)))
            return
        if own is not None:
            self._note(reading, before, *own, folded)

    def _entry(self, reading: TrailReading | _Begun, row: Any, event: object, folded: Folded) -> Entry:
        at = row["at"]
        document = {
            "at": utc(at),
            "call": {"principal": reading.principal, "access_key": reading.access_key, "id": reading.id},
        }
        entry = Entry(EVENTS, 0, folded.position, at, reading.region, document, event)
        folded.position += 1
        folded.moments.append(at)
        name = WIRE_NAMES[type(event)]
        data = _data(event)
        # Whose unique id is not known is called by their ARN.
        summary = CATALOGUE[name].summary.format(**data).replace("ARN:arn:", "arn:")
        folded.met.append((entry.offset, at, reading.id, name, summary, orjson.dumps(data).decode()))
        return entry

    def _note(self, reading: TrailReading, before: int, place: int, about: str | None, folded: Folded) -> None:
        """`place`: of the event that is the record's own; the others only put somebody there."""
        position, _, _, name, summary, data = folded.met.pop(place)
        # Whatever it brought about is done after its last event.
        folded.changed.append((reading.id, before, position, about, name, summary, data))
        if reading.order >= 0:
            folded.orders.append((reading.order, folded.position - 1))

    async def _write(self, change: Any) -> None:
        connection = self._connection
        match change:
            case Appends():
                await connection.copy_records_to_table(
                    change.table, schema_name=self._schema, columns=change.columns, records=change.rows
                )
            case Closes():
                await connection.executemany(_CLOSE, change.rows)
            case Interns():
                marks = ", ".join(f"${number}" for number in range(1, len(change.columns) + 1))
                await connection.executemany(
                    f"INSERT INTO {change.table} VALUES ({marks}) ON CONFLICT DO NOTHING", change.rows
                )


_CLOSE = (
    "UPDATE history SET until_position = $3, until_at = $4 "
    "WHERE kind = $1 AND id = $2 AND until_position = 9223372036854775807"
)


def _step(reading: TrailReading) -> Step:
    try:
        return step_of(reading)
    except UNSHAPED:  # the fold tells what is wrong with it
        return Step(reading.id)


def _about(event: object, world: World) -> str | None:
    """The ARN of the identity or managed policy that an event changes, which CloudTrail's records of IAM do not name."""
    unique = getattr(event, "id", None) or getattr(event, "user", None)
    if unique is None:
        return None
    identity = world.directory.identities.get(unique)
    return identity.arn if identity is not None else world.directory.policy_arns.get(unique)


def _noting(entries: Iterator[Entry], seen: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        seen.append(entry)
        yield entry


def _data(event: Any) -> dict[str, Any]:
    return asdict(event)  # every catalogued event is a dataclass

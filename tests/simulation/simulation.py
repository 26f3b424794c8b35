"""One simulation: a seed in, what happened and what was wrong with it out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from unittest import mock

import structlog

from domain.crypto import symmetric
from services.adapters import keyring
from services.alert_worker import events
from services.kms_api import app
from tests.consistency.explained import Judge, decided_otherwise, read_log
from tests.consistency.observed import ObservedCall
from tests.simulation.alert_workers import STEPS, judge_of
from tests.simulation.alerts_judged import all_judged, fault_of_rows, faults_of_alerts, raised
from tests.simulation.clients import Load
from tests.simulation.faults import Stroke, carry_out, plan_of
from tests.simulation.installation import DECIDED, EVENTS, PARTITIONS, PROJECTIONS_EVERY, SETTINGS, Installation, Shared
from tests.simulation.notary import faults_of_tree
from tests.simulation.projections_judged import all_projected, faults_of_projections, projected
from tests.simulation.vault import MemoryVault
from tests.simulation.virtual import VirtualLoop, current, run, virtual_machine

LONGEST = 2000.0
RECOVERS_WITHIN = 20.0
"""Virtual seconds after the last fault, after which every call has to be answered soon."""
SOON = 10.0
SETTLES_WITHIN = 10.0
"""Virtual seconds after the last answer in which what is under way comes to its end."""
JUDGED_WITHIN = 30.0
"""Virtual seconds after that in which alert workers come to their end."""
PROJECTED_WITHIN = 100.0
"""Virtual seconds after that in which projectors come to the end of the topics. A session that hangs takes one of them."""
ALERTED_WITHIN = 15.0
"""Virtual seconds from a record to its alert, when no fault is near. Records that Faust passed over wait for two looks at what waits,
which come every five seconds."""
NOTICED_WITHIN = 6.0
"""Virtual seconds within which every process has to notice that the log it knows is not the log that is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seconds`: virtual ones. `trace`: a digest of all that happened and of every value on every topic. `alerts`: by rule, how many
    were raised. `rows`: by table of a projection, how many it has."""

    seed: int
    plan: tuple[Stroke, ...]
    faults: list[str]
    story: list[str]
    calls: list[ObservedCall]
    seconds: float
    trace: str
    alerts: Mapping[str, int]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """How much the clients do: `calls` each, with `rest` virtual seconds between two of them on average."""

    changing: int = 3
    using: int = 4
    keys: int = 3
    calls: int = 14
    rest: float = 12.0


ALERTS_EVERY = 10
"""In one seed out of so many, alert workers follow the topics, and what they raise is judged. Such a seed takes more than twice as long."""


def simulate(seed: int, plan: tuple[Stroke, ...] | None = None, size: Size | None = None) -> Outcome:
    """`plan`: in the place of the one that the seed draws."""
    plan, size = plan_of(seed) if plan is None else plan, size or Size()
    loop = VirtualLoop()
    with virtual_machine(loop, seed), mock.patch.object(events, "AT_ONCE", STEPS):
        app._random.seed(seed)
        symmetric._fresh._left.clear()  # drawn by the simulation before
        installation = Installation(
            loop, seed, alerts=seed % ALERTS_EVERY == 0, projections=seed % PROJECTIONS_EVERY == 0
        )
        load, shared = Load(installation, seed), installation.shared
        healed = 0.0

        async def strike() -> None:
            nonlocal healed
            await carry_out(plan, seed, installation, load.network)
            healed = loop.now
            shared.tell("* nothing strikes any more")

        async def all_of_it() -> None:
            installation.start()
            await asyncio.gather(strike(), load.run(size.changing, size.using, size.keys, size.calls, size.rest))
            await asyncio.sleep(SETTLES_WITHIN)
            if shared.alerting is not None:
                until = loop.now + JUDGED_WITHIN
                while loop.now < until and not all_judged(  # noqa: ASYNC110  # processes of the simulation judge
                    shared.brokers, shared.alerting.tables
                ):
                    await asyncio.sleep(1)
                keys = await keyring.open_keyring(MemoryVault(shared.rows))
                shared.alerting.faults += await fault_of_rows(shared.alerting.tables, keys, shared.origin)
            if shared.projecting is not None:
                until = loop.now + PROJECTED_WITHIN
                while loop.now < until and not all_projected(shared.projecting):  # noqa: ASYNC110  # others do it
                    await asyncio.sleep(1)
                lost = shared.tail_lost_at is not None
                found = await faults_of_projections(shared.projecting, _keys(shared), SETTINGS.region, tail_lost=lost)
                shared.wrong_rows += found

        with _logs_in(shared):
            try:
                run(loop, all_of_it(), LONGEST)
            except TimeoutError:
                shared.tell("the clients are not done yet")
        faults = _judged(installation, load.calls) + _late(load.calls, healed) + _alerts(shared, healed)
        faults += shared.wrong_rows + loop.faults
        outcome = Outcome(
            seed,
            plan,
            faults,
            list(shared.story),
            load.calls,
            loop.now,
            _trace(shared),
            raised(shared.brokers),
            projected(shared.projecting),
        )
        with _logs_in(shared):  # of what is closed in the middle of its work: nobody reads them any more
            loop.abandon()
    return outcome


def _judged(installation: Installation, calls: Sequence[ObservedCall]) -> list[str]:
    brokers = installation.shared.brokers
    decisions: dict[str, list[Mapping[str, Any]]] = {}
    for number in range(PARTITIONS):
        for value in dict.fromkeys(brokers.partition(f"{DECIDED}-{number}").values):  # a copy is void
            document = json.loads(value)
            decisions.setdefault(document["call"]["id"], []).append(document)
    values = list(enumerate(brokers.partition(EVENTS).values))
    lost_at = installation.shared.tail_lost_at
    judge = Judge(read_log(values), decisions, SETTINGS.fresh_for + 1.0, denied=True)
    if lost_at is None:
        tree = faults_of_tree(brokers, installation.shared.tiles, _keys(installation.shared), PARTITIONS)
        return [*judge.judge(calls), *decided_otherwise(values, decisions), *tree]
    # What was answered before is lost; whatever is answered from then on has to be right again.
    return judge.judge([each for each in calls if each.began > lost_at + NOTICED_WITHIN], registers=False)


def _keys(shared: Shared) -> keyring.VaultKeyring:
    return keyring.VaultKeyring(MemoryVault(shared.rows), [shared.rows.root], strict=True)


def _alerts(shared: Shared, healed: float) -> list[str]:
    if shared.alerting is None:
        return []
    judge, settled = judge_of(shared.origin, SETTINGS.region), healed + RECOVERS_WITHIN
    lost = shared.tail_lost_at is not None
    found = faults_of_alerts(shared.brokers, _keys(shared), judge, ALERTED_WITHIN, settled, tail_lost=lost)
    return [*found, *(() if lost else shared.alerting.faults)]


def _late(calls: Sequence[ObservedCall], healed: float) -> list[str]:
    """Calls that had to be answered soon, and were not."""
    return [
        f"{each.operation} began {each.began - healed:.1f} s after the last fault, and had no answer for "
        f"{(each.ended or LONGEST) - each.began:.1f} s: {each.attempts}"
        for each in calls
        if each.began > healed + RECOVERS_WITHIN and not (each.answered and each.ended - each.began < SOON)
    ]


def _trace(shared: Shared) -> str:
    digest = sha256("\n".join(shared.story).encode())
    for name, partition in sorted(shared.brokers.partitions.items()):
        digest.update(name.encode())
        for value in partition.values:
            digest.update(value)
    if shared.projecting is not None:
        for table, rows in sorted(shared.projecting.tables.rows.items()):  # a table's rows have no order
            digest.update(f"{table} {sorted(map(repr, rows.items()))}".encode())
    return digest.hexdigest()


@contextmanager
def _logs_in(shared: Shared) -> Iterator[None]:
    """What the processes log is part of the story."""

    def told(logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
        what = event.pop("event")
        shared.tell(f"{current()}: {what}  {' '.join(f'{k}={v}' for k, v in event.items())}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[told], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def shrunk(outcome: Outcome, size: Size | None = None) -> Outcome:
    """The same failure with as few faults and calls as still show it."""
    size = size or Size()
    best, again = outcome, True
    while again:
        again = False
        for left_out in range(len(best.plan)):
            tried = simulate(best.seed, (*best.plan[:left_out], *best.plan[left_out + 1 :]), size)
            if tried.faults:
                best, again = tried, True
                break
    while size.calls > 1:
        smaller = replace(size, calls=size.calls * 2 // 3)
        tried = simulate(best.seed, best.plan, smaller)
        if not tried.faults:
            break
        best, size = tried, smaller
    return best

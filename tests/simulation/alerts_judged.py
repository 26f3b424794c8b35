"""What has to be true of the alerts that simulated workers raised: they are those that the rules give when the final log and its
decisions are judged once, from the beginning. `keytrail alerts scan` asks the projections for the same."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from domain.alerts.change import Change, Facts, Version
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.counting import Counting
from domain.alerts.engine.judge import Judge
from domain.alerts.observed_call import call_of
from domain.alerts.rule import OnChange, OnHealth
from domain.alerts.rules.table import RULES
from domain.log.authenticity import ALERTS
from domain.log.authority import Authority
from domain.log.events import DeletionScheduled, KeyDisabled, PolicyReplaced
from domain.log.record import Record
from domain.policy_analysis.budget import Budget
from domain.state.fold import Fold
from domain.state.principals import own_principals
from projections.log.entry import DECISIONS, EVENTS
from services.adapters.keyring import VaultKeyring
from services.alert_worker import proof
from services.alert_worker.books import Books, JudgedElsewhere, RowsChanged
from tests.simulation.alert_statements import POSITIONS
from tests.simulation.alert_workers import ALERTS_TOPIC, decisions_of, last_use
from tests.simulation.brokers import Brokers
from tests.simulation.notary import DECISIONS_TOPIC, EVENTS_TOPIC
from tests.simulation.sessions import SimulatedPool
from tests.simulation.tables import SimulatedTables
from tests.simulation.virtual import EPOCH

NEVER = frozenset({"chain-broken", "records-lost", "rule-failed"})
"""What must not be raised while brokers keep what they acknowledged."""


@dataclass(slots=True)
class DueAlerts:
    """`must`: by id, what has to be raised. `may`: ids of what may be raised besides: what is said of a policy before it is judged to
    the end, and of a use that came while the change of its key was being judged."""

    must: dict[str, Alert] = field(default_factory=dict)
    may: set[str] = field(default_factory=set)


class _Scan:
    def __init__(self, brokers: Brokers, keys: VaultKeyring, judge: Judge) -> None:
        self._brokers, self._keys, self._judge = brokers, keys, judge
        self._fold = Fold.under(keys)
        self._counting = Counting(judge)
        self._versions: dict[str, list[Version]] = defaultdict(list)
        self.due = DueAlerts()
        self.valid: set[int] = set()

    def run(self) -> None:
        events = self._brokers.partition(EVENTS_TOPIC)
        for offset, (value, came) in enumerate(zip(events.values, events.times, strict=True)):
            found = self._fold.read(offset, value)
            if found is not None:
                self.valid.add(offset)
                self._change(offset, found[1], came)
                self._use(found[0], EVENTS, 0, offset)
                self._fold.world.fold(offset, found[1])
        authority, seen = self._fold.chain.authority, set[str]()
        for number, offset, value, _ in decisions_of(self._brokers):
            document = json.loads(value)
            copied = document["call"]["id"] in seen
            if not copied and authority.believes(self._keys, DECISIONS, number, offset, value):
                seen.add(document["call"]["id"])
                self._use(document, DECISIONS, number, offset)

    def _change(self, offset: int, record: Record, came: int) -> None:
        event, call, world = record.event, record.call, self._fold.world
        key = world.keys.get(getattr(event, "key", ""))
        if self._judge.asks(event):
            known = [Facts(versions=tuple(self._versions[key.id]))] if key is not None else [Facts()]
            if key is not None and isinstance(event, DeletionScheduled | KeyDisabled):
                # A use that came before the change did is known to everybody who judges it, and a later one may be.
                used = (last_use(self._brokers, key, record.at, until) for until in (came, float("inf")))
                known = [Facts(used=each) for each in dict.fromkeys(used)]
            source = {"topic": EVENTS, "partition": 0, "offset": offset, "call": "" if call is None else call.id}
            for place, facts in enumerate(known):
                caller, account, operation = (
                    ("", "", "") if call is None else (call.principal, call.account, call.operation)
                )
                change = Change(
                    event, world, record.at, offset, caller=caller, account=account, operation=operation, facts=facts
                )
                found = self._judge.of_change(change, source)
                if place == 0:
                    self.due.must |= {each.id: each for each in found}
                hasty = self._judge.within(change, source, Budget(0)).alerts
                self.due.may |= {each.id for each in (*found, *hasty)}
        if isinstance(event, PolicyReplaced) and key is not None:
            before = own_principals(key.principals, key.account)
            self._versions[key.id].append(Version(key.policy_version, key.policy_text, before, record.at))

    def _use(self, document: Mapping[str, Any], topic: str, partition: int, offset: int) -> None:
        call = call_of(document)
        if call is None:
            return
        source = {"topic": topic, "partition": partition, "offset": offset, "call": call.id}
        first = (self._judge.first(each, 0) for each in self._counting.new_pairs(call, source))
        for alert in (*self._counting.take(call, source), *(each for each in first if each is not None)):
            self.due.must[alert.id] = alert


def faults_of_alerts(
    brokers: Brokers, keys: VaultKeyring, judge: Judge, soon: float, settled: float, *, tail_lost: bool
) -> Iterator[str]:
    """`settled`: virtual seconds from which on an alert comes `soon` after its record. `tail_lost`: brokers lost records that had
    been judged; whoever judged them says so, and judges no more."""
    scan = _Scan(brokers, keys, judge)
    scan.run()
    due, authority = scan.due, scan._fold.chain.authority
    topic = brokers.partition(ALERTS_TOPIC)
    first: dict[str, tuple[dict[str, Any], int]] = {}
    for offset, (value, came) in enumerate(zip(topic.values, topic.times, strict=True)):
        if not authority.believes(keys, ALERTS, 0, offset, value):
            yield f"@{offset} of alerts is not authentic"
        document = orjson.loads(value)
        first.setdefault(document["id"], (document, came))
    broken = {document["rule"] for document, _ in first.values()} & NEVER
    if tail_lost:
        if not broken:
            yield from _missing(due, first)
        return
    for each in sorted(broken):
        yield f"{each} was raised, and nothing was lost"
    yield from _missing(due, first)
    for name, (document, came) in first.items():
        if isinstance(RULES[document["rule"]].kind, OnHealth):
            yield from _wrong_void(document, scan.valid)
            yield from _wrong_void_decision(document, brokers, keys, authority)
            continue
        expected = due.must.get(name)
        if expected is None and name not in due.may:
            yield f"{document['rule']} was raised about {document['subject']} ({document['source']}), and is not due"
        if expected is not None and isinstance(expected.rule.kind, OnChange):
            said = orjson.loads(orjson.dumps(expected.document()))
            if said != {member: document.get(member) for member in said}:
                yield f"{document['rule']} {name} says {document}, not {said}"
        yield from _late(brokers, document, came, soon, settled)


def raised(brokers: Brokers) -> Mapping[str, int]:
    """By rule, how many alerts are on their topic, without repetitions."""
    rules = {document["id"]: document["rule"] for document in map(json.loads, brokers.partition(ALERTS_TOPIC).values)}
    return Counter(rules.values())


def _missing(due: DueAlerts, found: Mapping[str, object]) -> Iterator[str]:
    for name, alert in due.must.items():
        if name not in found:
            yield f"{alert.rule.id} about {alert.finding.subject} ({alert.source}) was not raised"


def _wrong_void(document: Mapping[str, Any], valid: set[int]) -> Iterator[str]:
    topic, _, offset = str(document["subject"]).partition("@")
    if document["rule"] == "void-records" and topic == EVENTS and int(offset) in valid:
        yield f"void-records was raised about @{offset}, which counts"


def _wrong_void_decision(
    document: Mapping[str, Any], brokers: Brokers, keys: VaultKeyring, authority: Authority
) -> Iterator[str]:
    """A worker that judges everything anew knew no log's name at first, and took decisions for somebody else's."""
    where, _, offset = str(document["subject"]).partition("@")
    topic, _, number = where.partition("/")
    if document["rule"] != "void-records" or topic != DECISIONS:
        return
    value = brokers.partition(f"{DECISIONS_TOPIC}-{number}").values[int(offset)]
    if authority.believes(keys, DECISIONS, int(number), int(offset), value):
        yield f"void-records was raised about {document['subject']}, which counts"


def _late(brokers: Brokers, document: Mapping[str, Any], came: int, soon: float, settled: float) -> Iterator[str]:
    source = document["source"]
    name = EVENTS_TOPIC if source["topic"] == EVENTS else f"{DECISIONS_TOPIC}-{source['partition']}"
    at = brokers.partition(name).times[source["offset"]]
    if at > (EPOCH + settled) * 1000 and came - at > soon * 1000:
        yield f"{document['rule']} about {document['subject']} was raised {(came - at) / 1000:.1f} s after its record"


def all_judged(brokers: Brokers, tables: SimulatedTables) -> bool:
    """Whether every record is judged, and no policy waits for being judged to the end."""
    ends = {(EVENTS, 0): len(brokers.partition(EVENTS_TOPIC).values)}
    for number, offset, _, _ in decisions_of(brokers):
        ends[DECISIONS, number] = offset + 1
    reached = {name: row[2] for name, row in tables.rows[POSITIONS].items()}
    return not tables.rows["unjudged"] and all(reached.get(part) == end for part, end in ends.items())


async def fault_of_rows(tables: SimulatedTables, keys: VaultKeyring, log: str) -> list[str]:
    """What the workers' own proof finds wrong with the rows that they left."""
    try:
        async with SimulatedPool(tables, None).acquire() as session:
            await proof.check(cast("Any", session), Books(keys, log))
    except (RowsChanged, JudgedElsewhere) as fault:
        return [f"alerting: {fault}"]
    return []

"""Postgres answers every question as a plain fold of the log does. The tests use random histories of keys, policies,
grants, aliases and identities, with calls between; random positions and times; records given twice; gaps of void
records; and tables that are dropped and rebuilt."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.arn import root_arn
from domain.authorization.audience import Audience
from domain.authorization.context import RequestOrigin, encryption_context, request_context
from domain.authorization.evaluate import evaluate, may
from domain.authorization.question import Question
from domain.authorization.verdict import inputs
from domain.durations import HOUR_MICROS
from domain.identities.directory import CUT_OFF_WINDOW
from domain.identities.identity import USER
from domain.keys.key import with_policy
from domain.keys.states import KEY_ACTIONS
from domain.log import events, identity_events
from domain.log.codec import micros_of, rfc3339
from domain.log.record import Record
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state import documents
from domain.state.callers import caller_of
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions.queries import CallFilters
from projections.log.entry import DECISIONS, EVENTS, Entry
from projections.log.schema import AskedLog
from projections.registry import PROJECTIONS
from services.projector import store
from services.questions import access_between
from services.questions.as_of import find_key, show_key
from services.questions.drafts import KeyPolicyDraft
from services.questions.moments import moment_of
from services.questions.recheck import recheck
from services.questions.replay import Replay
from services.questions.snapshot import Still
from services.questions.what_if import what_if
from services.questions.who_can import can_what, who_can
from services.questions.worlds import world_then
from tests import counts, servers
from tests.given import ACCOUNT, OTHER, REGION
from tests.histories import STEPS, TEXTS, History
from tests.keys import process_keys

EVERYTHING = Audience("")


def _signs_out(history: History) -> object:
    return ConsoleSignedOut(ACCOUNT, history.name("ASIA"), history.chance.choice(["AIDA1", "AIDA2"]))


OPERATIONS = ("Encrypt", "Decrypt", "DescribeKey")


class Recorded(History):
    """A history whose records have calls, with decisions between and gaps of void records."""

    def __init__(self, chance: Random) -> None:
        self._last = -1
        self._pause = chance.choice((0, 0, 9 * HOUR_MICROS))
        self.decided: list[Entry] = []
        super().__init__(chance)

    @property
    def steps(self) -> list[Callable[[History], object | None]]:
        return [*STEPS, _signs_out]

    def next_position(self) -> int:
        self._last += self.chance.choice((1, 1, 1, 2)) if self._last >= 0 else 1
        return self._last

    def _happen(self, event: object | None) -> None:
        self.at += self.chance.choice((0, 0, self._pause))
        super()._happen(event)
        document = self.entries[-1].document
        if not isinstance(event, events.LogCreated):
            root = root_arn(ACCOUNT)
            document["call"] = self._call(root, ACCOUNT, "AKIAONE", "Change", {})
        if isinstance(event, identity_events.UserCreated):
            self._happen(identity_events.UserAccessKeyCreated(ACCOUNT, event.id, f"AKIA{event.id}"))
        for _ in range(self.chance.choice((0, 0, 1, 3))):
            self._decide()

    def _call(self, principal: str, account: str, access_key: str, operation: str, parameters: Any) -> dict[str, Any]:
        return {
            "id": f"call-{len(self.entries)}-{len(self.decided)}",
            "access_key": access_key,
            "principal": principal,
            "account": account,
            "source": "127.0.0.1",
            "agent": "tests",
            "operation": operation,
            "parameters": parameters,
            "invocation": "",
        }

    def _decide(self) -> None:
        world, chance = self.world, self.chance
        key = self.one(world.keys)
        if key is None:
            return
        users = [each for each in world.directory.identities.values() if each.kind == USER and each.access_keys]
        access_key = chance.choice(["AKIAONE", "AKIATWO", *(next(iter(each.access_keys)) for each in users)])
        operation = chance.choice(OPERATIONS)
        parameters: dict[str, Any] = {"KeyId": key}
        if operation != "DescribeKey" and chance.random() < 0.5:
            parameters["EncryptionContext"] = {"app": chance.choice("xy")}
        at = self.at + chance.choice((0, 1))
        caller = caller_of(world, access_key, None, at)
        context = request_context(RequestOrigin("127.0.0.1", "tests", False, at, REGION), operation, parameters)
        asking = caller.asking(context, encryption_context(operation, parameters))
        verdict = may(asking, f"kms:{operation}", world.resource(world.keys[key]))
        error = None if verdict.allowed else {"kind": "access-refused", "message": "no"}
        document = {
            "at": rfc3339(at),
            "seen": world.position,
            "call": self._call(caller.principal, caller.account, access_key, operation, parameters),
            "decision": {
                "effect": "allowed" if verdict.allowed else "refused",
                "reasons": [verdict.document()],
                "error": error,
                "resources": [verdict.resource],
                "inputs": inputs(asking, [verdict]),
                "kind": verdict.kind,
            },
        }
        document = orjson.loads(orjson.dumps(document))
        moment = datetime.fromisoformat(rfc3339(at)).astimezone(UTC)
        self.decided.append(Entry(DECISIONS, 0, len(self.decided), moment, REGION, document))

    def folded(self, position: int) -> World:
        """The plain fold up to a position."""
        world = World()
        for entry in self.entries:
            if entry.offset > position:
                break
            at = round(entry.at.timestamp() * 1_000_000)
            world.fold(entry.offset, Record("", entry.offset - 1, at, "w", 0, None, None, entry.event))
        return world


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """One in which nothing else writes."""
    with closing(servers.Share(servers.place())) as share:
        yield share.settings["KEYTRAIL_POSTGRES"]


KEYS = process_keys()


async def filled(connection: Any, history: Recorded, chance: Random) -> None:
    """The projections, filled in batches of any size that overlap, as after lost answers. Some are dropped on the
    way."""
    for projection in PROJECTIONS.values():
        await connection.execute(f"DROP SCHEMA IF EXISTS {projection.schema} CASCADE")
        await store.prepare(connection, projection, "log", KEYS)
        begin = going = None
        entries = [*history.entries, *history.decided] if DECISIONS in projection.topics else list(history.entries)
        entries.sort(
            key=lambda each: (each.offset, 0) if each.topic == EVENTS else (each.document["seen"], 1 + each.offset)
        )
        for _ in range(1 + (chance.random() < 0.3)):
            if begin is not None:
                await connection.execute(f"DROP SCHEMA {projection.schema} CASCADE")
                await store.prepare(connection, projection, "log", KEYS)
            begin, going, at = 0, store.ProjectorMemory(), 0
            reached: dict[store.Partition, int] = {}
            while at < len(entries):
                size = chance.randint(1, 40)
                batch = entries[max(0, at - chance.choice((0, 0, 3))) : at + size]
                for entry in entries[at : at + size]:
                    reached[entry.topic, entry.partition] = entry.offset + 1
                for _ in range(chance.choice((1, 1, 2))):
                    await store.take_in(connection, projection, batch, store.ReadTo(dict(reached)), KEYS, None, going)
                at += size


@contextmanager
def told(history: Recorded, what: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as fault:
        raise AssertionError(f"{what}: {fault}; {[type(each.event).__name__ for each in history.entries]}") from None


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True, default=repr))


async def ask(log: AskedLog, history: Recorded, chance: Random) -> None:
    entries = history.entries
    last = entries[-1].offset
    for _ in range(4):
        position = chance.randint(0, last)
        at = f"@{position}"
        if chance.random() < 0.5:  # the time of an event, one between two events, and one in the future
            entry = chance.choice(entries)
            moment = entry.at + timedelta(microseconds=chance.choice((0, 0, 1, 10**9)))
            at = moment.isoformat().replace("+00:00", "Z")
            position = max(each.offset for each in entries if each.at <= moment)
        found = await moment_of(log, at, last)
        assert (found.position, at) == (position, at)
        world = history.folded(position)
        for key in sorted(world.keys)[:3]:
            with told(history, f"show {key} at {at}"):
                await _shown(log, world, key, found)
            with told(history, f"who could at {at}"):
                await _could(log, world, key, found)
        with told(history, f"ended sessions at {at}"):
            await _ended(log, world)
    await _between(log, history, chance)
    await _decided(log, history, chance)


async def _ended(log: AskedLog, world: World) -> None:
    """Who begins there knows what had ended within the time for which that matters."""
    begun = (await Replay.begin(log, REGION, world.position, world.position)).world
    since = world.at - CUT_OFF_WINDOW
    assert begun.directory.cut_off == {name: each for name, each in world.directory.cut_off.items() if each.at > since}
    assert begun.sign_outs.ended == {name: each for name, each in world.sign_outs.ended.items() if each.at > since}


async def _shown(log: AskedLog, world: World, key: str, moment: Any) -> None:
    held = world.keys[key]
    row = await find_key(log, held.arn, held.account, REGION, moment)
    shown = (await show_key(log, row, moment, EVERYTHING)).value
    assert documents.key_document(held)["principals"] == dict(held.principals)
    assert (shown["key"]["state"], shown["key"]["policy_version"], shown["key"]["tags"]) == (
        held.state_at(micros_of(moment.asked)).value,
        held.policy_version,
        dict(held.tags),
    )
    assert shown["policy"] == json.loads(held.policy_text)
    assert shown["aliases"] == list(world.aliases_of(key))
    assert sorted(each["grant"] for each in shown["grants"]) == sorted(world.grants.get(key, {}))


async def _could(log: AskedLog, world: World, key: str, moment: Any) -> None:
    held = world.keys[key]
    row = await find_key(log, held.arn, held.account, REGION, moment)
    then = await world_then(log, REGION, moment, [row], sorted(world.accounts))
    action = "kms:Decrypt"
    expected = who_can(world, held, action)
    assert plain(who_can(then, then.keys[key], action)) == plain(expected)
    for identity in list(world.directory.identities.values())[:2]:
        if identity.kind == USER and identity.access_keys:
            mine = [can_what(each, identity.arn, [each.keys[key]], KEY_ACTIONS, EVERYTHING) for each in (then, world)]
            assert plain(mine[0]) == plain(mine[1])


async def _between(log: AskedLog, history: Recorded, chance: Random) -> None:
    """Who gained and lost access, change by change, compared with who could before and after each."""
    last = history.entries[-1].offset
    first = chance.randint(0, last)
    world = history.folded(first)
    if not world.keys:
        return
    key = chance.choice(sorted(world.keys))
    account = world.keys[key].account
    moment = await moment_of(log, f"@{first}", last)
    rows = [await find_key(log, world.keys[key].arn, account, REGION, moment)]
    begin = await world_then(log, REGION, moment, rows, [ACCOUNT, OTHER])
    lines = [line async for line in access_between.who_between(log, begin, key, "kms:Decrypt", EVERYTHING, last)]
    for line in lines:
        for row in line.get("changed", ()):  # the former path is compared with the new one
            assert any(row[name] != row["before"][name] for name in row["before"])
    told_of = {
        line["change"]["position"]: (
            {row["principal"] for row in line["gained"]},
            {row["principal"] for row in line["lost"]},
        )
        for line in lines
        if "change" in line
    }

    def could(at: World) -> dict[str, str]:
        """By unique id, to distinguish a principal that was created again or moved."""
        held = at.keys.get(key)
        found = [] if held is None else who_can(at, held, "kms:Decrypt")
        names: list[str] = [row["principal"] for row in found]
        return {at.directory.by_arn.get(name, name): name for name in names}

    before = could(world)
    for entry in history.entries:
        if entry.offset <= first:
            continue
        after = could(history.folded(entry.offset))
        gained = {name for unique, name in after.items() if unique not in before and not name.startswith("arn:aws:sts")}
        lost = {name for unique, name in before.items() if unique not in after and not name.startswith("arn:aws:sts")}
        found = told_of.get(entry.offset, (set(), set()))
        with told(history, f"between, at @{entry.offset}"):
            assert {each for each in found[0] if not each.startswith("arn:aws:sts")} == gained
            assert {each for each in found[1] if not each.startswith("arn:aws:sts")} == lost
        before = after


async def _decided(log: AskedLog, history: Recorded, chance: Random) -> None:
    calls = history.decided
    counted = Counter((_told_as(each), each.document["call"]["operation"], each.document["decision"]["effect"]) for each in calls if ACCOUNT in _owners(each))  # fmt: skip
    rows = await decisions.counts(log, ACCOUNT, CallFilters(), ["principal", "operation", "effect"], 1000)
    found = {(row["principal"], row["operation"], row["effect"]): row["calls"] for row in rows}
    with told(history, "counts"):
        assert {name: count for name, count in found.items() if name[1] in OPERATIONS} == dict(counted)
    last = history.entries[-1].offset
    async with log.connection.transaction(isolation="repeatable_read", readonly=True):
        still = Still(log, last, last)
        with told(history, "recheck"):
            *_, line = [line async for line in recheck(still, REGION, (None, None), EVERYTHING, None)]
            assert (line["result"]["mismatches"], line["result"]["gaps"]) == (0, []), line["result"]["explained"]
        world = history.folded(last)
        if not world.keys:
            return
        key, text = (
            world.keys[chance.choice(sorted(world.keys))],
            chance.choice([*TEXTS, TEXTS[0].replace("kms:*", "kms:Enc*")]),
        )
        *_, line = [
            line
            async for line in what_if(
                still, REGION, KeyPolicyDraft(key, text), (None, None), None, EVERYTHING, calls=False
            )
        ]
    flips = 0
    for each in calls:
        if each.document["decision"]["resources"] != [key.arn]:
            continue
        then = history.folded(each.document["seen"])
        then.replace_key(with_policy(then.keys[key.id], text, 1, {}))
        call = each.document["call"]
        caller = caller_of(then, call["access_key"], None, then.at)
        pairs = call["parameters"].get("EncryptionContext", {})
        context = {name: tuple(values) for name, values in each.document["decision"]["inputs"]["context"].items()}
        resource = then.resource(then.keys[key.id])
        question = Question(
            f"kms:{call['operation']}", resource, {**caller.context, **context, **resource.context}, pairs
        )
        flips += evaluate(caller, question).allowed is not (each.document["decision"]["effect"] == "allowed")
    with told(history, "what-if"):
        assert line["result"]["flipped"] == flips


def _told_as(entry: Entry) -> str:
    """A caller of another account appears as its account."""
    call = entry.document["call"]
    return str(call["principal"] if call["account"] == ACCOUNT else call["account"])


def _owners(entry: Entry) -> set[str]:
    error = entry.document["decision"]["error"]
    if error is not None and error["kind"] == "access-refused":
        return {entry.document["call"]["account"]}
    return {
        entry.document["call"]["account"],
        *(each.split(":")[4] for each in entry.document["decision"]["resources"]),
    }


# A history is not simpler if it is shorter: print it whole when it fails, and do not shrink it.
@settings(max_examples=300 if counts.are_full() else 12, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32), length=st.integers(5, 45))
def test_postgres_agrees_with_a_fold(database: str, seed: int, length: int) -> None:
    chance = Random(seed)
    history = Recorded(chance)
    for _ in range(length):
        history.step()

    async def run() -> None:
        connection = await asyncpg.connect(database)
        try:
            await filled(connection, history, chance)
            await ask(AskedLog(connection), history, chance)
        finally:
            await connection.close()

    asyncio.run(run())

"""A projection that gets every record twice, with a void record between, holds the same as one that gets each once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from domain.alerts.engine.alert import Alert
from domain.alerts.finding import Finding
from domain.alerts.rules.table import RULES
from domain.log.chain import digest
from domain.log.codec import event_from, rfc3339
from domain.log.lane import Reached
from domain.log.record import REFUSED
from domain.state.fold import Fold
from projections.decisions import queries as decisions
from projections.decisions import uses
from projections.decisions.queries import CallFilters
from projections.history.arn_holders import HeldArn
from projections.log.changes import TableChange
from projections.log.entry import ALERTS, DECISIONS, EVENTS, Entry
from projections.log.schema import AskedLog, Schema
from projections.registry import PROJECTIONS, Projection
from services.adapters.postgres import Connection, Pool
from services.projector import store, worker
from tests.given import ACCOUNT, OTHER, REGION, arn, key_id
from tests.installation import Installation
from tests.keys import process_keys
from tests.logs import NOW, Log, a_log


def event_entries(log: Log) -> list[Entry]:
    """What the feed makes of a log, without the void records."""
    fold = Fold()
    found = []
    for offset, value in log.numbered():
        if fold.take(offset, value) is not None:
            document = json.loads(value)
            event = event_from(document["event"]) if document["event"] else None
            found.append(
                Entry(EVENTS, 0, offset, datetime.fromisoformat(document["at"]), REGION, document, event, digest(value))
            )
    return found


def decision_entry(offset: int, effect: str = "allowed", partition: int = 0) -> Entry:
    reason = {
        "action": "kms:Encrypt",
        "resource": arn(),
        "effect": "allow",
        "by": {"policy": arn(), "version": 2, "sid": "s", "index": 1},
    }
    error = {"kind": "key-disabled", "message": "disabled"} if effect == REFUSED else None
    document = {
        "v": 1,
        "log": "the-log",
        "seen": 5,
        "at": rfc3339(NOW + offset),
        "call": {
            "id": f"decision-{partition}-{offset}",
            "access_key": "AKIAONE",
            "principal": f"arn:aws:iam::{ACCOUNT}:root",
            "account": ACCOUNT,
            "source": "127.0.0.1",
            "agent": "tests",
            "operation": "Encrypt",
            "parameters": {"KeyId": key_id(), "EncryptionContext": {"app": "payroll"}},
            "invocation": "",
        },
        "decision": {"effect": effect, "reasons": [reason], "error": error, "resources": [arn()], "inputs": {}},
    }
    return Entry(DECISIONS, partition, offset, datetime.fromisoformat(rfc3339(NOW + offset)), REGION, document)


def alert_entry(offset: int) -> Entry:
    """The same alert, in another place: a killed worker raised it again."""
    finding = Finding(arn(), "the root was used", ACCOUNT, arn(), ("somebody",), evidence={"a": 1})
    alert = Alert("the-log", RULES["root-used"], "low", finding, "~0", NOW, {"topic": "decisions"}, None)
    document = alert.document()
    return Entry(ALERTS, 0, offset, datetime.fromisoformat(document["at"]), REGION, document)


ENTRIES = [
    *event_entries(a_log()),
    decision_entry(0),
    decision_entry(1, "refused"),
    decision_entry(0, partition=3),
    alert_entry(0),
    alert_entry(1),
]
REACHED = {(EVENTS, 0): len(a_log().values), (DECISIONS, 0): 2, (DECISIONS, 3): 1, (ALERTS, 0): 2}


def read_to(end: int) -> store.ReadTo:
    """How far a feed is after ENTRIES[:end]."""
    to = store.ReadTo()
    for entry in ENTRIES[:end]:
        to.offsets[entry.topic, entry.partition] = entry.offset + 1
        to.digest = entry.digest or to.digest
    return to


KEYS = process_keys()


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


async def contents(connection: Any, projection: Projection, schema: str) -> list[dict[str, Any]]:
    table = projection.name
    rows = await connection.fetch(f"SELECT * FROM {schema}.{table}")
    return sorted((dict(row) for row in rows), key=str)


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=PROJECTIONS.keys())
async def test_every_record_twice_changes_nothing(projection: Projection, pool: Pool) -> None:
    once, twice = (f"t_{uuid4().hex}" for _ in range(2))
    async with pool.acquire() as connection:
        for schema in (once, twice):
            await store.prepare(connection, projection, "the-log", KEYS, schema)
        await store.take_in(connection, projection, ENTRIES, store.ReadTo(dict(REACHED), "digest"), KEYS, once)
        for place in range(1, len(ENTRIES) + 1):  # in batches that overlap, as after lost answers
            part = ENTRIES[max(0, place - 3) : place]
            for _ in range(2):
                await store.take_in(connection, projection, part, read_to(place), KEYS, twice)
        found = await contents(connection, projection, twice)
        assert found == await contents(connection, projection, once)
        assert found
        for schema in (once, twice):
            await connection.execute(f"DROP SCHEMA {schema} CASCADE")


async def test_a_batch_that_fails_leaves_nothing(pool: Pool) -> None:
    """Rows and position change in one transaction."""
    projection, schema = PROJECTIONS["decisions"], f"t_{uuid4().hex}"
    broken = decision_entry(0)
    broken.document["call"]["agent"] = None
    async with pool.acquire() as connection:
        await store.prepare(connection, projection, "the-log", KEYS, schema)
        with pytest.raises(Exception, match="agent"):
            await store.take_in(
                connection, projection, [decision_entry(1), broken], store.ReadTo({(DECISIONS, 0): 2}), KEYS, schema
            )
        assert await contents(connection, projection, schema) == []
        assert await store.positions(connection, schema) == {}
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")


def test_a_second_projection_of_decisions_is_read_from_where_each_partition_is_lowest() -> None:
    """The projector expected exactly one projection of decisions: a second one ended it at each start."""
    first = PROJECTIONS["decisions"]
    second = replace(first, name="counts")
    zero, three = (DECISIONS, 0), (DECISIONS, 3)
    ahead = store.ReadTo(
        {(EVENTS, 0): 9, zero: 7, three: 4},
        "ninth",
        lanes={("w", 1): Reached(7, "g", 0), ("w", 2): Reached(4, "d", 3)},
        anchored={("w", 1): 6, ("w", 2): 4},
    )
    behind = store.ReadTo(
        {(EVENTS, 0): 5, zero: 2}, "fifth", lanes={("w", 1): Reached(2, "b", 0)}, anchored={("w", 1): 1}
    )
    for stored in ([(first, ahead), (second, behind)], [(second, behind), (first, ahead)]):
        start = worker.start_of(stored)
        assert (start.offsets, start.digest) == ({(EVENTS, 0): 5, zero: 2, three: 0}, "fifth")
        assert (start.lanes, start.anchored) == ({("w", 1): Reached(2, "b", 0)}, {("w", 1): 1})
    # one that is new, and has read nothing
    start = worker.start_of([(first, ahead), (second, store.ReadTo())])
    assert start == store.ReadTo({(EVENTS, 0): 0, zero: 0, three: 0})


async def test_a_state_is_read_again_if_another_process_moved_any_position(pool: Pool) -> None:
    """It was kept by the offset of events alone. A projection that counts decisions went on from old counts."""
    found: list[int] = []

    def changes(entries: Sequence[Entry], state: list[int]) -> Sequence[TableChange]:
        found.append(state[0])
        state[0] += len(entries)
        return ()

    async def restore(connection: Connection) -> list[int]:
        return [await connection.fetchval("SELECT coalesce(sum(next), 0)::int FROM positions")]

    counting = Projection("decisions", (EVENTS, DECISIONS), changes, restore)
    schema, one, another = f"t_{uuid4().hex}", store.ProjectorMemory(), store.ProjectorMemory()
    async with pool.acquire() as connection:
        await store.prepare(connection, counting, "the-log", KEYS, schema)
        for number, going in enumerate((one, one, another, one)):
            to = store.ReadTo({(DECISIONS, 0): number + 1})
            await store.take_in(connection, counting, [decision_entry(number)], to, KEYS, schema, going)
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    assert found == [0, 1, 2, 3]


async def test_tables_of_another_log_or_another_shape_are_thrown_away(pool: Pool) -> None:
    projection, schema = PROJECTIONS["decisions"], f"t_{uuid4().hex}"
    async with pool.acquire() as connection:
        await store.prepare(connection, projection, "the-log", KEYS, schema)
        await store.take_in(connection, projection, ENTRIES, store.ReadTo(dict(REACHED), "digest"), KEYS, schema)
        await store.prepare(connection, projection, "the-log", KEYS, schema)
        assert await contents(connection, projection, schema)
        await store.prepare(connection, projection, "another-log", KEYS, schema)
        assert await contents(connection, projection, schema) == []
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")


def test_what_a_decision_row_says() -> None:
    from projections.decisions import project

    row = dict(zip(project.COLUMNS, project.row(decision_entry(1, "refused"), project.Cases()), strict=True))
    said = {
        name: row[name]
        for name in ("effect", "key_id", "policy_version", "sid", "statement", "error", "seen", "position")
    }
    assert said == {
        "effect": "refused",
        "key_id": key_id(),
        "policy_version": "2",
        "sid": "s",
        "statement": 1,
        "error": "key-disabled",
        "seen": 5,
        "position": None,
    }
    assert json.loads(row["encryption_context"]) == {"app": "payroll"}


def test_a_rebuild_holds_what_the_live_one_holds(installation: Installation) -> None:
    client = installation.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.encrypt(KeyId=key, Plaintext=b"x")
    installation.caught_up()
    for name in PROJECTIONS:
        before = installation.answers("history", key)
        assert f"{name} built anew" in installation.keytrail("rebuild", name).stdout
        assert installation.answers("history", key) == before
    client.encrypt(KeyId=key, Plaintext=b"y")
    from tests.installation import eventually

    eventually(lambda: len(installation.answers("decisions", "--key", key, "--operation", "Encrypt")) == 2)


class PlansSchema(Schema):
    def place(self, table: str) -> str:
        return f"p_plans.{table.partition('.')[2]}"


class Explained:
    """A connection that answers a query with its plan."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        (row,) = await self._connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *values)
        return list(json.loads(row[0]))

    async def fetchval(self, query: str, *values: Any) -> Any:
        return (await self.fetch(query, *values))[0]


def rows_read(plan: dict[str, Any]) -> int:
    """The rows that a plan took from tables, with those that it read in vain."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
    return int(own) * int(plan["Actual Loops"]) + sum(map(rows_read, plan.get("Plans", [])))


async def test_a_keys_history_is_read_without_its_uses(pool: Pool) -> None:
    """The console took more than a second to show the ten changes of a key with a million uses."""
    projection = PROJECTIONS["decisions"]
    async with pool.acquire() as connection, connection.transaction():
        await store.prepare(connection, projection, "plans", process_keys(), "p_plans")
        await connection.execute(
            "INSERT INTO p_plans.decisions (at, origin, record, position, seen, call_id, account, principal, access_key, operation,"
            " effect, key_id, owners, source, agent, summary, parameters) "
            "SELECT to_timestamp(n), 0, n, CASE WHEN n % 2 = 0 OR n % 2001 = 0 THEN n END, n, n::text, $1, 'p', 'a', 'Encrypt', 'allowed',"
            " CASE WHEN n % 2 = 0 THEN 'another' ELSE $2 END, ARRAY[$1], '', '', '', '{}' FROM generate_series(1, 40000) n",
            ACCOUNT,
            key_id(),
        )
        await connection.execute("ANALYZE p_plans.decisions")
        log = AskedLog(Explained(connection), PlansSchema())
        filters = CallFilters(key=key_id(), key_arn=arn(), changes_only=True)
        ((found,),) = [await decisions.page(log, ACCOUNT, filters, None, 50, newest_first=True)]
        assert rows_read(found["Plan"]) < 100
        await connection.execute("DROP SCHEMA p_plans CASCADE")


async def test_the_last_sign_in_of_a_user_is_found_without_the_calls(pool: Pool) -> None:
    """A list of users asks for each of them, and a user may have a million calls and no sign-in."""
    projection = PROJECTIONS["decisions"]
    async with pool.acquire() as connection, connection.transaction():
        await store.prepare(connection, projection, "plans", process_keys(), "p_plans")
        await connection.execute(
            "INSERT INTO p_plans.decisions (at, origin, record, seen, call_id, account, principal, access_key, operation,"
            " effect, owners, source, agent, summary, parameters) "
            "SELECT to_timestamp(n), 0, n, n, n::text, $1, 'p' || n % 40, 'a', CASE WHEN n = 7 THEN 'ConsoleLogin' ELSE 'Encrypt' END,"
            " 'allowed', ARRAY[$1], '', '', '', '{}' FROM generate_series(1, 40000) n",
            ACCOUNT,
        )
        await connection.execute("ANALYZE p_plans.decisions")
        users = [HeldArn(f"AIDA{number}", f"p{number}") for number in range(40)]
        ((found,),) = [await uses.last_logins(AskedLog(Explained(connection), PlansSchema()), users)]
        assert rows_read(found["Plan"]) < 100
        found = await uses.last_logins(AskedLog(connection, PlansSchema()), users)
        assert [(row["id"], row["at"]) for row in found] == [("AIDA7", datetime.fromtimestamp(7, UTC))]
        for somebody in (HeldArn("AIDA7", "p7", first=8), HeldArn("AIDA7", "p7", until=7)):  # not who had the ARN then
            assert await uses.last_logins(AskedLog(connection, PlansSchema()), [somebody]) == []
        await connection.execute("DROP SCHEMA p_plans CASCADE")


async def test_since_when_decisions_are_whole_is_answered_without_the_decisions(pool: Pool) -> None:
    """Partition 0 is whole. Of 1 the first records are gone, of 2 all were when the tables were made: 20 s after, others came."""
    projection = PROJECTIONS["decisions"]
    entries = [
        decision_entry(0, partition=0),
        replace(decision_entry(5, partition=1), at=moment(10)),
        replace(decision_entry(6, partition=1), at=moment(5)),
        replace(decision_entry(7, partition=2), at=moment(40)),
    ]
    async with pool.acquire() as connection, connection.transaction():
        await store.prepare(connection, projection, "plans", process_keys(), "p_plans")
        await connection.execute("UPDATE p_plans.made SET at = $1", moment(20))
        for each in entries:
            reached = store.ReadTo({(each.topic, each.partition): each.offset + 1}, "digest")
            await store.take_in(connection, projection, [each], reached, process_keys(), "p_plans")
        found = [
            await uses.whole_since(AskedLog(connection, PlansSchema()), cut)
            for cut in ([], [0], [1], [0, 1], [2], [1, 2], [3], [1, 3])
        ]
        first, made = moment(10), moment(20)
        assert found == [None, None, first, first, made, made, made, made]
        await connection.execute(
            "INSERT INTO p_plans.decisions (at, origin, record, seen, call_id, account, principal, access_key, operation,"
            " effect, owners, source, agent, summary, parameters) "
            "SELECT to_timestamp(n), 0, n, n, n::text, $1, 'p', 'a', 'Encrypt', 'allowed', ARRAY[$1], '', '', '', '{}'"
            " FROM generate_series(1, 40000) n",
            ACCOUNT,
        )
        await connection.execute("ANALYZE p_plans.decisions")
        plan = await AskedLog(Explained(connection), PlansSchema()).fetchval(uses.WHOLE_SINCE, [1, 2, 3])
        assert rows_read(plan["Plan"]) < 20
        await connection.execute("DROP SCHEMA p_plans CASCADE")


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.soak
async def test_whether_a_key_was_called_is_answered_without_other_accounts_calls(pool: Pool) -> None:
    """The time of the answer told another account whether a key exists, and how much it is used."""
    projection = PROJECTIONS["decisions"]
    async with pool.acquire() as connection, connection.transaction():
        await store.prepare(connection, projection, "plans", process_keys(), "p_plans")
        await connection.execute(
            "INSERT INTO p_plans.decisions (at, origin, record, seen, call_id, account, principal, access_key, operation,"
            " effect, key_id, owners, source, agent, summary, parameters) "
            "SELECT to_timestamp(n), 0, n, n, n::text, $1, 'p', 'a', 'Encrypt', 'allowed', $2, ARRAY[$1], '', '', '', '{}'"
            " FROM generate_series(1, 40000) n",
            ACCOUNT,
            key_id(),
        )
        await connection.execute(
            "INSERT INTO p_plans.cases (id, key_id, account, principal, document) "
            "SELECT n::text::bytea, $2, $1, 'p', '{}' FROM generate_series(1, 40000) n",
            ACCOUNT,
            key_id(),
        )
        await connection.execute("ANALYZE p_plans.decisions")
        await connection.execute("ANALYZE p_plans.cases")
        explained = AskedLog(Explained(connection), PlansSchema())
        for account in (ACCOUNT, OTHER):
            assert rows_read((await names_key_plan(explained, account))["Plan"]) < 10
            found = await decisions.names_key(AskedLog(connection, PlansSchema()), account, key_id())
            assert found is (account == ACCOUNT)
        await connection.execute("DROP SCHEMA p_plans CASCADE")


async def names_key_plan(log: AskedLog, account: str) -> Any:
    return await log.fetchval(decisions.NAMES_KEY_TO, key_id(), account)

"""Questions about a long past: a million events, five million decisions, ten thousand principals.

The rows are written to a separate database beside the installation's, as the projector would write them. This process asks one
question after another. A question that decides the logged calls again opens a connection of its own, as in the API.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from bench.installed import Installed
from domain.arn import iam_arn, key_arn
from domain.authorization.audience import Audience
from domain.authorization.context import RequestOrigin, encryption_context, request_context
from domain.authorization.evaluate import may
from domain.authorization.verdict import inputs
from domain.decisions.case import case_of
from domain.identities.identity import USER, AccessKey, Identity, InlinePolicy
from domain.keys.key import Key, created
from domain.log import events
from domain.log.authenticity import Keyring
from domain.log.codec import rfc3339
from domain.policy.default import default_key_policy
from domain.state import documents
from domain.state.callers import caller_of
from domain.state.world import World
from projections.decisions.project import CASE_COLUMNS
from projections.history.project import COLUMNS, STILL
from projections.log.schema import AskedLog
from projections.registry import PROJECTIONS
from services.projector import store
from services.questions.as_of import find_key, show_key
from services.questions.drafts import KeyPolicyDraft
from services.questions.moments import moment_of
from services.questions.recheck import recheck
from services.questions.snapshot import still
from services.questions.what_if import what_if
from services.questions.who_can import who_can
from services.settings import Settings

EVENTS = 1_000_000
FIRST_EVENT = 100
"""The position of the first of these events. The account and the users were made before."""
LAST_EVENT = FIRST_EVENT + EVENTS - 1
KEYS = 50_000
PRINCIPALS = 10_000
DECISIONS = 5_000_000
CASES = 5_000
DISTINCT = 200_000
ACCOUNT, REGION = "111122223333", "us-east-1"
BEGAN = 1_780_000_000_000_000
Figure = tuple[str, str, str]


def settings_of(installed: Installed, database: str) -> Settings:
    settings = installed.settings
    head, _, _ = settings.postgres.partition("?")
    base, _, _ = head.rpartition("/")
    rest = settings.postgres.removeprefix(head)
    return replace(settings, postgres=f"{base}/{database}{rest}")


def _key_event(number: int, policy: str) -> events.KeyCreated:
    name = f"{number:08x}-0000-4000-8000-000000000000"
    return events.KeyCreated(
        name, ACCOUNT, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS", "", policy, {}, "ab" * 32, "cd" * 32, "",
        False, False, {}, "", "",
    )  # fmt: skip


def a_world() -> tuple[World, str]:
    """Make a world of one account, which has all users and one key. The key's policy allows four of the users to decrypt; every
    other user has an inline policy. Returns the world and the key's id."""
    world = World(region=REGION)
    world.apply(events.AccountCreated(ACCOUNT, "AKIAROOT"))
    statements = json.loads(default_key_policy(ACCOUNT))["Statement"]
    for number in range(4):
        arn = iam_arn(ACCOUNT, USER, "/", f"user-{number:05d}")
        statements.append({"Sid": f"s{number}", "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "kms:Decrypt", "Resource": "*"})  # fmt: skip
    world.at = BEGAN
    event = _key_event(0, json.dumps({"Version": "2012-10-17", "Statement": statements}))
    world.add_key(created(event, REGION, BEGAN))
    use = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*", "Condition": {"StringLike": {"kms:EncryptionContext:app": "*"}}}]})  # fmt: skip
    for number in range(PRINCIPALS):
        inline = {"use": InlinePolicy(use, 1)} if number % 2 else {}
        keys = {f"AKIA{number:08d}": AccessKey("Active", BEGAN)}
        world.directory.add(
            Identity(
                USER, f"AIDA{number:012d}", ACCOUNT, f"user-{number:05d}", "/", BEGAN, {}, inline, access_keys=keys
            )
        )
    return world, event.key


def _case(world: World, key: str, number: int, apps: int) -> dict[str, Any]:
    """The decision on a user's Decrypt."""
    pairs = {"app": f"a{number % apps}"}
    parameters = {"EncryptionContext": pairs}
    access_key = f"AKIA{number % PRINCIPALS:08d}"
    caller = caller_of(world, access_key, None, BEGAN)
    context = request_context(RequestOrigin("10.0.0.1", "bench", False, BEGAN, REGION), "Decrypt", parameters)
    asking = caller.asking(context, encryption_context("Decrypt", parameters))
    verdict = may(asking, "kms:Decrypt", world.resource(world.keys[key]))
    error = None if verdict.allowed else {"kind": "access-refused", "message": ""}
    decision = {
        "effect": "allowed" if verdict.allowed else "refused",
        "reasons": [verdict.document()],
        "error": error,
        "resources": [verdict.resource],
        "inputs": inputs(asking, [verdict]),
        "kind": verdict.kind,
    }
    call = {"principal": caller.principal, "account": ACCOUNT, "access_key": access_key, "operation": "Decrypt"}
    found = case_of({"call": call, "decision": json.loads(orjson.dumps(decision)), "at": rfc3339(BEGAN)})
    assert found is not None
    return found


async def _fill(connection: Any, world: World, key: str) -> None:
    row = json.dumps(documents.key_document(world.keys[key]))
    await connection.execute("INSERT INTO p_history.texts VALUES ('t', $1)", world.keys[key].policy_text)
    # every key in twenty versions, one after another over the whole span
    await connection.execute(
        f"""
        INSERT INTO p_history.history ({", ".join(COLUMNS)})
        SELECT 'key', id, '{ACCOUNT}', NULL, NULL, p, to_timestamp($2::float8 + p), until,
            CASE WHEN until < {STILL} THEN to_timestamp($2::float8 + until) END,
            replace($1, $3, id)::json, 't'
        FROM (SELECT lpad(to_hex(p % {KEYS}), 8, '0') || '-0000-4000-8000-000000000000' AS id, p + {FIRST_EVENT} AS p,
            CASE WHEN p + {KEYS} < {EVENTS} THEN p + {KEYS} + {FIRST_EVENT} ELSE {STILL} END AS until
            FROM generate_series(0, {EVENTS} - 1) p) v
        """,
        row,
        BEGAN / 1e6,
        key,
    )
    rows: list[tuple[Any, ...]] = [
        (
            "identity",
            each.id,
            ACCOUNT,
            None,
            each.arn,
            1,
            _at(1),
            STILL,
            None,
            _dumps(documents.identity_document(each)),
            None,
        )
        for each in world.directory.identities.values()
    ]
    account = documents.account_document(world.accounts[ACCOUNT])
    rows.append(("account", ACCOUNT, ACCOUNT, None, None, 0, _at(0), STILL, None, json.dumps(account), None))
    await connection.copy_records_to_table("history", schema_name="p_history", columns=COLUMNS, records=rows)
    await connection.execute(
        f"INSERT INTO p_history.moments SELECT p, to_timestamp($1::float8 + p) FROM generate_series(0, {LAST_EVENT}) p",
        BEGAN / 1e6,
    )
    for schema in ("p_history", "p_decisions"):
        await connection.execute(f"INSERT INTO {schema}.positions VALUES ('events', 0, {LAST_EVENT} + 1, '')")


def _dumps(document: Any) -> str:
    return orjson.dumps(document).decode()


def _at(second: int) -> Any:
    return datetime.fromtimestamp(BEGAN / 1e6 + second, UTC)


async def put_cases(connection: Any, world: World, key: str, count: int, apps: int) -> None:
    arn = key_arn(REGION, ACCOUNT, key)
    rows = []
    for number in range(count):
        case = _case(world, key, number, apps)
        rows.append((number.to_bytes(16, "big"), key, None, ACCOUNT, case["principal"], orjson.dumps(case).decode()))
    assert case["resources"] == [arn]
    await connection.execute("TRUNCATE p_decisions.cases, p_decisions.decisions")
    await connection.copy_records_to_table("cases", schema_name="p_decisions", columns=CASE_COLUMNS, records=rows)


async def put_decisions(connection: Any, count: int, cases: int) -> None:
    await connection.execute(
        f"""
        INSERT INTO p_decisions.decisions (at, origin, record, seen, call_id, account, principal, access_key, operation,
            effect, key_id, owners, source, agent, summary, parameters, case_id)
        SELECT to_timestamp($1::float8 + n / 5.0), 0, n, {FIRST_EVENT} + n / {max(1, count // EVENTS)}, n::text, '{ACCOUNT}', 'p', 'a',
            'Decrypt', 'allowed', 'k', ARRAY['{ACCOUNT}'], '10.0.0.1', 'bench', '', '{{}}',
            decode(lpad(to_hex((n * 7919) % {cases}), 32, '0'), 'hex')
        FROM generate_series(0::bigint, {count} - 1) n
        """,
        BEGAN / 1e6,
    )
    await connection.execute("ANALYZE p_decisions.decisions")


async def _timed(settings: Settings, question: Callable[[Any], Any]) -> tuple[dict[str, Any], float]:
    began = time.perf_counter()
    async with still(settings) as found:
        async for line in question(found):
            last = line
    return last, time.perf_counter() - began


@dataclass(frozen=True)
class _Asked:
    """The two questions that decide every logged call again, each with its result and its rate."""

    settings: Settings
    key: Key

    async def what_if(self) -> tuple[dict[str, Any], str]:
        draft = KeyPolicyDraft(self.key, default_key_policy(ACCOUNT))
        return await self._answer(
            lambda found: what_if(found, REGION, draft, (None, None), None, Audience(ACCOUNT), calls=False)
        )

    async def recheck(self) -> tuple[dict[str, Any], str]:
        return await self._answer(lambda found: recheck(found, REGION, (_at(0), None), Audience(ACCOUNT), None))

    async def _answer(self, question: Callable[[Any], Any]) -> tuple[dict[str, Any], str]:
        last, taken = await _timed(self.settings, question)
        return last["result"], f"{last['result']['decisions'] / taken:,.0f} decisions/s"


async def empty_database(installed: Installed, name: str) -> tuple[asyncpg.Connection, Settings]:
    """A database of a benchmark's own, with every projection's tables, beside the installation's."""
    server = await asyncpg.connect(installed.running.postgres)
    await server.execute(f"DROP DATABASE IF EXISTS {name}")
    await server.execute(f"CREATE DATABASE {name}")
    await server.close()
    settings = settings_of(installed, name)
    connection = await asyncpg.connect(settings.postgres)
    for projection in PROJECTIONS.values():
        await store.prepare(connection, projection, "bench", Keyring([bytes(32)]))  # type: ignore[arg-type]  # a connection without a pool
    return connection, settings


async def drop_database(installed: Installed, name: str) -> None:
    server = await asyncpg.connect(installed.running.postgres)
    await server.execute(f"DROP DATABASE {name}")
    await server.close()


async def _measure(installed: Installed) -> list[Figure]:
    gc.set_threshold(50_000, 20, 50)  # the API does the same
    connection, settings = await empty_database(installed, "bench_past")
    world, key = a_world()
    figures: list[Figure] = []
    await _fill(connection, world, key)
    await put_cases(connection, world, key, CASES, 7)
    await put_decisions(connection, DECISIONS, CASES)
    await connection.execute("ANALYZE")
    figures += await _showing(connection)
    moment = await moment_of(AskedLog(connection), None, LAST_EVENT)
    assert moment.position == LAST_EVENT
    began = time.perf_counter()
    rows = who_can(world, world.keys[key], "kms:Decrypt")
    taken = time.perf_counter() - began
    figures.append(
        (f"who-can on one key, {PRINCIPALS:,} principals ({len(rows):,} could)", f"{taken:.2f} s", "at most 1 s")
    )
    asked = _Asked(settings, world.keys[key])
    result, rate = await asked.what_if()
    what = f"what-if, {result['decisions']:,} decisions of {CASES:,} requests, {result['flipped']:,} flip"
    figures.append((what, rate, "at least 300,000/s"))
    result, rate = await asked.recheck()
    figures.append((f"recheck, the same ({result['mismatches']} mismatches)", rate, "at least 50,000/s"))
    await put_cases(connection, world, key, DISTINCT, DISTINCT)
    await put_decisions(connection, DISTINCT, DISTINCT)
    result, rate = await asked.what_if()
    figures.append((f"what-if, {result['decisions']:,} decisions, all distinct", rate, "at least 50,000/s"))
    result, rate = await asked.recheck()
    figures.append((f"recheck, {result['decisions']:,} decisions, all distinct", rate, "at least 50,000/s"))
    await connection.close()
    await drop_database(installed, "bench_past")
    return figures


async def _showing(connection: Any) -> list[Figure]:
    chance = random.Random(1)  # draws which keys to ask for, and as of which positions
    log = AskedLog(connection)
    taken, bare = [], []
    for _ in range(2000):
        key = f"{chance.randrange(KEYS):08x}-0000-4000-8000-000000000000"
        position = chance.randrange(FIRST_EVENT + KEYS, LAST_EVENT + 1)  # by then every key exists
        began = time.perf_counter()
        moment = await moment_of(log, f"@{position}", LAST_EVENT)
        await show_key(log, await find_key(log, key, ACCOUNT, REGION, moment), moment, Audience(ACCOUNT))
        taken.append(time.perf_counter() - began)
        began = time.perf_counter()
        await connection.fetchval("SELECT 1")
        bare.append(time.perf_counter() - began)
    taken.sort()
    bare.sort()
    what = f"show a key as of any time, {EVENTS:,} events, {DECISIONS:,} decisions"
    figure = f"p50 {taken[1000] * 1e3:.2f} ms, p99 {taken[1980] * 1e3:.2f} ms"
    return [(what, figure, "p99 at most 10 ms"), ("  yardstick: SELECT 1", f"p50 {bare[1000] * 1e3:.2f} ms", "")]


def past(installed: Installed, seconds: float) -> list[Figure]:
    return asyncio.run(_measure(installed))

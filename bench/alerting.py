"""Alerts: the time from a PutKeyPolicy's answer to its alert on the topic, decisions followed by workers, and scans of
history."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench import past
from bench.appending import bare_append
from bench.installed import Installed, until
from domain.alerts.engine.judge import Judge
from domain.alerts.rules import key_policy_public
from projections.policy_versions.queries import POLICY_VERSIONS
from services.adapters import topic_bounds, topics
from services.adapters.kafka import connection
from services.alert_worker import scan
from services.questions.snapshot import still
from services.settings import Settings

Figure = tuple[str, str, str]
CALLS = 300
FOLLOWED = 60_000
USERS = 500
SCANNED, CASES = 1_000_000, 5_000
KEYS, VERSIONS = 40, 40
ROOT = "arn:aws:iam::111122223333:root"


def _settings(installed: Installed) -> Settings:
    credentials = installed.credentials
    return replace(
        installed.settings,
        root_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        root_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
    )


def _policy(number: int) -> str:
    """One of several policies, each of which lets in more or less than the others."""
    statements: list[dict[str, Any]] = [
        {"Sid": "root", "Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    ]
    if number % 2:
        statements.append({"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"})
    if number % 3 == 1:
        partner = {"AWS": f"arn:aws:iam::{444455556600 + number % 7}:root"}
        only = {"StringEquals": {"kms:EncryptionContext:app": f"a{number % 5}"}}
        statements.append(
            {
                "Effect": "Allow",
                "Principal": partner,
                "Action": ["kms:Decrypt", "kms:Encrypt"],
                "Resource": "*",
                "Condition": only,
            }
        )
    if number % 5 == 2:
        only = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
        statements.append(
            {"Effect": "Deny", "Principal": "*", "Action": "kms:ReEncrypt*", "Resource": "*", "Condition": only}
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


# -- from the answer to the alert --------------------------------------------------------------------------------------


class _Listening(threading.Thread):
    """For each call id, when the call's first alert came."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self.came: dict[str, float] = {}
        self.ready, self.done = threading.Event(), threading.Event()

    def run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        part = TopicPartition(topics.names(self._settings).alerts, 0)
        consumer = AIOKafkaConsumer(**connection(self._settings), group_id=None, fetch_max_wait_ms=50)
        await consumer.start()
        consumer.assign([part])
        await consumer.seek_to_end(part)
        await consumer.position(part)
        self.ready.set()
        async for record in consumer:
            alert = json.loads(record.value)
            if self.done.is_set():
                await consumer.stop()
                return
            if alert["rule"] == key_policy_public.RULE.id:
                self.came.setdefault(alert["source"]["call"], time.perf_counter())


def _latency(installed: Installed) -> list[Figure]:
    client = installed.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    listening = _Listening(_settings(installed))
    listening.start()
    listening.ready.wait(30)
    answered: dict[str, float] = {}
    for number in range(2 * CALLS + 20):
        answer = client.put_key_policy(KeyId=key, Policy=_policy(0 if number % 2 else 1))
        if number % 2 == 0 and number >= 20:
            answered[answer["ResponseMetadata"]["RequestId"]] = time.perf_counter()
    until(lambda: answered.keys() <= listening.came.keys())
    listening.done.set()  # ends with the next alert
    client.put_key_policy(KeyId=key, Policy=_policy(1))
    client.put_key_policy(KeyId=key, Policy=_policy(0))
    client.put_key_policy(KeyId=key, Policy=_policy(1))
    listening.join(10)
    taken = sorted(max(0.0, listening.came[call] - at) for call, at in answered.items())
    figure = f"p50 {taken[len(taken) // 2] * 1e3:.1f} ms, p99 {taken[len(taken) * 99 // 100] * 1e3:.1f} ms"

    return [
        (
            f"PutKeyPolicy's answer to its alert on the topic, {len(taken)} calls",
            figure,
            "p50 at most 50, p99 at most 250 ms",
        ),
        ("  yardstick: bare append", f"p50 {bare_append(installed, 'decisions'):.2f} ms", ""),
    ]


# -- following -----------------------------------------------------------------------------------------------------------


def _a_decision(installed: Installed) -> dict[str, Any]:
    """A real record of a user's Encrypt, the pattern for others."""

    async def read(settings: Settings) -> dict[str, Any]:
        consumer = AIOKafkaConsumer(**connection(settings), group_id=None)
        await consumer.start()
        found = await topic_bounds.ends(settings, topics.names(settings).decisions)
        parts = [TopicPartition(topics.names(settings).decisions, each) for each, end in found.items() if end]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        try:
            async for record in consumer:
                document: dict[str, Any] = json.loads(record.value)
                if document["call"]["operation"] == "Encrypt":
                    return document
        finally:
            await consumer.stop()
        raise AssertionError("a stream has no end")

    client = installed.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.encrypt(KeyId=key, Plaintext=b"x")
    return asyncio.run(read(_settings(installed)))


async def _produce(settings: Settings, record: dict[str, Any]) -> None:
    """Decisions of many users on a key, one in ten refused, spread over the partitions."""
    chance = random.Random(1)  # who calls
    partitions = len(await topic_bounds.ends(settings, topics.names(settings).decisions))
    producer = AIOKafkaProducer(**connection(settings), linger_ms=5, max_batch_size=262_144)
    await producer.start()
    for number in range(FOLLOWED):
        user = f"arn:aws:iam::111122223333:user/u{chance.randrange(USERS)}"
        record["call"] |= {"id": str(number), "principal": user}
        refused = number % 10 == 0
        record["decision"] |= {
            "effect": "refused" if refused else "allowed",
            "error": {"kind": "access-refused", "message": ""} if refused else None,
        }
        await producer.send(topics.names(settings).decisions, orjson.dumps(record), partition=number % partitions)
    await producer.stop()


def _follow(installed: Installed, workers: int) -> float:
    """Decisions a second, from the first judged to the last."""
    settings = _settings(installed)
    environment = os.environ | settings.environment() | settings.secrets()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "services.alert_worker"],
            env=environment | {"KEYTRAIL_ALERTS_NAME": f"bench-{workers}-{number}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(workers)
    ]
    try:
        return asyncio.run(_watched(settings))
    finally:
        for each in running:
            each.terminate()
            each.wait()


async def _watched(settings: Settings) -> float:
    connection = await asyncpg.connect(settings.postgres)
    query = "SELECT sum(next) FROM alerting.positions WHERE topic = 'decisions'"
    end = sum((await topic_bounds.ends(settings, topics.names(settings).decisions)).values())
    first, began_with, before = 0.0, 0, -1
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        there = await connection.fetchval("SELECT to_regclass('alerting.positions') IS NOT NULL")
        done = int(await connection.fetchval(query) or 0) if there else 0
        before = done if before < 0 else before
        if done > before and not first:
            first, began_with = time.perf_counter(), done
        if done >= end:
            await connection.close()
            return (end - began_with) / (time.perf_counter() - first)
        await asyncio.sleep(0.02)
    raise SystemExit("the decisions were not judged within five minutes")


# -- scanning ------------------------------------------------------------------------------------------------------------


def _change(installed: Installed) -> None:
    client = installed.client()
    keys = [client.create_key()["KeyMetadata"]["KeyId"] for _ in range(KEYS)]

    def put(number: int) -> None:
        client.put_key_policy(KeyId=keys[number % KEYS], Policy=_policy(number // KEYS))

    for version in range(VERSIONS):  # a key's versions in order
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(version * KEYS, (version + 1) * KEYS)))


async def _walk(walk: Any) -> tuple[int, float]:
    began, found = time.perf_counter(), 0
    async for _ in walk:
        found += 1
    return found, time.perf_counter() - began


async def _scan_changes(settings: Settings) -> list[Figure]:
    judge = Judge("bench", region=settings.region)
    async with still(settings) as found:
        span = scan.ScannedSpan(-1, found.last, datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        changes = await found.log.fetchval(f"SELECT count(*) FROM {POLICY_VERSIONS}")
        raised, taken = await _walk(scan.changes(found.log, settings.region, judge, span, scan.ScanProgress()))
    what = f"scan of history: {changes:,} policy changes, {raised:,} alerts"
    return [(what, f"{changes / taken:,.0f} policy changes/s", "at least 200/s")]


async def _scan_uses(installed: Installed) -> list[Figure]:
    connection, settings = await past.empty_database(installed, "bench_alerts")
    world, key = past.a_world()
    await past.put_cases(connection, world, key, CASES, 7)
    await past.put_decisions(connection, SCANNED, CASES)
    judge = Judge("bench", region=settings.region)
    async with still(settings) as found:
        span = scan.ScannedSpan(-1, 0, datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        raised, taken = await _walk(scan.uses(found.log, judge, span, scan.ScanProgress()))
    await connection.close()
    await past.drop_database(installed, "bench_alerts")
    what = f"scan of history: {SCANNED:,} decisions of {CASES:,} requests, {raised:,} alerts"
    return [(what, f"{SCANNED / taken:,.0f} decisions/s", "at least 30,000/s")]


def measure(installed: Installed, seconds: float) -> list[Figure]:
    figures = _latency(installed)
    _change(installed)
    settings = _settings(installed)
    figures += asyncio.run(_scan_changes(settings))
    figures += asyncio.run(_scan_uses(installed))
    if seconds < 1:  # the scans alone
        return figures
    with tempfile.TemporaryDirectory() as folder, Installed(Path(folder) / "data", KEYTRAIL_ALERT_WORKERS="0") as other:
        record, rates = _a_decision(other), []
        for workers in (1, 2):
            asyncio.run(_produce(_settings(other), record))
            rates.append(_follow(other, workers))
    figures.append((f"decisions followed by one worker, {FOLLOWED:,}", f"{rates[0]:,.0f}/s", "at least 3,000/s"))
    figures.append(("  by two", f"{rates[1]:,.0f}/s", "(two cores, with broker and database)"))
    return figures

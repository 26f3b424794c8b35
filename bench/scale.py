"""100,000 keys and 1,000,000 events: the time of a start, the memory of a worker, and the time of a page.

The records are made here with the writer's own step, without calls, and appended while the writers are paused. The API
and the projector follow them like any record.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from pathlib import Path
from uuid import UUID

import psutil

from bench import load
from bench.installed import Installed, until
from domain.durations import DAY_MICROS, DAY_SECONDS
from domain.log import events
from domain.log.record import Call, Decision
from domain.policy.default import default_key_policy
from domain.ports import Headers
from domain.state.fold import Fold
from services.adapters.kafka import Producer
from services.adapters.keyring import open_keyring
from services.adapters.postgres import connect
from services.adapters.topics import log_topic
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings
from services.writer.step import WriterStep

KEYS, EVENTS, ALIASES = 100_000, 1_000_000, 50_000
BATCH = 2000
DAYS = 30
Figure = tuple[str, str, str]


async def _fill(settings: Settings) -> None:
    topic = log_topic(settings)
    pool = await open_pool(settings)
    fold = Fold.under(await open_keyring(open_vault(settings, pool)))
    end = await topic.end()
    reader = await topic.reader(0)
    while fold.next < end:
        for stored in await reader.read(BATCH):
            fold.take(stored.offset, stored.value)
    await reader.close()
    deciding, producer, rng = WriterStep(fold, fold.world.writer), Producer(settings), random.Random(5)
    account, began = settings.account_id, fold.world.at
    root, policy = f"arn:aws:iam::{account}:root", default_key_policy(account)
    ids = [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(KEYS)]

    def event(number: int) -> tuple[str, object]:
        if number < KEYS:
            material = f"{number:064x}"
            made = events.KeyCreated(
                key=ids[number],
                account=account,
                spec="SYMMETRIC_DEFAULT",
                usage="ENCRYPT_DECRYPT",
                origin="AWS_KMS",
                description="",
                policy=policy,
                tags={"number": str(number)},
                material=material,
                fingerprint=material,
                public_key="",
                bypassed_lockout_check=False,
                locked_out=False,
                principals={},
                manager="",
                alias="",
            )
            return "CreateKey", made
        if number < KEYS + ALIASES:
            return "CreateAlias", events.AliasCreated(account, f"alias/n{number:07d}", ids[number - KEYS])
        return "UpdateKeyDescription", events.KeyDescribed(ids[number % KEYS], f"description {number}")

    batch: list[tuple[bytes, Headers]] = []
    for number in range(EVENTS):
        operation, made = event(number)
        call = Call(
            f"scale-{number}",
            "AKIASCALE",
            root,
            account,
            "127.0.0.1",
            "bench",
            operation,
            {"KeyId": ids[number % KEYS]},
        )
        decision = Decision("allowed", kind="account-root")
        at = began + number * (DAYS * DAY_MICROS // EVENTS)
        decided = deciding.record(at, fold.world.next_command, call, decision, made)
        batch.append((decided.value, decided.headers))
        if len(batch) == BATCH or number == EVENTS - 1:
            await producer.append_all(topic.topic, 0, batch)
            batch = []
    await producer.close()
    await topic.close()
    await pool.close()


def _writers(installed: Installed) -> list[psutil.Process]:
    return [psutil.Process(pid) for name, (pid, _) in installed.running.children.items() if name.startswith("writer")]


async def _settled(settings: Settings) -> bool:
    """Whether a snapshot covers nearly all records, and the projections hold all of them."""
    pool = await connect(settings)
    kept = await pool.fetchval("SELECT coalesce(max(position), 0) FROM present.versioned_snapshots")
    read = await pool.fetchval("SELECT coalesce(min(next), 0) FROM p_decisions.positions WHERE topic = 'events'")
    await pool.close()
    return bool(kept > EVENTS * 0.9 and read >= EVENTS)


def scale(shared: Installed, seconds: float) -> list[Figure]:
    """On a separate installation whose clock is behind by the span of the events. Within a few minutes, a million
    events would all be calls that a client may still repeat."""
    shared.stop()
    try:
        return _alone(shared)
    finally:
        shared.start()


def _alone(shared: Installed) -> list[Figure]:
    with began_earlier(shared.data.with_name("scale")) as installed:
        return _scale(installed)


def began_earlier(data: Path, **extra: str) -> Installed:
    """An installation for `fill`."""
    return Installed(data, -DAYS * DAY_SECONDS, None, **extra)


def fill(installed: Installed) -> float:
    """Appends the events, and stops the installation when everybody has read them. Its next start is at the present time.
    Returns the seconds in which they were made and appended."""
    settings = installed.settings
    began = time.perf_counter()
    paused = _writers(installed)
    for each in paused:
        each.send_signal(signal.SIGSTOP)
    asyncio.run(_fill(settings))
    for each in paused:
        each.kill()
    filled = time.perf_counter() - began
    until(lambda: asyncio.run(_settled(settings)), within=600)
    installed.stop()
    installed.offset = 0
    return filled


def _scale(installed: Installed) -> list[Figure]:
    filled = fill(installed)
    began = time.perf_counter()
    installed.start()
    taken = time.perf_counter() - began
    kms = installed.client()
    one = kms.list_keys(Limit=1)["Keys"][0]["KeyId"]
    kms.update_key_description(KeyId=one, Description="a writer leads too")
    led = time.perf_counter() - began
    api = psutil.Process(installed.running.children["api-1"][0])
    memory = api.memory_info().rss / 1e6
    figures = [
        (f"start to ready, {KEYS:,} keys and {EVENTS:,} events", f"{taken:.1f} s", "under 15 s"),
        ("  and to the first change", f"{led:.1f} s", ""),
        ("  memory of the API worker", f"{memory:.0f} MB", "under 600 MB"),
        ("  (the events were made and appended in)", f"{filled:.0f} s", ""),
    ]
    for operation, last, middle in (
        ("ListKeys", "after:f0000000-0000-4000-8000-000000000000", "after:80000000-0000-4000-8000-000000000000"),
        ("ListAliases", f"after:alias/n{KEYS + ALIASES - 200:07d}", f"after:alias/n{KEYS + ALIASES // 2:07d}"),
    ):
        times = []
        for marker in ("", middle, last):
            body = json.dumps({"Limit": 100} | ({"Marker": marker} if marker else {})).encode()
            request = load.signed(installed.url, installed.credentials, operation, body)
            load.run(installed.url, request, 1, 0.3)
            times.append(load.run(installed.url, request, 1, 1).percentile(0.5) * 1e3)
        figures.append(
            (
                f"{operation}, first, middle and last page of 100",
                " / ".join(f"{each:.2f} ms" for each in times),
                "the same",
            )
        )
    return figures

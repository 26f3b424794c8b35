"""Every port with its adapters, and the file of promises that each adapter keeps.

The contract tests' fixture is made from this list, so an adapter that is added here must keep every promise of its
port. tests/house/test_contracts.py fails if a file of services/adapters is in no row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from aiokafka.admin import NewTopic

from services.adapters import skips, snapshots, topics
from services.adapters.attempts import Attempts
from services.adapters.kafka import KafkaTopic, Producer, administering
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import connect
from services.adapters.record_topics import FollowedRecords, RecordTopics, topics_read
from services.adapters.tile_folder import TileFolder
from services.adapters.tokens import Tokens
from services.adapters.topics import BROKERS_CLOCK
from services.adapters.vault import Vault
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from tests.bucket_server import new_bucket
from tests.keys import tokens_of
from tests.memory_log import MemoryTopic
from tests.simulation.brokers import Brokers, SimulatedTopic
from tests.simulation.projection_statements import projection_tables
from tests.simulation.projectors import SimulatedRecords, partitions_of
from tests.simulation.sessions import SimulatedPool
from tests.simulation.tiles import SimulatedTiles, TileFiles
from tests.simulation.vault import MemoryVault, VaultRows

AnyTopic = MemoryTopic | KafkaTopic | SimulatedTopic
OpenTopic = Callable[[Callable[[], Settings]], AbstractAsyncContextManager[AnyTopic]]
"""A function that takes a way to get an installation's settings. Calling that starts the installation."""
OpenVault = Callable[[Callable[[], Settings]], AbstractAsyncContextManager[Vault]]


@asynccontextmanager
async def memory_topic(settings: Callable[[], Settings]) -> AsyncIterator[MemoryTopic]:
    yield MemoryTopic()


@asynccontextmanager
async def kafka_topic(settings: Callable[[], Settings]) -> AsyncIterator[KafkaTopic]:
    found, name = settings(), f"contract.{uuid4().hex}"
    async with administering(found) as admin:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=BROKERS_CLOCK)])
    topic = KafkaTopic(found, name)
    yield topic
    await topic.close()


@asynccontextmanager
async def simulated_topic(settings: Callable[[], Settings]) -> AsyncIterator[SimulatedTopic]:
    chance = Random(1)  # delays of a simulation
    loop = asyncio.get_running_loop()
    yield SimulatedTopic(Brokers(chance, loop, time.time() - loop.time()), f"contract.{uuid4().hex}")


@asynccontextmanager
async def postgres_vault(settings: Callable[[], Settings]) -> AsyncIterator[Vault]:
    pool = await connect(settings())
    yield open_vault(settings(), pool)
    await pool.close()


@asynccontextmanager
async def simulated_vault(settings: Callable[[], Settings]) -> AsyncIterator[MemoryVault]:
    yield MemoryVault(VaultRows(Random(1)))  # delays of a simulation


@asynccontextmanager
async def postgres_sessions(settings: Callable[[], Settings]) -> AsyncIterator[Any]:
    pool = await connect(settings())
    yield pool
    await pool.close()


@asynccontextmanager
async def simulated_sessions(settings: Callable[[], Settings]) -> AsyncIterator[Any]:
    yield SimulatedPool(projection_tables(Random(1), []), None)  # delays of a simulation


@dataclass(frozen=True, slots=True)
class AppendedRecords:
    """`records`: another reader of two partitions of decisions, and of the other topics. `append`: a value, to a kind and partition."""

    records: Callable[[], FollowedRecords]
    append: Callable[[str, int, bytes], Awaitable[object]]


@asynccontextmanager
async def kafka_records(settings: Callable[[], Settings]) -> AsyncIterator[AppendedRecords]:
    found = replace(settings(), topic_prefix=f"records{uuid4().hex[:8]}", decision_partitions=2)
    await topics.prepare(found, flush=False)
    producer, names = Producer(found), topics_read(found)
    yield AppendedRecords(
        lambda: RecordTopics(found, 2), lambda kind, part, value: producer.append(names[kind], part, value, ())
    )
    await producer.close()


@asynccontextmanager
async def simulated_records(settings: Callable[[], Settings]) -> AsyncIterator[AppendedRecords]:
    chance = Random(1)  # delays of a simulation
    brokers = Brokers(chance, asyncio.get_running_loop(), time.time())

    async def append(kind: str, part: int, value: bytes) -> None:
        partitions_of(brokers, 2)[kind, part].land([value])

    yield AppendedRecords(lambda: SimulatedRecords(brokers, 2, chance), append)


def simulated_tiles(folder: Path) -> SimulatedTiles:
    return SimulatedTiles(TileFiles(Random(1)))


TOPICS: dict[str, OpenTopic] = {"memory": memory_topic, "kafka": kafka_topic, "simulated": simulated_topic}
VAULTS: dict[str, OpenVault] = {"postgres": postgres_vault, "simulated": simulated_vault}
SESSIONS: dict[str, Callable[[Callable[[], Settings]], AbstractAsyncContextManager[Any]]] = {
    "postgres": postgres_sessions,
    "simulated": simulated_sessions,
}
RECORDS: dict[str, Callable[[Callable[[], Settings]], AbstractAsyncContextManager[AppendedRecords]]] = {
    "kafka": kafka_records,
    "simulated": simulated_records,
}
TOKENS: dict[str, Callable[..., Tokens]] = {"sealed": tokens_of}
SKIPS: dict[str, Any] = {"postgres": skips}
SNAPSHOTS: dict[str, Any] = {"postgres": snapshots}
TILES: dict[str, Callable[[Path], Any]] = {"folder": TileFolder, "bucket": new_bucket, "simulated": simulated_tiles}
ATTEMPTS: dict[str, type[Attempts]] = {"postgres": Attempts}


@dataclass(frozen=True, slots=True)
class Contract:
    """`promises`: the tests that each of `adapters` passes. `files`: the files of services/adapters that hold them."""

    promises: tuple[str, ...]
    adapters: Mapping[str, Any]
    files: tuple[str, ...] = field(default=())


CONTRACTS: dict[str, Contract] = {
    "topic": Contract(("test_topic.py",), TOPICS, ("kafka.py", "topic_bounds.py", "known_records.py")),
    "topics": Contract(
        ("test_kafka_security.py", "test_feed.py"),
        {"kafka": KafkaTopic},
        ("topics.py", "trail_topics.py"),
    ),
    "followed records": Contract(("test_followed_records.py",), RECORDS, ("record_topics.py",)),
    "projections' sessions": Contract(("test_projection_sessions.py",), SESSIONS),
    "tokens": Contract(("test_tokens.py",), TOKENS, ("tokens.py",)),
    "snapshots": Contract(("test_snapshots.py",), SNAPSHOTS, ("snapshots.py", "directory_snapshot.py")),
    "skips": Contract(("test_skips.py",), SKIPS, ("skips.py",)),
    "tile store": Contract(
        ("test_tile_store.py", "test_publishing.py"), TILES, ("tile_folder.py", "tile_bucket.py", "tile_stores.py")
    ),
    "attempts": Contract(("test_attempts.py",), ATTEMPTS, ("attempts.py",)),
    "vault": Contract(
        ("test_vault.py", "test_tree_key_rows.py"),
        VAULTS,
        ("vault.py", "vault_tables.py", "tree_key_rows.py", "vault_copy.py", "keyring.py"),
    ),
    "master key": Contract(("test_vault.py",), {"file": FileMasterKey}, ("master_key.py",)),
    "pins": Contract(("test_positions_permits_pins.py",), {"vault and file": None}, ("pins.py",)),
}
ELSEWHERE: dict[str, str] = {
    "access_lists.py": "users and rights on a cluster: tests/cluster",
    "scram.py": "the bundled broker's password: tests/attacks/test_local_user.py",
    "advisory_locks.py": "a list of ids: tests/house/test_house.py",
    "alerts_file.py": "a file of settings: tests/domain/test_alert_settings.py, tests/cli/test_alerts_file.py",
    "alert_publisher.py": "it seals and appends alerts: tests/e2e/test_alerts.py",
    "services_file.py": "a file of settings: tests/e2e/test_services.py",
    "cloudevents.py": "pure: names of headers",
    "committed_offsets.py": "a number of a consumer group, read back by tests/contracts/test_telling.py and test_counting.py",
    "cluster_description.py": "what brokers say of themselves: tests/e2e/test_doctor.py, tests/cluster",
    "continuity.py": "a consumer of Kafka whose broker lost records: tests/contracts/test_continuity.py",
    "leaders.py": "which brokers lead: tests/domain/test_leaders.py, tests/cluster/test_former_leader.py",
    "log_now.py": "questions to the topic's contract: tests/faults/test_lost_tail.py, tests/contracts/test_device_feed.py",
    "decisions.py": "lanes over Kafka, tried with both faults in tests/faults/test_anchors.py (soak)",
    "kafka_requests.py": "the frame of requests that scram.py and cluster_description.py send",
    "kms_signer.py": "a client of another installation or of AWS: tests/e2e/test_tree_keys_elsewhere.py (soak)",
    "oidc_fetch.py": "a client of other people's servers: tests/attacks/test_web_identity.py",
    "sign_in_providers.py": "a file of settings: tests/e2e/test_provider_sign_in.py",
    "writer_requests.py": "it asks the real writer: tests/e2e/test_log_keys.py, test_root_credential.py, tests/upgrade/test_level.py",
    "sessions.py": "names of sessions: tests/upgrade/test_rolling.py, which finds those of the version before",
    "level_mark.py": "a row that says which version to start: tests/contracts/test_level_mark.py, tests/upgrade/test_level.py",
    "due_hold.py": "a row that a restore leaves for the writer: tests/contracts/test_due_hold.py, tests/faults/test_due_work.py",
    "restore_mark.py": "a row that keeps everything from starting: tests/contracts/test_left_over.py",
    "origin.py": "a row that names the log: tests/faults/test_start.py",
    "postgres_hosts.py": "a primary and its standby: tests/faults/test_start.py, tests/cluster",
    "postgres.py": "the pool itself, under every test here",
}
"""Files of services/adapters without a contract of their own, and where they are tested."""

"""A start refuses topics that could lose or reorder the log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic

from domain.ports import LogRefused, Unavailable
from services.adapters import origin, topics
from services.adapters.bundled.ports import OUTGOING, free_ports
from services.adapters.kafka import administering
from services.adapters.postgres import connect, dsn_of, for_writing, hosts_of
from services.adapters.postgres_hosts import HostState, require_one_primary
from services.inherited import for_server
from services.settings import BadSetting, Settings, load
from tests import certificates
from tests.installation import KEYTRAIL, Installation

FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}


async def with_topic(installation: Installation, name: str, partitions: int, configs: dict[str, str]) -> Settings:
    settings = replace(installation.settings, topic_prefix=f"t{uuid4().hex[:8]}")
    async with administering(settings) as admin:
        await admin.create_topics([NewTopic(f"{settings.topic_prefix}.{name}", partitions, 1, topic_configs=configs)])
    return settings


@pytest.mark.parametrize(
    ("name", "partitions", "configs", "says"),
    [
        ("events", 2, FOREVER, "exactly one"),
        ("commands", 3, {}, "exactly one"),
        ("events", 1, {"retention.ms": "1000", "retention.bytes": "-1"}, "retention.ms=-1"),
        ("events", 1, FOREVER | {"retention.bytes": "1000"}, "retention.bytes=-1"),
        ("events", 1, FOREVER | {"cleanup.policy": "compact"}, "cleanup.policy=delete"),
        ("order", 1, {"retention.ms": "1000", "retention.bytes": "-1"}, "retention.ms=-1"),
        ("decisions", 2, {"cleanup.policy": "compact"}, "cleanup.policy=delete"),
        ("events", 1, FOREVER | {"unclean.leader.election.enable": "true"}, "unclean.leader.election.enable=false"),
    ],
)
async def test_topics_that_could_lose_records_are_refused_with_the_command_that_mends_it(
    installation: Installation, name: str, partitions: int, configs: dict[str, str], says: str
) -> None:
    settings = await with_topic(installation, name, partitions, configs)
    with pytest.raises(LogRefused) as refused:
        await topics.prepare(settings, flush=True)
    assert says in str(refused.value)
    assert "kafka-" in str(refused.value)


async def test_a_trails_topic_is_kept_as_safely_as_the_log(installation: Installation) -> None:
    """While a broker is away, it is not made with one replica less, which it would have for ever."""
    name, here = f"trail.{uuid4().hex}", installation.settings
    with pytest.raises(Unavailable, match="needs 3 brokers"):
        await topics.make_kept(replace(here, kafka=",".join([here.kafka] * 3)), name)
    for _ in range(2):
        await topics.make_kept(here, name)
    async with administering(here) as admin:
        configs = await topics.configs_of(admin, name)
    kept = {"retention.ms": "-1", "retention.bytes": "-1", "unclean.leader.election.enable": "false"}
    assert kept.items() <= configs.items()


def test_a_replicated_cluster_with_one_insync_replica_is_refused() -> None:
    """The rule itself: the bundled broker has no replicas to try it on."""
    settings = load({}, kafka="broker:9092")
    configs = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "min.insync.replicas": "1", "unclean.leader.election.enable": "false", "message.timestamp.type": "LogAppendTime"}  # fmt: skip
    named = topics.names(settings)
    topics.require(settings, named.events, configs, 1, named)
    with pytest.raises(LogRefused, match=r"min\.insync\.replicas=2"):
        topics.require(settings, named.events, configs, 3, named)


def test_a_topic_with_one_replica_is_refused_where_three_brokers_run() -> None:
    """Brokers start at the same time as Keytrail. Topics that were made before all of them ran had one replica."""
    settings = load({}, kafka="broker:9092")
    topics.require_replicas(settings, "keytrail.events", [1], 1)
    topics.require_replicas(settings, "keytrail.events", [3], 3)
    with pytest.raises(LogRefused, match="1 of 3 replicas"):
        topics.require_replicas(settings, "keytrail.events", [3, 1], 3)


async def test_topics_wait_for_as_many_brokers_as_were_named(installation: Installation) -> None:
    settings = replace(installation.settings, topic_prefix=f"t{uuid4().hex[:8]}")
    three = replace(settings, kafka=",".join([settings.kafka] * 3))
    with pytest.raises(Unavailable, match="needs 3 brokers"):
        await topics.prepare(three, flush=False)


async def test_topics_that_are_right_are_taken_again_and_again(installation: Installation) -> None:
    settings = replace(installation.settings, topic_prefix=f"t{uuid4().hex[:8]}")
    assert await topics.prepare(settings, flush=True) == settings.decision_partitions
    assert await topics.prepare(settings, flush=True) == settings.decision_partitions


async def test_a_log_that_was_lost_is_not_taken_for_one_that_never_was(installation: Installation) -> None:
    pool = await connect(installation.settings)
    noted = await pool.fetchval("SELECT log FROM present.origin")
    await origin.require(pool, noted, "keytrail.events")
    with pytest.raises(LogRefused, match="is empty"):
        await origin.require(pool, "", "keytrail.events")
    with pytest.raises(LogRefused, match="holds log another"):
        await origin.require(pool, "another", "keytrail.events")
    await pool.close()


@pytest.mark.soak  # a start of its own
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_no_outgoing_connection_can_take_the_brokers_port_before_it_starts() -> None:
    """A start tried for a minute and a half in vain: some connection had the port that was chosen for Kafka. The kernel gives
    outgoing connections the ports from OUTGOING on."""
    first = int(OUTGOING.read_text().split()[0])
    found = free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < first


@pytest.mark.soak
def test_data_may_be_where_nothing_may_be_run_from(tmp_path: Path) -> None:
    """Kafka unpacks a library. Where the library could not be loaded, Kafka would accept no batch."""
    mount = tmp_path / "mounted"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(mount)], check=False)
    if done.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with Installation(mount / "data", own="its folder is what is tried") as running:
            running.client().create_key()
            running.caught_up()
            assert len(running.answers("keys")) == 1
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.soak
async def test_kafka_is_fetched_through_the_proxy_and_by_the_authority_that_the_environment_names(
    tmp_path: Path,
) -> None:
    """A company's proxy reads what passes, and signs for every name by an authority of its own. This one answers 404."""
    asked: list[bytes] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = certificates.make(tmp_path, "repo.maven.apache.org")
    tls.load_cert_chain(certificate, key)

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the client may turn the certificate down
            await writer.start_tls(tls)
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environment = {
        "HOME": str(tmp_path),
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        "REQUESTS_CA_BUNDLE": str(certificate),
    }
    async with server:
        process = await asyncio.create_subprocess_exec(
            *(KEYTRAIL, "up", "--data", str(tmp_path / "data"), "--port", str(free_ports(1)[0])),
            env=for_server() | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert asked, said
    assert asked[0].startswith(b"CONNECT repo.maven.apache.org:443 "), said
    assert any(each.startswith(b"GET /maven2/") for each in asked), said
    assert b"could not be fetched from Maven Central" in said
    assert process.returncode == 1


def test_two_databases_that_both_take_writes_are_refused() -> None:
    one, other = HostState("db1:5432", True, "ANY 1 (*)"), HostState("db2:5432", True, "")
    with pytest.raises(BadSetting, match="db1:5432 and db2:5432 of KEYTRAIL_POSTGRES both take writes"):
        require_one_primary([one, other])


def test_a_standby_that_nobody_waits_for_is_refused() -> None:
    """It would take over without the material of keys whose events stand on Kafka."""
    standby = HostState("db2:5432", False, "")
    with pytest.raises(BadSetting, match="synchronous_standby_names"):
        require_one_primary([HostState("db1:5432", True, ""), standby])
    require_one_primary([HostState("db1:5432", True, "ANY 1 (*)"), standby])
    require_one_primary([HostState("db1:5432", True, "")])  # after a failover it is alone
    with pytest.raises(Unavailable):
        require_one_primary([standby])


def test_the_hosts_of_a_dsn_are_told_apart() -> None:
    several = "postgresql://k:p%40w@db1:5432,db2:5433/keytrail?target_session_attrs=read-write&sslmode=require"
    assert hosts_of(several) == [
        "postgresql://k:p%40w@db1:5432/keytrail?sslmode=require",
        "postgresql://k:p%40w@db2:5433/keytrail?sslmode=require",
    ]
    assert for_writing(several) == several
    assert for_writing("postgresql://db1,db2/k") == "postgresql://db1,db2/k?target_session_attrs=read-write"
    bundled = "postgresql://keytrail@/keytrail?host=/run/socket"
    assert for_writing(bundled) == f"{bundled}&target_session_attrs=read-write"
    assert for_writing("postgresql://db1/k") == "postgresql://db1/k?target_session_attrs=read-write"


@pytest.mark.parametrize(("authority", "trusted"), [("own", True), ("another", False)])
async def test_a_database_with_another_certificate_is_not_asked(tmp_path: Path, authority: str, trusted: bool) -> None:
    """Whoever answers in its place would have got the password, and all that the vault writes."""
    pairs = {}
    for each in ("own", "another"):
        (tmp_path / each).mkdir()
        pairs[each] = certificates.make(tmp_path / each)
    context, heard = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(*pairs["own"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As Postgres answers a request for TLS (protocol-flow, "SSL Session Encryption"), and then nothing."""
        await reader.readexactly(8)
        writer.write(b"S")
        with contextlib.suppress(OSError):
            await writer.start_tls(context)
            heard.append(await reader.read(64))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dsn = f"postgresql://keytrail:secret@localhost:{port}/keytrail"
        with pytest.raises(Unavailable):
            await connect(Settings(postgres=dsn, postgres_ca=str(pairs[authority][0])))
    assert any(b"keytrail" in each for each in heard) == trusted


def test_the_authority_of_the_database_is_asked_for_on_every_host() -> None:
    """Without it asyncpg takes any certificate, or none."""
    settings = Settings(
        postgres="postgresql://k:p%40w@db1:5432,db2:5433/keytrail?sslmode=prefer", postgres_ca="/etc/ca b.crt"
    )
    found = hosts_of(dsn_of(settings))
    asked = "sslmode=verify-full&sslrootcert=%2Fetc%2Fca+b.crt"
    assert found == [f"postgresql://k:p%40w@{each}/keytrail?{asked}" for each in ("db1:5432", "db2:5433")]
    assert dsn_of(Settings(postgres="postgresql://db1/k")) == "postgresql://db1/k"

"""Secret bytes appear in no log, record, table, error, repr or state file. The test searches everything for all of
them."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.adapters import topics
from services.adapters.kafka import connection
from services.adapters.postgres import connect
from services.runtime.bootstrap import open_vault
from tests.installation import Installation


async def topics_text(installation: Installation) -> bytes:
    settings = installation.settings
    names = topics.names(settings)
    partitions = [TopicPartition(names.events, 0), TopicPartition(names.commands, 0)]
    partitions += [TopicPartition(names.decisions, number) for number in range(settings.decision_partitions)]
    consumer = AIOKafkaConsumer(**connection(settings), auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        parts: list[bytes] = []
        await consumer.seek_to_beginning()
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    parts += [record.value or b"", record.key or b"", *(value for _, value in record.headers)]
        return b"\n".join(parts)
    finally:
        await consumer.stop()


async def tables_text(installation: Installation) -> bytes:
    pool = await connect(installation.settings)
    try:
        rows = await pool.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN "
            "('pg_catalog', 'information_schema')"
        )
        found = []
        for row in rows:
            content = await pool.fetch(f'SELECT t::text FROM "{row["table_schema"]}"."{row["table_name"]}" t')
            found += [each["t"] for each in content]
        return "\n".join(found).encode()
    finally:
        await pool.close()


async def secrets_of(installation: Installation, keys: list[tuple[str, str]]) -> list[bytes]:
    pool = await connect(installation.settings)
    try:
        vault = open_vault(installation.settings, pool)
        return [await vault.material(key, material) for key, material in keys]
    finally:
        await pool.close()


def test_secrets_are_nowhere(installation: Installation) -> None:
    client = installation.client()
    plaintext = os.urandom(24)
    keys = []
    for spec, usage in (("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), ("ECC_NIST_P256", "SIGN_VERIFY")):
        keys.append(client.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])
    sealed = client.encrypt(KeyId=keys[0], Plaintext=plaintext)["CiphertextBlob"]
    client.decrypt(CiphertextBlob=sealed)
    client.sign(KeyId=keys[1], Message=plaintext, SigningAlgorithm="ECDSA_SHA_256")
    data_key = client.generate_data_key(KeyId=keys[0], KeySpec="AES_256")["Plaintext"]
    random = client.generate_random(NumberOfBytes=32)["Plaintext"]
    installation.caught_up()

    async def gather() -> tuple[bytes, bytes, list[bytes]]:
        pool = await connect(installation.settings)
        rows = await pool.fetch("SELECT key, material FROM vault.materials WHERE key = ANY($1)", keys)
        await pool.close()
        named = [(row["key"], row["material"]) for row in rows]
        return await topics_text(installation), await tables_text(installation), await secrets_of(installation, named)

    on_topics, in_tables, materials = asyncio.run(gather())
    assert len(materials) == 2
    assert b"Encrypt" in on_topics, "the search looks at what is really there"
    assert b"Encrypt" in in_tables
    logs = b"\n".join(path.read_bytes() for path in (installation.data / "logs").glob("*.log"))
    metrics = b"\n".join(path.read_bytes() for path in (installation.data / "run").rglob("*") if path.is_file())
    credentials = installation.credentials()
    master = (installation.data / "master.key").read_bytes().strip()
    secrets = {
        "plaintext": plaintext,
        "data key": data_key,
        "random bytes": random,
        "root's secret": credentials["AWS_SECRET_ACCESS_KEY"].encode(),
        "master key": master,
        **{f"material {number}": secret for number, secret in enumerate(materials)},
    }
    for name, secret in secrets.items():
        for form in (secret, b64encode(secret), secret.hex().encode(), b64encode(secret)[:-4]):
            for place, text in (("topics", on_topics), ("tables", in_tables), ("logs", logs), ("run", metrics)):
                assert form not in text, f"{name} is in the {place}"


def test_files_that_hold_secrets_are_for_their_owner_alone(installation: Installation) -> None:
    for name in ("master.key", "credentials.json", "run/state.json"):
        assert (installation.data / name).stat().st_mode & 0o077 == 0, name


def test_a_successful_call_writes_no_line(installation: Installation) -> None:
    def lines() -> int:
        return sum(len(Path(path).read_text().splitlines()) for path in (installation.data / "logs").glob("api-*.log"))

    client = installation.client()
    before = lines()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.encrypt(KeyId=key, Plaintext=b"x")
    assert lines() == before

"""Somebody who can write to Kafka: the broker's operator, or a stranger with its password.

They can append any bytes to any topic, copy values, and remove the beginning of a topic. They do not have the vault's
root secret.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition
from botocore.exceptions import ClientError

from domain.log.authenticity import key_of
from domain.log.chain import digest
from domain.log.codec import canonical, object_of, rfc3339
from domain.log.command import Command, encode
from domain.log.record import Call
from services.adapters.kafka import KafkaReader, Producer, administering
from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from services.cli.client import Client
from tests.counts import with_all_in_soak
from tests.installation import Installation, eventually

FLOOD = 2_000


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A separate installation, since its topics are not whole at the end."""
    data = tmp_path_factory.mktemp("attacked") / "data"
    with Installation(data, own="its broker is attacked", KEYTRAIL_WRITERS="2", KEYTRAIL_ALERT_WORKERS="1") as running:
        yield running


def at_rest(installation: Installation) -> bool:
    """Whether nothing was appended to the log for longer than an anchor takes."""
    topic = names(installation.settings).events
    before = asyncio.run(ends(installation.settings, topic))
    time.sleep(1.2)
    return asyncio.run(ends(installation.settings, topic)) == before


def root_of(installation: Installation) -> str:
    return f"arn:aws:iam::{installation.settings.account_id}:root"


def on_topic(installation: Installation, topic: str, partition: int = 0) -> list[tuple[int, bytes]]:
    """Every value on a partition."""

    async def read() -> list[tuple[int, bytes]]:
        end = (await ends(installation.settings, topic))[partition]
        reader = await KafkaReader(installation.settings, topic, partition).open(0)
        found: list[tuple[int, bytes]] = []
        while not found or found[-1][0] < end - 1:
            found += [(each.offset, each.value) for each in await reader.read(1000)]
        await reader.close()
        return found

    return asyncio.run(read())


def put(installation: Installation, topic: str, *values: bytes, partition: int = 0) -> None:
    async def append() -> None:
        producer = Producer(installation.settings)
        await producer.append_all(topic, partition, [(value, ()) for value in values])
        await producer.close()

    asyncio.run(append())


def newest(installation: Installation) -> bytes:
    return on_topic(installation, names(installation.settings).events)[-1][1]


def verified(installation: Installation) -> dict[str, Any]:
    return installation.verified()


def void_alerts(installation: Installation) -> list[dict[str, Any]]:
    return [each for each in installation.answers("alerts") if each["rule"] == "void-records"]


def a_user(installation: Installation, name: str) -> Any:
    """A user without rights, as a KMS client, and its unique id."""
    iam = installation.client(service="iam")
    unique = iam.create_user(UserName=name)["User"]["UserId"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return installation.client(credentials), unique


ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def granting(installation: Installation, last: bytes, unique: str) -> dict[str, Any]:
    """A record that links to the log and gives a user every right."""
    before = object_of(last)
    assert before is not None
    data = {"account": installation.settings.account_id, "kind": "user", "id": unique, "policy": "all", "document": ALL}
    return {
        **{name: before[name] for name in ("v", "at", "writer", "next_command")},
        "previous": digest(last),
        "seen": before["seen"] + 1,
        **dict.fromkeys(("call", "decision", "repeats")),
        "event": {"type": "identity.policy-put.v1", "data": data},
    }


def test_a_record_with_the_right_link_gives_no_right(attacked: Installation) -> None:
    """Gained: every right, for any user, without a trace in `history`. The chain is plain SHA-256, which anybody can
    extend."""
    mallory, unique = a_user(attacked, "mallory")
    topic = names(attacked.settings).events
    time.sleep(1.5)  # the user's own decisions are anchored, so that no record comes between reading and writing
    last = newest(attacked)
    forged = granting(attacked, last, unique)
    copied = canonical(forged)[:-1] + last[-(len(last) - last.rindex(b',"auth"')) :]
    put(attacked, topic, canonical(forged), copied)
    with pytest.raises(ClientError, match="AccessDenied"):
        mallory.list_keys()
    attacked.client().create_key()  # the writer goes on
    with pytest.raises(ClientError, match="AccessDenied"):
        mallory.list_keys()
    found = verified(attacked)
    assert (len(found["strange"]), found["fault"], found["whole"]) == (2, "", False)
    assert eventually(lambda: void_alerts(attacked))


def test_a_command_in_roots_name_is_not_obeyed(attacked: Installation) -> None:
    """Gained: everything that the root user may do. The writer decided every command on the topic."""
    key = attacked.client().create_key()["KeyMetadata"]
    root = root_of(attacked)
    access_key = attacked.credentials()["AWS_ACCESS_KEY_ID"]
    account = attacked.settings.account_id
    call = Call("forged", access_key, root, account, "127.0.0.1", "x", "DisableKey", {"KeyId": key["KeyId"]})
    value = encode(Command(call, {}, time.time_ns() // 1000 + 60_000_000))
    put(attacked, names(attacked.settings).commands, value)
    attacked.client().update_key_description(KeyId=key["KeyId"], Description="decided behind it")
    assert attacked.client().describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Enabled"]
    log = [object_of(value) or {} for _, value in on_topic(attacked, names(attacked.settings).events)]
    assert not [each for each in log if (each.get("call") or {}).get("id") == "forged"]
    told = eventually(lambda: _types(attacked).count("commands.refused.v1"))
    assert told == 1


def _types(installation: Installation) -> list[str]:
    values = on_topic(installation, names(installation.settings).events)
    return [str(((object_of(value) or {}).get("event") or {}).get("type")) for _, value in values]


def test_a_copied_command_has_no_second_effect(attacked: Installation) -> None:
    """Gained: an old command takes effect again. A replaced policy comes back, a disabled key is enabled."""
    client, topic = attacked.client(), names(attacked.settings).commands
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.disable_key(KeyId=key)
    client.enable_key(KeyId=key)
    disabling = [
        value
        for _, value in on_topic(attacked, topic)
        if b'"DisableKey"' in value and key.encode() in value and key_of(value)
    ]
    put(attacked, topic, *disabling)
    client.update_key_description(KeyId=key, Description="decided behind it")
    assert client.describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


SPOILT = (
    b'{"call":{"id":"a"},"made":{},"not_after":1e999}',
    b"[" * 1_100 + b"]" * 1_100,
    b'{"call":' + b'{"a":' * 1_100 + b"1" + b"}" * 1_101,
    b"\xff\xfe",
    b"",
    b'{"auth":{"alg":"HS256"}}',
)


@pytest.mark.parametrize("value", with_all_in_soak(SPOILT, SPOILT[:2]))
def test_bytes_that_end_a_parser_end_nothing(attacked: Installation, value: bytes) -> None:
    """Gained: no changing call for anybody, for good. Both writers read the same bytes again at every start."""
    topics = names(attacked.settings)
    eventually(lambda: at_rest(attacked))  # a void record between two of its own deposes a writer
    writers = [attacked.pid(name) for name in ("writer-1", "writer-2")]
    for topic in (topics.commands, topics.events, topics.decisions, topics.alerts):
        put(attacked, topic, value)
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    attacked.client().encrypt(KeyId=key, Plaintext=b"x")
    attacked.caught_up()
    assert attacked.answers("history", key)
    assert [attacked.pid(name) for name in ("writer-1", "writer-2")] == writers


def decision(installation: Installation, marker: str) -> dict[str, Any]:
    account = installation.settings.account_id
    call = Call(marker, "AKIAFORGED", f"arn:aws:iam::{account}:user/bob", account, "10.0.0.1", marker, "Decrypt", {})
    return {
        "v": 1,
        "log": Client(installation.data).get("/v1/status")["log"],
        "seen": 1,
        "at": rfc3339(time.time_ns() // 1000),
        "call": call.document(),
        "decision": {"effect": "allowed", "reasons": [], "error": None, "resources": [], "inputs": {}},
    }


def test_a_forged_decision_is_nobodys_call(attacked: Installation) -> None:
    """Gained: a decryption that somebody never made, in a record that every check called whole."""
    put(attacked, names(attacked.settings).decisions, canonical(decision(attacked, "forged-decision")), partition=1)
    attacked.caught_up()
    assert [
        each for each in attacked.answers("decisions", "--limit", "500") if each["agent"] == "forged-decision"
    ] == []
    found = verified(attacked)
    assert found["decisions"]["strange_count"] >= 1
    assert any(each.startswith("1@") for each in found["decisions"]["strange"])
    assert (found["decisions"]["faults"], found["projections"]) == ([], [])
    assert eventually(lambda: [each for each in void_alerts(attacked) if "decisions" in each["summary"]])


def test_a_copied_decision_is_one_decision(attacked: Installation) -> None:
    """Gained: one call looks like many, which makes a false burst or a wrong count."""
    topic = names(attacked.settings).decisions
    client = attacked.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.encrypt(KeyId=key, Plaintext=b"x")

    def ours() -> list[tuple[int, bytes]]:
        partitions = range(attacked.settings.decision_partitions)
        return [
            (part, value)
            for part in partitions
            for _, value in on_topic_or_none(attacked, topic, part)
            if key.encode() in value
        ]

    ((partition, value),) = ours()
    put(attacked, topic, value, value, partition=partition)
    attacked.caught_up()
    rows = attacked.answers("decisions", "--key", key)
    assert len([each for each in rows if each["operation"] == "Encrypt"]) == 1
    assert verified(attacked)["decisions"]["copies_count"] >= 2


def on_topic_or_none(installation: Installation, topic: str, partition: int) -> list[tuple[int, bytes]]:
    if not asyncio.run(ends(installation.settings, topic))[partition]:
        return []
    return on_topic(installation, topic, partition)


def test_a_forged_alert_is_not_shown_and_takes_nobodys_name(attacked: Installation) -> None:
    """Gained: an operator looks for nothing, or an alert's id is taken before the alert is raised, so that it never
    shows."""
    topic = names(attacked.settings).alerts
    (_, value), *_ = eventually(lambda: on_topic_or_none(attacked, topic, 0))
    forged = (object_of(value) or {}) | {"id": "f" * 32, "summary": "forged"}
    put(attacked, topic, canonical(forged))
    attacked.caught_up()
    assert [each for each in attacked.answers("alerts") if each["summary"] == "forged"] == []


def test_a_flood_is_a_few_alerts_and_stops_nobody(attacked: Installation) -> None:
    """Gained: one alert is buried under thousands, the log is filled, or readers never reach later records."""
    topics = names(attacked.settings)
    before = len(void_alerts(attacked)), len(_types(attacked))
    for topic in (topics.commands, topics.decisions, topics.alerts):
        put(attacked, topic, *(b'{"flood":%d}' % number for number in range(FLOOD)))
    key = attacked.client().create_key()["KeyMetadata"]["KeyId"]
    assert attacked.client().encrypt(KeyId=key, Plaintext=b"x")["KeyId"].endswith(key)
    attacked.caught_up()
    assert len(void_alerts(attacked)) - before[0] <= 3
    assert len(_types(attacked)) - before[1] < 20, "the log is not filled"


@pytest.mark.soak
def test_decisions_that_were_cut_off_are_missed(attacked: Installation) -> None:
    """Gained: a call that nobody ever made. The broker's operator removes its record."""
    topic = names(attacked.settings).decisions
    client = attacked.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    for _ in range(20):
        client.encrypt(KeyId=key, Plaintext=b"x")
    counts = asyncio.run(ends(attacked.settings, topic))
    partition = next(
        part
        for part in counts
        if any(key.encode() in value and key_of(value) for _, value in on_topic_or_none(attacked, topic, part))
    )
    eventually(lambda: verified(attacked)["decisions"]["not_bound"] == 0)
    before = verified(attacked)["decisions"]["faults"]

    async def cut() -> None:
        async with administering(attacked.settings) as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(counts[partition] - 2)})

    asyncio.run(cut())
    found = verified(attacked)
    assert (before, found["whole"]) == ([], False)
    assert found["decisions"]["faults"]


@pytest.mark.soak
def test_a_recreated_log_is_refused(attacked: Installation) -> None:
    """Gained: every former ban is forgotten, since a writer that finds an empty topic begins a new log.

    This is the last test here: it leaves the installation stopped.
    """
    attacked.stop()
    attacked.extra["KEYTRAIL_TOPIC_PREFIX"] = "anew"
    with pytest.raises(AssertionError, match="does not hold the record at position 0"):
        attacked.start()

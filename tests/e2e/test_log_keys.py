"""The keys of the records through everything that may happen to an installation: they are rotated, the master key is
rotated, a backup is restored under another topic prefix, and an upgrade comes from a version without MACs."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from botocore.exceptions import ClientError

from domain.log.authenticity import EVENTS, key_of
from domain.log.chain import digest
from domain.log.codec import canonical, object_of
from domain.log.events import AccountCreated, LogCreated, LogKeyRetired, WriterStarted
from domain.state.callers import Session
from domain.state.fold import Fold
from projections.registry import PROJECTIONS
from services.adapters import master_key, snapshots, topics
from services.adapters.kafka import KafkaReader, Producer, administering
from services.adapters.keyring import open_keyring
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import connect
from services.adapters.tokens import SESSION
from services.adapters.topic_bounds import ends
from services.adapters.topics import log_topic, names
from services.alert_worker import schema
from services.audit_devices import device_rows
from services.audit_devices.positions import DevicePositions
from services.projector.store import ReadTo
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from services.writer.step import WriterStep
from tests.installation import Installation, beside, eventually
from tests.keys import tokens_of


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(
        tmp_path_factory.mktemp("kept") / "data", 2, KEYTRAIL_ALERT_WORKERS="2", KEYTRAIL_NOTARIES="1"
    ) as running:
        yield running


def whole(installation: Installation) -> dict[str, Any]:
    installation.caught_up()
    found = installation.verified()
    assert found["whole"], json.dumps(found, indent=1)
    return found


def events_of(installation: Installation) -> list[bytes]:
    async def read() -> list[bytes]:
        topic = names(installation.settings).events
        end = (await ends(installation.settings, topic))[0]
        reader = await KafkaReader(installation.settings, topic).open(0)
        found: list[bytes] = []
        while len(found) < end:
            found += [each.value for each in await reader.read(1000)]
        await reader.close()
        return found

    return asyncio.run(read())


def append(installation: Installation, topic: str, value: bytes) -> None:
    async def run() -> None:
        producer = Producer(installation.settings)
        await producer.append(topic, 0, value, ())
        await producer.close()

    asyncio.run(run())


async def keys_of_rows(installation: Installation) -> set[str]:
    """The keys of the rows that Keytrail relies on."""
    tables = [f"alerting.{table}" for table in ("origin", "positions", *schema.ROWS)]
    tables += [f"{each.schema}.{table}" for each in PROJECTIONS.values() for table in ("positions", "lanes", "anchors")]
    async with installation.connected() as pool:
        rows = await pool.fetch(" UNION ".join(f"SELECT split_part(mac, ':', 1) FROM {table}" for table in tables))
        pin = await pool.fetchval("SELECT split_part(mac, ':', 1) FROM vault.pin")
    return {row[0] for row in rows} | {pin}


@asynccontextmanager
async def away(installation: Installation) -> AsyncIterator[DevicePositions]:
    """The position of an audit device whose process does not run."""
    async with installation.connected() as pool:
        await device_rows.prepare(pool)
        keys = await open_keyring(open_vault(installation.settings, pool))
        yield DevicePositions(pool, keys, "log", "away")


async def device_away(installation: Installation) -> None:
    async with away(installation) as device:
        await device.keep(ReadTo({(EVENTS, 0): 1}))


async def device_goes_on(installation: Installation, key: str) -> bool:
    async with away(installation) as device:
        return await device.read(retired=set(device.keys.names()) - {key}) is not None


def test_a_rotation_of_the_key_goes_on_with_calls_and_shuts_the_old_key_out(kept: Installation) -> None:
    client = kept.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kept.judged()
    asyncio.run(device_away(kept))
    (rotated,) = kept.answers("log-keys", "rotate")
    assert asyncio.run(device_goes_on(kept, rotated["key"]))
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    kept.judged()
    # Each worker reads rows that another one wrote under the new key, and earlier rows of its own.
    assert eventually(lambda: asyncio.run(keys_of_rows(kept)) == {rotated["key"]}, within=30)
    logs = [log for name in ("alerts", "projector") for log in kept.data.glob(f"logs/{name}*.log")]
    assert len(logs) == 3
    assert [line for log in logs for line in log.read_text().splitlines() if "somebody else" in line] == []
    (notary,) = kept.data.glob("logs/notary*.log")
    assert "KeyMissing" not in notary.read_text(), "it ended where a rotation was the last record"
    client.update_key_description(KeyId=key, Description="under the new key")
    values = events_of(kept)
    assert key_of(values[-1]) == rotated["key"] != key_of(values[0])
    whole(kept)

    async def forged() -> bytes:
        """Forged by somebody who has the former key."""
        pool = await connect(kept.settings)
        keys = await open_keyring(open_vault(kept.settings, pool))
        await pool.close()
        last = object_of(values[-1]) or {}
        body = {name: last[name] for name in last if name != "auth"} | {
            "previous": digest(events_of_now[-1]),
            "call": None,
        }
        return keys.seal(key_of(values[0]), EVENTS, rotated["log"]).sealed(canonical(body))[0]

    events_of_now = events_of(kept)
    append(kept, names(kept.settings).events, asyncio.run(forged()))
    client.update_key_description(KeyId=key, Description="the writer goes on")
    found = kept.verified("--topics-only")
    assert (len(found["strange"]), found["fault"]) == (1, "")
    kept.stop()
    kept.start()
    assert kept.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def forged_session(secret: bytes, account: str) -> dict[str, str]:
    """Credentials of the root user, made by somebody who has read the secret of tokens."""
    now = time.time_ns() // 1000
    lasting = Session(account, f"arn:aws:iam::{account}:root", account, "", now, now + 3_600_000_000)
    given = {"access_key": "ASIAFORGED0000000001", "secret": "a secret of their own choice"}
    token = tokens_of(secret).seal(SESSION, {**given, "session": lasting.document()})
    return {
        "AWS_ACCESS_KEY_ID": given["access_key"],
        "AWS_SECRET_ACCESS_KEY": given["secret"],
        "AWS_SESSION_TOKEN": token,
    }


def why_refused(installation: Installation, credentials: dict[str, str]) -> str:
    """ "" if the credentials are accepted."""
    try:
        installation.client(credentials, "sts").get_caller_identity()
    except ClientError as fault:
        return str(fault.response["Error"]["Code"])
    return ""


@pytest.mark.soak
def test_a_rotation_ends_what_a_stolen_root_secret_can_make(kept: Installation) -> None:
    """Gained: whoever had read the secret once stayed root of every account, after any number of rotations."""

    async def stolen() -> bytes:
        async with kept.connected() as pool:
            return (await open_vault(kept.settings, pool).record_secrets())[-1]

    secret, account = asyncio.run(stolen()), kept.settings.account_id
    thief = forged_session(secret, account)
    assert why_refused(kept, thief) == "", "nobody knows yet that it was stolen"
    own = kept.client(service="sts").get_session_token()["Credentials"]
    held = {
        "AWS_ACCESS_KEY_ID": own["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": own["SecretAccessKey"],
        "AWS_SESSION_TOKEN": own["SessionToken"],
    }
    assert why_refused(kept, held) == ""
    (rotated,) = kept.answers("log-keys", "rotate")
    assert rotated["tokens_ended"] is True
    eventually(lambda: why_refused(kept, thief))
    for each in (thief, held, forged_session(secret, account)):
        # Both workers, and also where the token was accepted before.
        assert {why_refused(kept, each) for _ in range(8)} == {"InvalidClientTokenId"}
    kept.client(service="sts").get_session_token()


@pytest.mark.soak
def test_a_log_that_is_written_anew_under_the_former_key_is_refused(tmp_path: Path) -> None:
    """Gained: whoever had the former key and could delete the topic wrote back what was there before the rotation, and then
    records of their own, which the writer and the API took for Keytrail's."""
    with Installation(tmp_path / "data") as robbed:
        robbed.client().create_key()
        before = events_of(robbed)
        (rotated,) = robbed.answers("log-keys", "rotate")
        robbed.client().create_key()
        robbed.stop()
        robbed.start()
        robbed.client().create_key()
        settings = robbed.settings
        robbed.stop()
        topic = names(settings).events

        async def written_anew() -> None:
            pool = await connect(settings)
            keys = await open_keyring(open_vault(settings, pool))
            await pool.close()
            last = object_of(before[-1]) or {}
            body = {name: last[name] for name in last if name != "auth"} | {
                "previous": digest(before[-1]),
                "call": None,
            }
            own, _ = keys.seal(key_of(before[0]), EVENTS, rotated["log"]).sealed(canonical(body))
            async with administering(settings) as admin:
                await admin.delete_topics([topic])
                while topic in await admin.list_topics():
                    pass
            await topics.prepare(settings, flush=True)
            producer = Producer(settings)
            for value in (*before, own):
                await producer.append(topic, 0, value, ())
            await producer.close()

        asyncio.run(written_anew())
        with pytest.raises(AssertionError, match="written anew by somebody who has the former key"):
            robbed.start()


async def retire_the_newest(settings: Settings) -> str:
    """Leave what two rotations at once did in an earlier version: the newest key is retired, and never was in force. Returns it."""
    log, producer, pool = log_topic(settings), Producer(settings), await connect(settings)
    vault = open_vault(settings, pool)
    await vault.add_record_secret()
    keys = await open_keyring(vault)
    fold = await snapshots.newest(pool, log, keys)
    await pool.close()
    await log.close()
    deciding = WriterStep(fold, "a-writer-of-then")
    for event in (WriterStarted("a-writer-of-then", fold.world.next_command), LogKeyRetired(keys.newest, {})):
        decided = deciding.record(fold.world.at, fold.world.next_command, None, None, event)
        await producer.append(names(settings).events, 0, decided.value, decided.headers)
    await producer.close()
    return keys.newest


@pytest.mark.soak
def test_two_rotations_at_once_mend_what_two_at_once_left_in_an_earlier_version(kept: Installation) -> None:
    """One of two waits for nobody and says so, or both take their turns. Each key that was made comes into force, and no key is
    retired that somebody seals under."""
    settings = kept.settings
    kept.stop()
    retired = asyncio.run(retire_the_newest(settings))
    kept.start()
    before = asyncio.run(names_of_keys(kept))
    assert before[-1] == retired
    with ThreadPoolExecutor(2) as threads:
        going = [threads.submit(kept.keytrail, "log-keys", "rotate", "--json", check=False) for _ in range(2)]
    done = [each.result() for each in going]
    in_force = [json.loads(each.stdout)["key"] for each in done if each.returncode == 0]
    for each in done:
        assert each.returncode == 0 or "Another rotation of the key of records is under way" in each.stderr
    after = asyncio.run(names_of_keys(kept))
    assert (after[: len(before)], set(after[len(before) :])) == (before, set(in_force))
    assert len(in_force) == len(after) - len(before) >= 1
    kept.judged()
    assert eventually(lambda: asyncio.run(keys_of_rows(kept)) == {after[-1]}, within=30)
    found = kept.verified()  # alerts of before the rotations stay void
    assert (found["fault"], found["projections"], found["tree"]["differences"]) == ("", [], [])
    void = found["topics"]["alerts"]["strange"]
    kept.client().create_key()
    kept.judged()
    assert kept.verified()["topics"]["alerts"]["strange"] == void


async def names_of_keys(installation: Installation) -> list[str]:
    async with installation.connected() as pool:
        return (await open_keyring(open_vault(installation.settings, pool))).names()


@pytest.mark.soak
def test_the_keys_survive_a_rotation_of_the_master_key_and_a_restore_under_another_prefix(
    kept: Installation, tmp_path: Path
) -> None:
    client = kept.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kept.keytrail("master-key", "rotate")
    client.update_key_description(KeyId=key, Description="after the master key's rotation")
    strangers = len(kept.verified("--topics-only")["strange"])  # those of the test before, where it ran
    file = tmp_path / "kept.backup"
    kept.keytrail("backup", str(file))
    restored = Installation(tmp_path / "restored" / "data")
    restored.data.mkdir(parents=True)
    shutil.copy(kept.data / "master.key", restored.data / "master.key")
    restored.keytrail("restore", str(file))
    with restored:
        assert restored.settings.topic_prefix != kept.settings.topic_prefix
        again = restored.client()
        assert again.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
        again.update_key_description(KeyId=key, Description="on the restored log")
        found = restored.verified()
        # The stranger's values are in the backup unchanged, and are void after the restore too.
        assert (found["fault"], found["decisions"]["faults"], len(found["strange"]), found["projections"]) == (
            "",
            [],
            strangers,
            [],
        )


@pytest.mark.soak
def test_a_log_of_an_earlier_version_is_authenticated_by_one_command(kept: Installation, tmp_path: Path) -> None:
    """Until `begin`, its records count as before. After it, no record without a MAC counts, and there is no way
    back."""
    earlier = Installation(
        tmp_path / "earlier" / "data",
        own="those of the other installation",
        KEYTRAIL_TOPIC_PREFIX="earlier",
        KEYTRAIL_KAFKA=kept.settings.kafka,
        KEYTRAIL_KAFKA_SECURITY=kept.settings.kafka_security,
        KEYTRAIL_KAFKA_USERNAME=kept.settings.kafka_username,
        KEYTRAIL_KAFKA_PASSWORD=kept.settings.kafka_password,
        KEYTRAIL_POSTGRES=beside(kept.settings.postgres, "earlier"),
        KEYTRAIL_ROOT_ACCESS_KEY_ID="AKIAEARLIERVERSION00",
        KEYTRAIL_ROOT_SECRET_ACCESS_KEY="a-secret-of-an-earlier-version",
    )
    _as_earlier(kept, earlier)
    with earlier:
        client = earlier.client()
        key = client.create_key()["KeyMetadata"]["KeyId"]
        client.encrypt(KeyId=key, Plaintext=b"x")
        assert key_of(events_of(earlier)[0]) == "" != key_of(events_of(earlier)[-1])
        refused = earlier.keytrail("log-keys", "rotate", check=False)
        assert (refused.returncode, "log-keys begin" in refused.stderr) == (1, True)
        (begun,) = earlier.answers("log-keys", "begin")
        assert begun["since"] > 0
        assert earlier.answers("log-keys", "begin") == [begun], "twice is once"
        plain = {name: value for name, value in (object_of(events_of(earlier)[-1]) or {}).items() if name != "auth"}
        append(earlier, names(earlier.settings).events, canonical(plain | {"previous": digest(events_of(earlier)[-1])}))
        client.update_key_description(KeyId=key, Description="nobody took the record without a MAC")
        found = earlier.verified()
        assert (len(found["strange"]), found["fault"], found["decisions"]["faults"]) == (1, "", [])
        assert found["projections"] == []
        earlier.stop()
        earlier.start()
        assert earlier.client().describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


def _as_earlier(kept: Installation, earlier: Installation) -> None:
    """The database and topic of an earlier version: a root secret that is bound to no log, and records without MACs."""
    earlier.data.mkdir(parents=True)
    settings = earlier_settings(kept, earlier)
    master_key.make(settings.master_key_path)

    async def run() -> None:
        server = await asyncpg.connect(kept.settings.postgres)
        await server.execute("DROP DATABASE IF EXISTS earlier")
        await server.execute("CREATE DATABASE earlier")
        await server.close()
        await topics.prepare(settings, flush=True)
        pool = await connect(settings)
        vault = open_vault(settings, pool)

        async def nothing() -> str:
            return ""

        await vault.prepare(nothing)
        master = FileMasterKey(settings.master_key_path)
        row = await pool.fetchrow("SELECT under, root FROM vault.seal")
        assert row is not None
        root = master.open(row["under"], row["root"], b"keytrail root, of a log that is authenticated")
        await pool.execute("UPDATE vault.seal SET root = $1", master.seal(row["under"], root, b"keytrail root"))
        await pool.close()
        deciding = WriterStep(Fold(), "a-writer-of-then")
        account = settings.account_id
        first = (
            LogCreated("a-log-of-then", settings.region),
            WriterStarted("a-writer-of-then", 0),
            AccountCreated(account, "AKIAEARLIERVERSION00"),
        )
        producer = Producer(settings)
        for event in first:
            decided = deciding.record(1_700_000_000_000_000, 0, None, None, event)
            await producer.append(names(settings).events, 0, decided.value, decided.headers)
        await producer.close()

    asyncio.run(run())


def earlier_settings(kept: Installation, earlier: Installation) -> Any:
    return replace(
        kept.settings,
        data=earlier.data,
        topic_prefix="earlier",
        postgres=earlier.extra["KEYTRAIL_POSTGRES"],
        master_key_file="",
    )

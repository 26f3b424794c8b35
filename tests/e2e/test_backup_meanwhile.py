"""Backups for which something had happened to the keys, the secrets or the topics. They are restored, or refused before anything is
written."""

from __future__ import annotations

import asyncio
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from domain.ports import Unavailable
from services.adapters import vault_copy
from services.adapters.kafka import Producer, administering, connection
from services.adapters.master_key import FileMasterKey
from services.adapters.topic_bounds import bounds
from services.adapters.topics import OWN, configs_of, names
from services.adapters.vault import Vault
from services.backup import dump
from services.backup.checking import check
from services.backup.dump import take_backup
from services.backup.sealed_file import BadBackup, SealedWriter, read
from services.runtime.data_folder import Folder
from services.settings import Settings, load
from tests.installation import Installation

PASSWORD = "correct Horse 1"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("kept") / "data") as running:
        running.client().list_keys()  # so that there is a decision, at which the things below happen
        yield running


def taken_while(installation: Installation, file: Path, happens: Callable[[], Any]) -> Any:
    """Take a backup. Once it has read the vault, something happens, and it goes on afterwards."""
    happened: list[Any] = []

    def tell(what: str, done: int, total: int) -> None:
        if not happened:
            happened.append(happens())

    asyncio.run(take_backup(installation.settings, file, tell))
    return happened[0]


def told(kept: Installation, file: Path, data: Path) -> tuple[Installation, str]:
    """What a restore made, and what it said besides."""
    data.mkdir(parents=True)
    shutil.copy(kept.data / "master.key", data / "master.key")
    installation = Installation(data)
    return installation, installation.keytrail("restore", str(file)).stderr


def restored(kept: Installation, file: Path, data: Path) -> Installation:
    return told(kept, file, data)[0]


def test_secrets_that_were_made_meanwhile_are_in_the_backup(kept: Installation, tmp_path: Path) -> None:
    iam = kept.client(service="iam")
    iam.create_user(UserName="late")

    def happens() -> dict[str, str]:
        iam.create_login_profile(UserName="late", Password=PASSWORD)
        return dict(iam.create_access_key(UserName="late")["AccessKey"])

    made = taken_while(kept, tmp_path / "kept.backup", happens)
    with restored(kept, tmp_path / "kept.backup", tmp_path / "restored") as again:
        credentials = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        late = again.client(credentials, service="sts").get_caller_identity()
        assert late["Arn"].endswith(":user/late")


@pytest.mark.soak
def test_a_backup_that_keys_of_records_were_rotated_under_is_restored(kept: Installation, tmp_path: Path) -> None:
    def happens() -> str:
        kept.answers("log-keys", "rotate")
        return str(kept.client().create_key(Description="under the new key")["KeyMetadata"]["KeyId"])

    key = taken_while(kept, tmp_path / "kept.backup", happens)
    with restored(kept, tmp_path / "kept.backup", tmp_path / "restored") as again:
        assert again.client().describe_key(KeyId=key)["KeyMetadata"]["Description"] == "under the new key"


@pytest.mark.soak
def test_a_backup_that_the_master_key_was_rotated_under_needs_the_new_one_alone(
    kept: Installation, tmp_path: Path
) -> None:
    def happens() -> str:
        kept.keytrail("master-key", "rotate")
        return str(kept.client().create_key(Description="under the new key")["KeyMetadata"]["KeyId"])

    key = taken_while(kept, tmp_path / "kept.backup", happens)
    assert len((kept.data / "master.key").read_text().split()) == 1
    with restored(kept, tmp_path / "kept.backup", tmp_path / "restored") as again:
        again.client().encrypt(KeyId=key, Plaintext=b"x")


def test_a_value_of_others_keeps_no_decision_out_of_the_backup(kept: Installation, tmp_path: Path) -> None:
    """The backup took it for a decision later than the log, stopped there, and silently lacked every decision behind it."""
    stray = b'{"seen":1000000000000}'

    async def append() -> None:
        topic = names(kept.settings).decisions
        producer = Producer(kept.settings)
        for partition, (_, end) in (await bounds(kept.settings, topic)).items():
            if end:  # a worker keeps to one partition
                await producer.append_all(topic, partition, [(stray, ())])
        await producer.close()

    def happens() -> None:
        with ThreadPoolExecutor() as beside:  # this thread runs the backup's loop
            beside.submit(asyncio.run, append()).result()
        for _ in range(3):
            kept.client().list_keys()

    taken_while(kept, tmp_path / "kept.backup", happens)
    held: dict[int, list[bytes]] = {}
    for part in read(tmp_path / "kept.backup", FileMasterKey(kept.data / "master.key")):
        if part["kind"] == "decisions":
            held.setdefault(part["partition"], []).extend(b64decode(value) for value in part["values"])
    behind = [values[values.index(stray) + 1 :] for values in held.values() if stray in values]
    assert sum(len(values) for values in behind) >= 3


def test_a_backup_waits_until_a_rotation_of_the_master_key_is_at_its_end(
    kept: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held rows under both keys, and said nothing. Once the old key was destroyed, nobody could restore it."""

    async def begin() -> None:
        master = FileMasterKey(kept.data / "master.key")
        master.add()
        async with kept.connected() as pool:
            await Vault(pool, master).adopt(master.newest())

    asyncio.run(begin())
    monkeypatch.setattr(dump, "BETWEEN_TRIES_SECONDS", 0.1)
    with pytest.raises(Unavailable, match="finish the rotation first"):
        asyncio.run(take_backup(kept.settings, tmp_path / "kept.backup", lambda *_: None))
    assert list(tmp_path.iterdir()) == []
    kept.keytrail("master-key", "rotate")
    asyncio.run(take_backup(kept.settings, tmp_path / "kept.backup", lambda *_: None))
    master = FileMasterKey(kept.data / "master.key")
    under = {
        vault_copy.master_key_of(part["table"], row)
        for part in read(tmp_path / "kept.backup", master)
        if part["kind"] == "vault"
        for row in part["rows"]
    }
    assert under == set(master.names())


def test_a_backup_has_the_root_credential_that_its_log_has(kept: Installation, tmp_path: Path) -> None:
    """A restore brought back the former one, which the log had disabled: nobody had a credential of the root user then."""
    taken_while(kept, tmp_path / "kept.backup", lambda: kept.keytrail("root-credential", "rotate", "--overlap", "1"))
    start = next(read(tmp_path / "kept.backup", FileMasterKey(kept.data / "master.key")))
    now = Folder(kept.data).kept_credentials()
    assert now is not None
    assert start["credentials"]["access_key_id"] == now.access_key_id


def written(kept: Installation, to: Path, parts: Sequence[Any]) -> Path:
    """A backup with these parts."""
    master = FileMasterKey(kept.data / "master.key")
    writer = SealedWriter(to, master, master.newest())
    for part in parts:
        writer.write(part, last=part["kind"] == "end")
    writer.close()
    return to


def rewritten(kept: Installation, file: Path, to: Path, changed: Callable[[Any], Any]) -> Path:
    """The same backup with other parts: None leaves one out."""
    parts = [changed(part) for part in read(file, FileMasterKey(kept.data / "master.key"))]
    return written(kept, to, [part for part in parts if part is not None])


STRAY_EVENTS = (
    b'{"previous":"x","event":"y"}',
    b'{"previous":"x","event":{"type":"log.created.v1"}}',
    b'{"previous":"x","event":{"type":"log.created.v1","data":{"log":"\\ud800"}}}',
    b'{"previous":"x","call":{"id":5}}',
    b'{"previous":"\\ud800"}',
    b"[",
)
STRAY_DECISIONS = (
    b'{"log":"x","call":{"id":"\\ud800"},"at":"now"}',
    b'{"log":["x"],"call":{"id":"x"},"at":"now"}',
    b'{"log":"x","call":{"id":"' + b"x" * 700_000 + b'"},"at":"now"}',  # a header of that length would find no room
    b'{"log":"x","call":"y"}',
    b"null",
)


def test_values_that_others_wrote_keep_no_backup_from_being_restored(kept: Installation, tmp_path: Path) -> None:
    """One on a topic was enough: each restore ended with a traceback, after it had written the vault and a part of the log."""
    kept.keytrail("backup", str(tmp_path / "kept.backup"))
    parts = list(read(tmp_path / "kept.backup", FileMasterKey(kept.data / "master.key")))
    (events,) = (part for part in parts if part["kind"] == "events")
    genuine, stray = len(events["values"]), [b64encode(value).decode() for value in STRAY_EVENTS]
    events["values"] = [*stray, *events["values"], *stray]
    decisions = next(part for part in reversed(parts) if part["kind"] == "decisions")
    decisions["values"] += [b64encode(value).decode() for value in STRAY_DECISIONS]
    parts[-1]["next"] += 2 * len(stray)

    with ExitStack() as ending:
        again = restored(kept, written(kept, tmp_path / "stray.backup", parts), tmp_path / "restored")
        ending.push(again)  # which does not have to start
        settings = load(again.environment())
        found = asyncio.run(_headers_of(settings, names(settings).events, 0))
        assert [value for value, _ in found] == [b64decode(value) for value in events["values"]]
        assert [bool(headers) for _, headers in found] == [False] * len(stray) + [True] * genuine + [False] * len(stray)
        assert {headers["ce_source"] for _, headers in found if headers} == {
            f"urn:keytrail:{parts[-1]['log']}".encode()
        }
        found = asyncio.run(_headers_of(settings, names(settings).decisions, decisions["partition"]))
        assert [value for value, _ in found][-len(STRAY_DECISIONS) :] == list(STRAY_DECISIONS)
        assert not any(headers for _, headers in found[-len(STRAY_DECISIONS) :])
        assert {(b"call" in value) is bool(headers) for value, headers in found[: -len(STRAY_DECISIONS)]} == {True}


async def _headers_of(settings: Settings, topic: str, partition: int) -> list[tuple[bytes, dict[str, bytes]]]:
    """Every value of a partition, with its headers."""
    consumer = AIOKafkaConsumer(**connection(settings), auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    found: list[tuple[bytes, dict[str, bytes]]] = []
    try:
        consumer.assign([at := TopicPartition(topic, partition)])
        end = (await consumer.end_offsets([at]))[at]
        while len(found) < end:
            record = await consumer.getone()
            found.append((record.value, dict(record.headers)))
    finally:
        await consumer.stop()
    return found


@pytest.mark.soak
def test_a_backup_of_which_rows_are_missing_is_refused_or_says_so(kept: Installation, tmp_path: Path) -> None:
    """An earlier version took such backups, where keys were rotated or secrets made meanwhile."""
    kept.answers("log-keys", "rotate")
    kept.client().create_key()
    made = kept.client(service="iam")
    made.create_user(UserName="lost")
    lost = made.create_access_key(UserName="lost")["AccessKey"]["AccessKeyId"]
    kept.keytrail("backup", str(tmp_path / "whole"))
    master = FileMasterKey(kept.data / "master.key")
    whole = check(tmp_path / "whole", master)
    assert whole["lacking"] == []

    def without_keys(part: Any) -> Any:
        return None if part.get("table") == "record_secrets" else part

    def without_secret(part: Any) -> Any:
        return (
            part | {"rows": [row for row in part["rows"] if row[0] != lost]} if part.get("table") == "secrets" else part
        )

    def under_another(part: Any) -> Any:
        return (
            part | {"rows": [[*row[:2], "ab" * 8, *row[3:]] for row in part["rows"]]}
            if part.get("table") == "materials"
            else part
        )

    for changed, says in (
        (without_keys, "its vault lacks that one"),
        (under_another, "It may be in master.key.retired"),
        (
            lambda part: part | {"next": part["next"] + 1} if part["kind"] == "end" else part,
            "does not end where it says",
        ),
    ):
        file = rewritten(kept, tmp_path / "whole", tmp_path / "changed", changed)
        with pytest.raises(BadBackup, match=says):
            check(file, master)
        folder = tmp_path / "refused"
        folder.mkdir(exist_ok=True)
        shutil.copy(kept.data / "master.key", folder / "master.key")
        refused = Installation(folder, own="none may start").keytrail("restore", str(file), check=False)
        assert (refused.returncode, says in " ".join(refused.stderr.split())) == (1, True), refused.stderr
        assert [each.name for each in folder.iterdir()] == ["master.key"], "nothing was begun"

    file = rewritten(kept, tmp_path / "whole", tmp_path / "changed", without_secret)
    again, said = told(kept, file, tmp_path / "restored")
    with again:
        assert f"the vault lacks 1 secret that the log names ({lost})" in said


async def _append_to_another(kept: Installation) -> None:
    """Each worker keeps to one partition, so that others have nothing yet."""
    topic = names(kept.settings).decisions
    empty = next(each for each, (_, end) in (await bounds(kept.settings, topic)).items() if not end)
    producer = Producer(kept.settings)
    await producer.append_all(topic, empty, [(b"{}", ())] * 3)
    await producer.close()


async def _remove_decisions(kept: Installation) -> dict[int, tuple[int, int]]:
    """What a retention does to a topic: half of one partition is left, and nothing of another. Returns what is there then."""
    topic = names(kept.settings).decisions
    found = sorted((await bounds(kept.settings, topic)).items(), key=lambda each: each[1][1])
    (some, (_, end)), rest = found[-1], next(each for each, (_, end) in found if end)
    assert some != rest
    removed = {
        TopicPartition(topic, some): RecordsToDelete(before_offset=end // 2),
        TopicPartition(topic, rest): RecordsToDelete(before_offset=-1),  # up to its end
    }
    async with administering(kept.settings) as client:
        await client.delete_records(removed)
    return await bounds(kept.settings, topic)


async def _projected(installation: Installation) -> int:
    async with installation.connected() as pool:
        return int(await pool.fetchval("SELECT count(*) FROM p_decisions.decisions"))


async def _keep_for_a_year(installation: Installation) -> None:
    topic = names(installation.settings).decisions
    async with administering(installation.settings) as client:
        configs = await configs_of(client, topic)
        kept = {name: configs[name] for name in OWN} | {"retention.ms": str(365 * 24 * 3600 * 1000)}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=kept)])


@pytest.mark.soak
def test_decisions_that_a_retention_removed_keep_no_backup_away(kept: Installation, tmp_path: Path) -> None:
    """Those that are left have the offsets that they had, by which anchors name them."""
    for _ in range(50):
        kept.client().list_keys()
    asyncio.run(_append_to_another(kept))
    kept.caught_up()
    left = asyncio.run(_remove_decisions(kept))
    assert len([begin for begin, _ in left.values() if begin]) == 2
    kept.keytrail("backup", str(tmp_path / "kept.backup"))
    found = check(tmp_path / "kept.backup", FileMasterKey(kept.data / "master.key"))
    assert found["removed"] == sum(begin for begin, _ in left.values())
    with restored(kept, tmp_path / "kept.backup", tmp_path / "restored") as again:
        after = asyncio.run(bounds(again.settings, names(again.settings).decisions))
        assert {each: begin for each, (begin, _) in after.items()} == {each: begin for each, (begin, _) in left.items()}
        again.client().list_keys()
        again.caught_up()
        asyncio.run(_keep_for_a_year(again))  # else they should all be there
        verified = again.verified()
        assert verified["whole"], verified
        assert asyncio.run(_projected(again)) >= sum(end - begin for begin, end in left.values())

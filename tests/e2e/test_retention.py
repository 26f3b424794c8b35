"""What is proven, and what is not, after an operator's retention has removed decisions from their topic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from services.adapters.kafka import administering
from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from services.settings import Settings
from tests.contracts.test_device_feed import append
from tests.e2e.test_notary import calls, fetched, head, is_there, notarised_all
from tests.installation import Installation, eventually
from tests.pausing import pause


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("retention") / ".keytrail"
    with Installation(data, KEYTRAIL_NOTARIES="1", KEYTRAIL_DECISION_PARTITIONS="2") as running:
        eventually(lambda: is_there(running, "checkpoint"))
        yield running


async def remove_up_to(settings: Settings, ends: dict[int, int]) -> None:
    """What a retention does: the topic says that it has one, and its first records go."""
    topic = names(settings).decisions
    async with administering(settings) as admin:
        wanted = {"retention.ms": str(90 * 86_400_000), "max.message.bytes": "1048588"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)])
        await admin.delete_records(
            {TopicPartition(topic, part): RecordsToDelete(end) for part, end in ends.items() if end}
        )


def _a_call(running: Installation) -> str:
    return str(running.client().list_keys()["ResponseMetadata"]["RequestId"])


def test_a_removed_record_is_proven_by_the_proof_that_was_made_before(kept: Installation, tmp_path: Path) -> None:
    """Given a call whose record was removed, then no proof is made of it, and it says why; the one that was made still holds,
    and so does the tree: what was published stands for the leaf."""
    calls(kept, 5)
    call, proof = _a_call(kept), tmp_path / "proof.json"
    kept.keytrail("prove", call, "-o", str(proof))
    notarised_all(kept)
    asyncio.run(remove_up_to(kept.settings, asyncio.run(ends(kept.settings, names(kept.settings).decisions))))
    later = _a_call(kept)
    refused = kept.keytrail("prove", call, "-o", str(tmp_path / "again.json"), check=False)
    assert (refused.returncode, "is no longer in its topic" in " ".join(refused.stderr.split())) == (1, True)
    key = fetched(kept, "key").decode().strip()
    assert kept.keytrail_as({}, "verify-evidence", str(proof), "--log-key", key).returncode == 0
    kept.keytrail("prove", later, "-o", str(tmp_path / "later.json"))

    kept.caught_up()
    found = eventually(lambda: each if (each := kept.verified())["whole"] else None)
    assert (found["tree"]["differences"], found["projections"]) == ([], None)
    assert found["tree"]["gone"] >= 6
    record = json.loads(proof.read_text())["record"]
    asyncio.run(_without_row(kept, record["partition"], record["position"]))
    found = kept.verified()
    where = f"decisions {record['partition']}@{record['position']}"
    assert (found["whole"], found["tree"]["differences"]) == (False, [f"the leaf of {where} has no row"])


async def _without_row(running: Installation, partition: int, position: int) -> None:
    async with running.connected() as pool:
        await pool.execute("DELETE FROM p_decisions.decisions WHERE origin = $1 AND record = $2", partition, position)


def test_records_that_are_removed_before_they_are_leaves_stop_the_notary_until_an_operator_lets_it_go_on(
    kept: Installation,
) -> None:
    """A tree that went on behind them by itself would say that they never were. Passed over, they are named by a batch."""
    notary = kept.process("notary-1")
    pause(notary)
    calls(kept, 3)
    kept.caught_up()  # the projector has read them
    asyncio.run(remove_up_to(kept.settings, asyncio.run(ends(kept.settings, names(kept.settings).decisions))))
    notary.kill()

    def told() -> list[str]:
        kept.caught_up()
        return [each["summary"] for each in kept.answers("alerts") if each["rule"] == "notary-stopped"]

    (summary,) = eventually(told)
    assert summary.startswith("the records ")
    assert summary.endswith(" were removed before they became leaves")
    before = head(kept).size
    asked = json.loads(kept.keytrail("skip-records", "--yes", "--json").stdout)["removed"]
    assert {each["kind"] for each in asked} == {"decisions"}
    eventually(lambda: head(kept).size > before)  # it was killed, and is started again by and by
    kept.keytrail("prove", _a_call(kept), "-o", str(kept.data.parent / "after.json"))
    found = eventually(lambda: each if (each := kept.verified("--topics-only"))["tree"]["waiting"] == 0 else None)
    assert (found["tree"]["differences"], found["tree"]["passed_over"]) == (
        [],
        sum(each["last"] - each["first"] for each in asked),
    )
    assert json.loads(kept.keytrail("skip-records", "--json").stdout) == {"removed": []}


def test_decisions_that_their_topic_no_longer_has_outlive_every_new_beginning_of_their_projection(
    tmp_path: Path,
) -> None:
    """Whatever has the projection made anew: here, a position that somebody changed, and the operator's command."""
    with Installation(tmp_path / ".keytrail", KEYTRAIL_DECISION_PARTITIONS="2") as running:
        kms = running.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]

        def used() -> datetime | None:
            for _ in range(4):
                kms.describe_key(KeyId=key)
            running.caught_up()
            return asyncio.run(oldest_in(running, "p_decisions"))

        kms.encrypt(KeyId=key, Plaintext=b"x")
        oldest = used()
        assert (used_since(running, key), kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"]) == (
            None,
            "Encrypt",
        )
        topic = names(running.settings).decisions
        running.caught_up()  # a record that is removed before the projector has it stops the projector
        asyncio.run(remove_up_to(running.settings, asyncio.run(ends(running.settings, topic))))
        assert used() == oldest
        assert used_since(running, key) is None, "the tables still have every use"
        asyncio.run(changed(running, "UPDATE p_decisions.positions SET mac = 'another''s' WHERE topic = 'decisions'"))
        kms.describe_key(KeyId=key)
        eventually(lambda: asyncio.run(oldest_in(running, "p_decisions_kept_1")) == oldest)
        later = used()
        assert oldest is not None
        assert later is not None
        assert later > oldest
        running.keytrail("rebuild", "decisions")
        assert asyncio.run(oldest_in(running, "p_decisions_kept_2")) == later
        assert used() == later

        # Nobody is told that the key was never used, which may have been before.
        since = used_since(running, key)
        assert since is not None
        assert since >= later
        assert "no use of" in (told := " ".join(running.keytrail("last-use", key).stdout.split()))
        assert "is on record since" in told
        last = kms.get_key_last_usage(KeyId=key)
        assert (last["KeyLastUsage"], last["TrackingStartDate"] >= since.replace(microsecond=0)) == ({}, True)
        assert last["KeyCreationDate"] < last["TrackingStartDate"]
        (unused,) = [each["began"] for each in running.answers("unused", key)]
        assert datetime.fromisoformat(unused) >= later


@pytest.mark.soak
def test_since_when_decisions_are_on_record_stays_where_a_partition_was_emptied_and_nothing_comes(
    tmp_path: Path,
) -> None:
    """One API worker writes to one partition. Of the other one, nothing was known until now, at each question anew: a key that
    was in use had no use since then, and all that let somebody use it was unused."""
    with Installation(tmp_path / ".keytrail", KEYTRAIL_DECISION_PARTITIONS="2") as running:
        kms, topic = running.client(), names(running.settings).decisions
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=key, Plaintext=b"x")
        # A partition that no API worker chose has something to remove, too.
        asyncio.run(append(running.settings, {each: [b"of a stranger"] for each in range(2)}))
        running.caught_up()
        asyncio.run(remove_up_to(running.settings, asyncio.run(ends(running.settings, topic))))
        running.keytrail("rebuild", "decisions")
        since = used_since(running, key)
        assert since is not None

        kms.encrypt(KeyId=key, Plaintext=b"y")
        assert used_since(running, key) == since
        last = kms.get_key_last_usage(KeyId=key)
        assert last["TrackingStartDate"] == since
        assert since < last["KeyLastUsage"]["Timestamp"]
        (found,) = running.answers("unused", key)
        assert datetime.fromisoformat(found["began"]) == since
        assert [each["used"]["kms:Encrypt"]["calls"] for each in found["items"]] == [1]


def used_since(running: Installation, key: str) -> datetime | None:
    """Since when the uses of a key are on record, where that is not since it was made."""
    running.caught_up()
    (found,) = running.answers("last-use", key)
    return None if found["began"] is None else datetime.fromisoformat(found["began"])


async def changed(installation: Installation, statement: str) -> None:
    async with installation.connected() as pool:
        await pool.execute(statement)


async def oldest_in(installation: Installation, schema: str) -> datetime | None:
    """When the oldest decision of the topic was made that the tables of a schema have; None where the schema is not there."""
    async with installation.connected() as pool:
        if not await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.decisions"):
            return None
        found: datetime | None = await pool.fetchval(f"SELECT min(at) FROM {schema}.decisions WHERE origin >= 0")
        return found

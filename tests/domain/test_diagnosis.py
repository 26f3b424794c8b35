"""What `keytrail doctor` makes of facts. Given facts of a healthy installation with one thing changed, then one finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.identities.account import Account
from domain.log.levels import LEVEL, LEVEL_VERSION
from services.adapters.cluster_description import ClusterDescription, PartitionState, TopicState
from services.adapters.postgres_hosts import HostState
from services.arrangement import PROCESSES, TOPICS, KafkaOperation
from services.diagnosis import host_findings, kafka_findings, postgres_findings
from services.diagnosis.host_facts import ApiState, Certificate, DataFolderState, HostFacts, OwnProcess, SecretFile
from services.diagnosis.kafka_facts import KafkaFacts, LastRecord, TopicGrowth
from services.diagnosis.outcome import CheckOutcome, CheckVerdict, exit_code, look, ok, unchecked, wrong
from services.diagnosis.postgres_facts import Followed, PostgresFacts, StandbyState, VaultState
from services.runtime.data_folder import Running
from services.settings import load

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
SETTINGS = load(
    {},
    kafka="b1:9092,b2:9092,b3:9092",
    kafka_username="keytrail-writer",
    postgres="postgresql://u:p@db1,db2/keytrail",
    root_access_key_id="AKIA1",
    root_secret_access_key="s",
)
RIGHT = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "LogAppendTime",
}
EVERYTHING = frozenset(KafkaOperation)


def topic(partitions: int = 1, may: frozenset[KafkaOperation] = EVERYTHING, **each: int) -> TopicState:
    part = {"leader": 1, "replicas": 3, "in_sync": 3} | each
    return TopicState([PartitionState(number, **part) for number in range(partitions)], may)


def kafka(**changed: Any) -> KafkaFacts:
    """Three brokers on which everything is as it should be. `topics`, `brokers` and `denied` change the cluster."""
    topics = {f"keytrail.{each}": topic(6 if each == "decisions" else 1) for each in TOPICS} | changed.pop("topics", {})
    brokers = changed.pop("brokers", {1: "b1:9092", 2: "b2:9092", 3: "b3:9092"})
    denied = frozenset(changed.pop("denied", ()))
    cluster = ClusterDescription(brokers, {n: each for n, each in topics.items() if each and n not in denied}, denied)
    facts = KafkaFacts(
        bundled=False,
        version="4.0 or later",
        cluster=cluster,
        configs=dict.fromkeys(cluster.topics, RIGHT),
        groups={f"keytrail.{group}": EVERYTHING for process in PROCESSES for group in process.groups},
        grants=None,
        bounds={},
        last=LastRecord(at=0, appended=2_000, read=60_000_000),
        growth=None,
    )
    return replace(facts, **changed)


def only(findings: list[CheckOutcome]) -> CheckOutcome:
    (found,) = [each for each in findings if each.verdict != CheckVerdict.OK]
    return found


def of_kafka(settings: Any = SETTINGS, **changed: Any) -> list[CheckOutcome]:
    return list(kafka_findings.of_kafka(settings, kafka(**changed)))


def test_a_healthy_cluster_has_no_finding() -> None:
    assert {each.verdict for each in of_kafka()} == {CheckVerdict.OK}


@pytest.mark.parametrize(
    ("changed", "check", "verdict", "found"),
    [
        ({"brokers": {1: "b1:9092", 2: "b2:9092"}}, "Kafka", "look", "2 brokers, version 4.0 or later; KEYTRAIL_KAFKA names 3"),
        ({"version": "before 4.0"}, "Kafka", "wrong", "3 brokers, version before 4.0"),
        ({"topics": {"keytrail.events": None}}, "topic keytrail.events", "wrong", "it is not there"),
        ({"topics": {"keytrail.events": topic(2)}}, "topic keytrail.events", "wrong", "a start refuses it"),
        ({"topics": {"keytrail.order": topic(replicas=2, in_sync=2)}}, "topic keytrail.order", "wrong", "a start refuses it"),
        ({"topics": {"keytrail.alerts": topic(in_sync=2)}}, "replicas", "look", "not all in sync: keytrail.alerts/0 (2 of 3)"),
        (
            {"topics": {"keytrail.decisions": topic(6, in_sync=1)}},
            "replicas",
            "wrong",
            "too few in sync to take records: keytrail.decisions/0, keytrail.decisions/1, keytrail.decisions/2 and 3 more",
        ),
        ({"topics": {"keytrail.commands": topic(leader=-1)}}, "replicas", "wrong", "without a leader: keytrail.commands/0"),
        ({"last": LastRecord(0, 90_000_000, 91_000_000)}, "Kafka's clock", "wrong", "90.0 s from the writer's, 0 minutes ago"),
        ({"last": LastRecord(0, 20_000_000, 91_000_000)}, "Kafka's clock", "look", "20.0 s from the writer's, 1 minutes ago"),
        ({"last": LastRecord(0, 2_000, -9_000_000)}, "Kafka's clock", "wrong", "this machine's is at least 9 s behind the broker's"),
        ({"last": None}, "Kafka's clock", "unchecked", "no record of the log can be read to compare by"),
        (
            {"topics": {"keytrail.events": topic(may=EVERYTHING - {KafkaOperation.WRITE})}},
            "rights on Kafka",
            "wrong",
            "keytrail-writer may not Write topic keytrail.events",
        ),
        (
            {"groups": {"keytrail.writer": frozenset()}},
            "rights on Kafka",
            "wrong",
            "keytrail-writer may not Read group keytrail.writer",
        ),
        (
            {"groups": {"keytrail.writer": None}},
            "rights on Kafka",
            "look",
            "keytrail-writer may do what its process does; not known for group keytrail.writer",
        ),
    ],
)  # fmt: skip
def test_one_thing_of_a_cluster_that_is_not_as_it_should_be_is_one_finding(
    changed: dict[str, Any], check: str, verdict: str, found: str
) -> None:
    finding = only(of_kafka(**changed))
    assert (finding.check, finding.verdict, finding.found) == (check, verdict, found)
    assert finding.do or finding.verdict == CheckVerdict.UNCHECKED


def test_a_setting_that_a_start_refuses_is_named_with_the_command_that_mends_it() -> None:
    facts = kafka()
    configs = {**facts.configs, "keytrail.events": RIGHT | {"retention.ms": "1000"}}
    finding = only(list(kafka_findings.of_kafka(SETTINGS, replace(facts, configs=configs))))
    assert (finding.check, finding.verdict) == ("topic keytrail.events", "wrong")
    assert "--entity-name keytrail.events --add-config retention.ms=-1" in finding.do


def test_a_user_is_held_to_its_own_process_and_any_other_to_all() -> None:
    no_order = {"topics": {"keytrail.order": topic(may=EVERYTHING - {KafkaOperation.WRITE})}}
    assert {each.verdict for each in of_kafka(**no_order)} == {CheckVerdict.OK}, "a writer does not write it"
    other = only(of_kafka(replace(SETTINGS, kafka_username="ours"), **no_order))
    assert other.found == "ours may not Write topic keytrail.order"


def test_a_topic_that_this_user_may_not_see_is_not_called_missing() -> None:
    found = {each.check: each for each in of_kafka(denied={"keytrail.alerts"})}
    assert found["topic keytrail.alerts"].found == "this user may not see it"
    assert found["rights on Kafka"].verdict == CheckVerdict.WRONG


def test_a_cluster_that_has_never_been_used_is_not_wrong() -> None:
    findings = of_kafka(topics={f"keytrail.{each}": None for each in TOPICS}, last=None)
    assert {each.verdict for each in findings} == {CheckVerdict.OK, CheckVerdict.LOOK, CheckVerdict.UNCHECKED}


FOLLOWED = Followed({"decisions": {"events/0": 10, "decisions/0": 100}}, {"events/0": 10, "decisions/0": 100}, {"events/0": 10, "decisions/0": 100, "alerts/0": 5}, [], [])  # fmt: skip


def postgres(**changed: Any) -> PostgresFacts:
    facts = PostgresFacts(
        named=2,
        hosts=[HostState("db1", True, "ANY 1 (*)"), HostState("db2", False, "")],
        version="18.4",
        ahead=0.2,
        within=0.1,
        synchronous="local",
        waits_for="ANY 1 (*)",
        standbys=[StandbyState("db2", "quorum", 0)],
        database_bytes=9_000_000,
        vault=VaultState(0, "", 0, True),
        refused="",
        followed=FOLLOWED,
        root=account(AKIA1="Active"),
        level=(LEVEL, LEVEL_VERSION),
        older=0,
    )
    return replace(facts, **changed)


def account(ends: dict[str, int] | None = None, **keys: str) -> Account:
    return Account("111122223333", 0, keys, ends=ends or {})


def of_postgres(*, bundled: bool = False, **changed: Any) -> list[CheckOutcome]:
    return list(postgres_findings.of_postgres(SETTINGS, postgres(**changed), bundled=bundled))


def test_a_healthy_database_has_no_finding() -> None:
    assert {each.verdict for each in of_postgres()} == {CheckVerdict.OK}


@pytest.mark.parametrize(
    ("changed", "check", "verdict", "found"),
    [
        ({"hosts": [HostState("db1", True, "ANY 1 (*)")]}, "Postgres", "look", "version 18.4, 1 of 2 hosts answer"),
        (
            {"hosts": [HostState("db1", True, "x"), HostState("db2", True, "x")]},
            "standby of Postgres",
            "wrong",
            "a start refuses these hosts",
        ),
        ({"standbys": []}, "standby of Postgres", "wrong", "none is connected, and commits wait for ANY 1 (*)"),
        ({"named": 1, "standbys": [], "waits_for": ""}, "standby of Postgres", "look", "none: the vault is on one disk"),
        ({"named": 1, "waits_for": ""}, "standby of Postgres", "wrong", "1 connected, and no commit waits for one"),
        (
            {"waits_for": "ANY 1 (db2)", "standbys": [StandbyState("walreceiver", "async", 0)]},
            "standby of Postgres",
            "wrong",
            "none of the 1 connected is one that commits wait for (ANY 1 (db2))",
        ),
        (
            {"standbys": [StandbyState("db2", "potential", 1 << 30)]},
            "standby of Postgres",
            "wrong",
            "none of the 1 connected is one that commits wait for (ANY 1 (*))",
        ),
        (
            {"waits_for": "any 2 (db2, db3)", "standbys": [StandbyState("db2", "quorum", 0), StandbyState("x", "async", 0)]},
            "standby of Postgres",
            "wrong",
            "1 of the 2 connected is too few: commits wait for any 2 (db2, db3)",
        ),
        (
            {"waits_for": "2(db2, db3)", "standbys": [StandbyState("db2", "sync", 0)]},
            "standby of Postgres",
            "wrong",
            "1 of the 1 connected is too few: commits wait for 2(db2, db3)",
        ),
        ({"synchronous": "on"}, "standby of Postgres", "look", "1 connected; synchronous_commit=on"),
        ({"standbys": [StandbyState("db2", "quorum", 1 << 30)]}, "standby of Postgres", "look", "behind: db2 (1024 MiB)"),
        ({"ahead": -70.0}, "Postgres's clock", "wrong", "69.9 s from this machine's"),
        ({"ahead": 11.0, "within": 0.5}, "Postgres's clock", "look", "10.5 s from this machine's"),
        ({"vault": VaultState(-1, "", 0, True)}, "vault", "wrong", "a later version of Keytrail has migrated it"),
        ({"vault": VaultState(2, "", 0, True)}, "vault", "look", "2 migrations behind"),
        ({"vault": VaultState(0, "no", 0, True)}, "master key", "wrong", "it does not open the vault"),
        ({"vault": VaultState(0, "", 3, True)}, "master key", "look", "opens the vault; 3 rows are under another key"),
        ({"vault": VaultState(0, "", 0, False)}, "root credential", "look", "the vault has another secret of AKIA1, or none"),
        ({"root": account(AKIA1="Inactive", B="Active")}, "root credential", "wrong", "AKIA1 was disabled"),
        ({"root": account(B="Active")}, "root credential", "look", "the log does not know AKIA1"),
        ({"root": account(AKIA1="Active", B="Active")}, "root credential", "look", "B works beside it"),
        ({"refused": "cut"}, "log and database", "wrong", "a start refuses them"),
        ({"level": (99, "9.0.0")}, "upgrade", "wrong", "the log is at level 99, which this version does not know"),
        ({"level": (1, "0.1.0")}, "upgrade", "look", f"the log is at level 1, and this version knows level {LEVEL}"),
        ({"level": (1, "0.1.0"), "older": 3}, "upgrade", "look", "the log is at level 1, sessions of processes of an earlier version: 3"),
    ],
)  # fmt: skip
def test_one_thing_of_a_database_that_is_not_as_it_should_be_is_one_finding(
    changed: dict[str, Any], check: str, verdict: str, found: str
) -> None:
    finding = only(of_postgres(**changed))
    assert (finding.check, finding.verdict, finding.found) == (check, verdict, found)
    assert finding.do


@pytest.mark.parametrize(
    ("waits_for", "standbys"),
    [
        ("db2, db3", [StandbyState("db2", "sync", 0), StandbyState("db3", "potential", 0)]),
        ("FIRST 2 (db2, db3)", [StandbyState("db2", "sync", 0), StandbyState("db3", "sync", 0)]),
        ("ANY 1 (db2)", [StandbyState("", "", None)]),  # this user may not see which ones count
    ],
)
def test_as_many_standbys_as_commits_wait_for_are_no_finding(waits_for: str, standbys: list[StandbyState]) -> None:
    assert {each.verdict for each in of_postgres(waits_for=waits_for, standbys=standbys)} == {CheckVerdict.OK}


def test_an_overlap_of_the_root_users_access_keys_that_ends_is_as_it_should_be() -> None:
    ending = account({"B": 1}, AKIA1="Active", B="Active")
    found = {each.check: each for each in of_postgres(root=ending)}
    assert (found["root credential"].verdict, found["root credential"].found) == ("ok", "works; B ends")


def host(**changed: Any) -> HostFacts:
    facts = HostFacts(
        version="1.0",
        running=Running(1, 8600, "https://127.0.0.1:8600", "b:9092", "", version="1.0"),
        folder=DataFolderState(Path("/k"), True, 0o700, "", False, False),
        secrets=[SecretFile("the master key", Path("/k/master.key"), "")],
        certificates=[Certificate("KEYTRAIL_TLS_CERT", Path("/c.pem"), NOW + 100 * DAY, digest="d")],
        processes=[OwnProcess("api-1", 7, True)],
        api=ApiState("https://127.0.0.1:8600", 200, "ok", "d"),
        free=400_000_000_000,
        size=1_000_000_000_000,
        log_bytes=1_000_000,
    )
    return replace(facts, **changed)


def test_a_healthy_machine_has_no_finding() -> None:
    assert {each.verdict for each in host_findings.of_host(SETTINGS, host(), NOW)} == {CheckVerdict.OK}


def certificate(days: float = 100, digest: str = "d") -> dict[str, Any]:
    return {"certificates": [Certificate("KEYTRAIL_TLS_CERT", Path("/c.pem"), NOW + days * DAY, digest=digest)]}


FOLDER = host().folder


@pytest.mark.parametrize(
    ("changed", "check", "verdict", "found"),
    [
        ({"version": "2.0"}, "version", "look", "this command is 2.0, what runs here 1.0"),
        ({"folder": replace(FOLDER, mode=0o755)}, "data folder", "wrong", "mode 0755: others may look into it"),
        ({"folder": replace(FOLDER, restoring=True)}, "data folder", "wrong", "a restore onto it was broken off"),
        ({"folder": replace(FOLDER, fault="no")}, "data folder", "wrong", "a start refuses it"),
        ({"secrets": [SecretFile("the master key", Path("m"), "m may be read")]}, "files with secrets", "wrong", "the master key"),
        (certificate(-3), "KEYTRAIL_TLS_CERT", "wrong", "expired 3 days ago"),
        (certificate(5), "KEYTRAIL_TLS_CERT", "wrong", "expires in 5.0 days"),
        (certificate(20), "KEYTRAIL_TLS_CERT", "look", "expires in 20 days"),
        (certificate(100, "e"), "KEYTRAIL_TLS_CERT", "look", "the API shows another certificate than the file has"),
        ({"processes": [OwnProcess("api-1", 7, False)]}, "processes", "wrong", "ended: api-1"),
        ({"api": ApiState("u", 0, "refused")}, "API", "wrong", "u does not answer: refused"),
        ({"api": ApiState("u", 503, "not fresh")}, "API", "wrong", "not fresh"),
        ({"api": ApiState("u", 200, "degraded")}, "API", "look", "degraded"),
    ],
)  # fmt: skip
def test_one_thing_of_a_machine_that_is_not_as_it_should_be_is_one_finding(
    changed: dict[str, Any], check: str, verdict: str, found: str
) -> None:
    finding = only(list(host_findings.of_host(SETTINGS, host(**changed), NOW)))
    assert (finding.check, finding.verdict, finding.found) == (check, verdict, found)
    assert finding.do


@pytest.mark.parametrize(
    ("changed", "growth", "verdict", "found"),
    [
        ({}, TopicGrowth(20_000, 10, 6), "ok", "400.0 GB free, hardly grows"),
        # 1 MB and 199 MB for 20,000 records are 10 kB each; 600,000 records in 6 hours are 24 GB a day.
        ({}, TopicGrowth(20_000, 600_000, 6), "look", "400.0 GB free, grows by 24000 MB a day, full in 17 days"),
        ({}, TopicGrowth(20_000, 6_000_000, 6), "wrong", "400.0 GB free, grows by 240000 MB a day, full in 2 days"),
        ({}, TopicGrowth(20_000, 600_000, 0.1), "ok", "400.0 GB free; it is too early to say how fast it fills"),
        ({}, None, "ok", "400.0 GB free; the topics are elsewhere, or are not known"),
        ({"free": 40_000_000_000}, None, "look", "40.0 GB free; the topics are elsewhere, or are not known"),
        ({"free": 900_000_000}, None, "wrong", "0.9 GB free; the topics are elsewhere, or are not known"),
    ],
)  # fmt: skip
def test_when_a_disk_will_be_full(
    changed: dict[str, Any], growth: TopicGrowth | None, verdict: str, found: str
) -> None:
    finding = host_findings.of_disk(host(**changed), growth, 199_000_000)
    assert (finding.verdict, finding.found) == (verdict, found)


def test_the_exit_status_says_whether_something_is_wrong_or_nothing_was_checked() -> None:
    assert exit_code([ok("a", ""), look("b", "", "x"), unchecked("c", "")]) == 0
    assert exit_code([ok("a", ""), wrong("b", "", "x"), unchecked("c", "")]) == 1
    assert exit_code([ok("settings", ""), ok("version", ""), unchecked("b", "")]) == 2
    assert exit_code([]) == 2

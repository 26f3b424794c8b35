"""A whole cluster under load, with one fault after another: every answer is kept, right and given in time.

`make test` kills the broker that leads. `make cluster` does each kind of fault once, and `make cluster-soak` three times.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ssl import create_default_context

import pytest

from services.arrangement import PROCESSES
from services.runtime.memory import seldom
from tests.cluster import rounds
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS, Fault, kill_leader
from tests.cluster.load import ATTEMPT_DEADLINE, Load
from tests.consistency.observed import ObservedCall
from tests.faults.test_alerts import alerts_of
from tests.installation import eventually
from tests.loops import run

FLOWS_AGAIN_WITHIN = 10.0
PAUSE = 0.15
"""Seconds between two calls of a client: with 96 clients that never rest, these two processors have no time left to recover in."""
MANY, FEW = (32, 64), (6, 12)
"""How many clients change keys, and how many use them. `make test` has few: they take most of its time."""
ROUNDS = 3
CALM = 1.5
"""Seconds under load before a fault, and after it has been repaired."""


def struck(cluster: Cluster, fault: Fault, clients: tuple[int, int] = MANY) -> tuple[float, float, list[ObservedCall]]:
    """Strike under load. Returns the longest times without an answer to a changing and a using call, and all calls."""
    trusted = create_default_context(cafile=str(cluster.authority.certificate))
    changing, using = clients
    urls = [cluster.url(1), cluster.url(2)]
    with Load(urls, cluster.root, trusted, changing=changing, using=using, pause=PAUSE) as load:
        time.sleep(CALM)
        began = time.monotonic()
        fault.strike(cluster)
        load.wait_for_answers(time.monotonic(), 2 * FLOWS_AGAIN_WITHIN)
        time.sleep(CALM)
        ended = time.monotonic()
        gaps = [load.longest_gap(began, ended, changing=each) for each in (True, False)]
    cluster.wait_for_replicas()
    return gaps[0], gaps[1], load.calls


def require_all(cluster: Cluster, fault: Fault, within: float, clients: tuple[int, int] = MANY) -> None:
    changing, using, calls = struck(cluster, fault, clients)
    ends = Counter(how for each in calls for _, _, how in each.attempts)
    slowest = max(seconds for each in calls for _, seconds, _ in each.attempts)
    lost = [each for each in calls if not each.answered]
    print(
        f"{fault.name}: {changing:.1f} s without an answer to a change, {using:.1f} s to a use; slowest attempt {slowest:.1f} s; "
        f"{len(calls)} calls, {len(lost)} given up, attempts {dict(ends)}"
    )
    assert cluster.judge.judged(calls) == []
    assert slowest <= ATTEMPT_DEADLINE
    assert lost == []
    assert max(changing, using) <= within


def test_a_broker_that_is_killed_takes_nothing_with_it(cluster: Cluster) -> None:
    # Other tests run at the same time; `make cluster` runs alone, and holds every fault to the promise.
    require_all(cluster, Fault("the broker that leads is killed", kill_leader), 3 * FLOWS_AGAIN_WITHIN, FEW)
    denied = [line for each in cluster.brokers.all for line in each.log().splitlines() if "is Denied" in line]
    assert denied == [], "each process has the rights that it needs"
    verified = cluster.keytrail("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    told = {name: cluster.metrics(name) for name in cluster.members}
    led_at = [
        float(each) for text in told.values() for each in re.findall(r"^keytrail_leader_time_seconds (\S+)", text, re.M)
    ]
    assert len(led_at) == 2
    assert time.time() - max(led_at) < 30, "a writer leads"
    assert any('keytrail_projector_lag{topic="events"} 0.0' in text for text in told.values())


@pytest.mark.cluster
def test_the_doctor_finds_that_each_user_may_do_what_its_process_has_to(cluster: Cluster) -> None:
    """A notifier could not start here: it compares the log with the vault's pin, as every process does, and had no right to. Before
    all faults: afterwards the doctor rightly finds that clocks were wrong, and that alert workers have much to judge."""
    cluster.wait_for_replicas()
    with ThreadPoolExecutor(5) as threads:
        for _ in threads.map(partial(_require_rights, cluster), [each.name for each in PROCESSES]):
            pass


def _require_rights(cluster: Cluster, process: str) -> None:
    rows = [json.loads(line) for line in cluster.keytrail("doctor", "--json", process=process).stdout.splitlines()]
    found = {row["check"]: (row["verdict"], row["found"]) for row in rows}
    assert found["rights on Kafka"] == ("ok", f"keytrail-{process} may do what its process does")
    assert found["log and database"] == ("ok", "they belong together")
    assert found["standby of Postgres"] == ("ok", "1 connected; synchronous_commit=local")
    assert found["replicas"][0] == "ok"
    assert {check for check, (verdict, _) in found.items() if verdict == "wrong"} <= {"KEYTRAIL_KAFKA_CA"}, (
        "it lives for a day"
    )


@pytest.mark.cluster
@pytest.mark.parametrize("fault", FAULTS, ids=[each.name.replace(" ", "-") for each in FAULTS])
def test_nothing_answered_is_lost_and_calls_flow_again(cluster: Cluster, fault: Fault, soak: bool) -> None:
    if fault.cuts and not cluster.network.can_cut:
        pytest.skip("the network of the machines is cut by `ip`, which takes root")
    for _ in range(ROUNDS if soak else 1):
        require_all(cluster, fault, FLOWS_AGAIN_WITHIN)
        if soak:
            rounds.add(fault.name)


@pytest.mark.cluster
def test_every_alert_arrived_at_its_receiver(cluster: Cluster) -> None:
    """Those that were raised during all faults, and one of now."""
    before = len(run(alerts_of(cluster.settings)))
    kms = cluster.client()
    kms.schedule_key_deletion(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], PendingWindowInDays=30)
    eventually(lambda: len(run(alerts_of(cluster.settings))) > before, within=60)
    raised = {each["id"] for each in run(alerts_of(cluster.settings))}
    eventually(lambda: raised <= set(cluster.alerts.ids), within=60)
    arrived = list(cluster.alerts.ids)  # more may come meanwhile
    print(f"{len(raised)} alerts, {len(arrived) - len(set(arrived))} of them sent again")


@pytest.mark.cluster
def test_every_decision_is_at_the_audit_device(cluster: Cluster) -> None:
    """Once, by its id, though its line may have been written again."""
    lines: list[tuple[str, str]] = []
    with seldom():  # hundreds of thousands of records
        made = cluster.judge.on_record()

        def lacking() -> set[str]:
            lines[:] = ((each.id, each.call_id) for each in cluster.audit_lines() if each.call_id)
            return made - {call for _, call in lines}

        eventually(lambda: not lacking(), within=120)
    counted = Counter(dict(lines).values())
    print(f"{len(made)} calls, {len(lines) - len(dict(lines))} lines that were written again")
    assert [call for call in made if counted[call] != 1] == []


@pytest.mark.cluster
def test_the_log_is_whole_after_all_of_it(cluster: Cluster) -> None:
    verified = cluster.keytrail("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr

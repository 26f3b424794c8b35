"""The judge of histories finds a broken build: each of five deliberate breaks, each under a fault in which it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import (
    Fault,
    cut_writers,
    isolate_leader,
    isolate_leader_of_decisions,
    kill_api,
    kill_leader,
)
from tests.cluster.test_cluster import struck
from tests.consistency.judged import judged

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

MATTERS_WHEN: dict[str, Callable[[Cluster], None]] = {
    "no-freshness": kill_leader,
    "no-chain": cut_writers,
    # What a writer appended counts once it is read back, which takes two brokers: an API's own records show it.
    "one-broker-is-enough": isolate_leader_of_decisions,
    "retries-are-new-calls": kill_api,
    "any-leader-is-believed": isolate_leader,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Of its own: what a broken build wrote is on the log for ever."""
    with Cluster(tmp_path_factory.mktemp("broken") / "cluster") as running:
        yield running


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MATTERS_WHEN)
def test_a_deliberate_break_is_found(cluster: Cluster, name: str) -> None:
    if not cluster.network.can_cut:
        pytest.skip("the network of the machines is cut by `ip`, which takes root")
    cluster.restart(name)
    try:
        for _ in range(5):  # it takes a client that learns late who leads
            faults = judged(cluster.settings, struck(cluster, Fault(name, MATTERS_WHEN[name]))[2])
            if faults:
                break
    finally:
        cluster.restart()
    assert faults, "the judge found nothing"
    print(f"{name}: {len(faults)} faults, the first: {faults[0]}")

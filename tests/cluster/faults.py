"""What can go wrong in a cluster: each fault is done to a running one, and ends with everything whole again."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil

from services.adapters.kafka import KafkaTopic
from services.adapters.known_records import record_at
from services.adapters.topics import names
from tests.cluster.brokers import Broker
from tests.cluster.cluster import Cluster
from tests.cluster.leadership import leader_of, move
from tests.faults.full_disk import no_file_grows
from tests.installation import eventually
from tests.loops import run
from tests.pausing import paused

AWAY = 4.0
"""Seconds for which a broker stays away, and for which everything is left alone between two strikes of one fault."""
CUT = 8.0
"""Seconds for which packets are lost: longer than a writer is missed."""
UNREACHED = 12.0
"""Longer than an API waits for the record of a call: its client then tries again at the other one, though the call had its effect."""
HANGS = 30.0
CLOCKS = {"api-1": -30, "writer-1": 90, "writer-2": 30, "projector-1": -90, "alerts-1": 90, "notary-1": -30}
"""Seconds by which clocks are ahead."""
BROKERS_CLOCKS = (-30, 90, 30)
ACTIVATED = re.compile(r"^(\S+) WARN .*Performing controller activation", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """`cuts`: whether it takes a network that can be cut."""

    name: str
    strike: Callable[[Cluster], None]
    cuts: bool = False


def _leader(cluster: Cluster, topic: str = "") -> Broker:
    """The broker that leads partition 0 of a topic, of `events` where none is named."""
    number = run(leader_of(cluster.admin, topic or names(cluster.admin).events))
    return cluster.brokers.all[number - 1]


def _controller(cluster: Cluster) -> Broker:
    """The active controller: the one that was activated last."""
    found = []
    for broker in cluster.brokers.all:
        moments = ACTIVATED.findall(broker.log())
        found.append((max(moments, default=""), broker.number))
    return cluster.brokers.all[max(found)[1] - 1]


def _kill(cluster: Cluster, broker: Broker) -> None:
    """Returns when it is back and has what it missed."""
    broker.kill()
    time.sleep(AWAY)
    broker.start()
    cluster.wait_for_replicas()


def _restart(cluster: Cluster, broker: Broker, ahead: int) -> None:
    """Start a broker again with a clock that is `ahead` by so many seconds, and wait until it has what it missed."""
    broker.set_clock(ahead)
    broker.stop()
    broker.start()
    cluster.wait_for_replicas()


def kill_each_broker(cluster: Cluster) -> None:
    """Each comes back with a wrong clock, which `set_brokers_clocks` goes on with: three starts of a broker fewer."""
    for broker, ahead in zip(cluster.brokers.all, BROKERS_CLOCKS, strict=True):
        broker.set_clock(ahead)
        _kill(cluster, broker)


def kill_leader(cluster: Cluster) -> None:
    _kill(cluster, _leader(cluster))


def kill_controller(cluster: Cluster) -> None:
    _kill(cluster, _controller(cluster))


def move_leader(cluster: Cluster) -> None:
    run(move(cluster.admin, names(cluster.admin).events))


def hang_leader(cluster: Cluster) -> None:
    broker = _leader(cluster)
    assert broker.process is not None
    with paused(psutil.Process(broker.process.pid)):
        time.sleep(HANGS)


def _cut(cluster: Cluster, pairs: list[tuple[str, str]], seconds: float) -> None:
    for pair in pairs:
        cluster.network.cut(*pair)
    time.sleep(seconds)
    for pair in pairs:
        cluster.network.mend(*pair)
    time.sleep(AWAY)  # what was sent meanwhile arrives when TCP sends it again


def _other(cluster: Cluster, leader: Broker) -> str:
    return next(each.machine.name for each in cluster.brokers.all if each is not leader)


def isolate_leader(cluster: Cluster) -> None:
    """It still reaches every client, and does not learn that another broker leads by now."""
    _isolate(cluster, _leader(cluster))


def isolate_leader_of_decisions(cluster: Cluster) -> None:
    _isolate(cluster, _leader(cluster, names(cluster.admin).decisions))


def _isolate(cluster: Cluster, leader: Broker) -> None:
    others = [each.machine.name for each in cluster.brokers.all if each is not leader]
    name = leader.machine.name
    _cut(cluster, [pair for each in others for pair in ((name, each), (each, name))], CUT)


def pause_writer(cluster: Cluster) -> None:
    """The writer that leads is stopped until another one leads, and goes on then."""
    for name in ("writer-1", "writer-2"):
        with paused(psutil.Process(cluster.members[name].pid)):
            time.sleep(CUT)
        time.sleep(AWAY)


def cut_writers(cluster: Cluster) -> None:
    """What each writer's machine sends to the brokers is lost for long enough that another writer leads, and arrives then."""
    for node in ("node1", "node2"):
        _cut(cluster, [(node, each.machine.name) for each in cluster.brokers.all], 9.0)


def cut_brokers(cluster: Cluster) -> None:
    leader = _leader(cluster)
    one, other = leader.machine.name, _other(cluster, leader)
    _cut(cluster, [(one, other), (other, one)], CUT)


def cut_brokers_one_way(cluster: Cluster) -> None:
    leader = _leader(cluster)
    _cut(cluster, [(leader.machine.name, _other(cluster, leader))], CUT)


def cut_api(cluster: Cluster) -> None:
    rest = [name for name in cluster.network.machines if name != "api1"]
    _cut(cluster, [pair for each in rest for pair in (("api1", each), (each, "api1"))], UNREACHED)


def cut_api_one_way(cluster: Cluster) -> None:
    _cut(cluster, [("api1", name) for name in cluster.network.machines if name != "api1"], UNREACHED)


def fail_over_database(cluster: Cluster) -> None:
    cluster.databases.fail_over()
    time.sleep(2 * AWAY)
    cluster.databases.rejoin()


def restart_everything(cluster: Cluster) -> None:
    """One after another, as an upgrade does. Clocks that are wrong are right afterwards."""
    for broker in cluster.brokers.all:
        _restart(cluster, broker, 0)
    for member in cluster.members.values():
        member.set_clock(0)
        member.stop()
        member.start()
        if member.name.startswith("api"):
            eventually(partial(cluster.healthy, int(member.name[-1])), within=60)


def kill_api(cluster: Cluster) -> None:
    """Again and again, with calls under way: what they asked for may have been done, and their clients ask the other one."""
    for _ in range(6):
        cluster.members["api-1"].send(signal.SIGKILL)
        time.sleep(0.5)
        eventually(lambda: cluster.healthy(1), within=60)
        time.sleep(3.0)  # longer than a client stays with the other one


def kill_writer(cluster: Cluster) -> None:
    for name in ("writer-1", "writer-2"):
        cluster.members[name].send(signal.SIGKILL)
        time.sleep(CUT)


def fill_disk(cluster: Cluster) -> None:
    """No file of the broker that leads grows any more. It ends itself, and is started again when there is room."""
    broker = _leader(cluster)
    assert broker.process is not None
    no_file_grows(psutil.Process(broker.process.pid))
    eventually(lambda: broker.process is not None and broker.process.poll() is not None, within=30)
    time.sleep(AWAY)
    broker.start()


def slow_api(cluster: Cluster) -> None:
    """What an API and the brokers send to each other takes a fifth of a second each way."""
    cluster.proxy.delay = 0.2
    time.sleep(CUT)
    cluster.proxy.delay = 0.0


def set_clocks(cluster: Cluster) -> None:
    """Keytrail's processes are started again with clocks that are wrong, which `restart_everything` puts right."""
    for name, ahead in CLOCKS.items():
        member = cluster.members[name]
        member.set_clock(ahead)
        member.stop(signal.SIGKILL)
        member.start()
        if name == "api-1":
            eventually(lambda: cluster.healthy(1), within=60)
        if name.startswith("writer"):
            time.sleep(2 * AWAY)  # the other one leads first


def set_brokers_clocks(cluster: Cluster) -> None:
    """Each broker leads `events` for a while, with a clock that is wrong, which `restart_everything` puts right. A broker's clock
    says when a record was appended."""
    topic = names(cluster.admin).events
    for broker, ahead in zip(cluster.brokers.all, BROKERS_CLOCKS, strict=True):
        if broker.ahead != ahead:
            _restart(cluster, broker, ahead)
    for broker, ahead in zip(cluster.brokers.all, BROKERS_CLOCKS, strict=True):
        run(move(cluster.admin, topic, broker.number))
        time.sleep(AWAY)
        said = run(_last_appended(cluster, topic)) / 1_000_000 - time.time()
        assert abs(said - ahead) < AWAY, f"broker {broker.number} should be {ahead} s ahead, and is {said:.1f} s"


async def _last_appended(cluster: Cluster, topic: str) -> int:
    """When the last record was appended, as its broker says. Microseconds since the epoch."""
    events = KafkaTopic(cluster.admin, topic)
    try:
        return (await record_at(events, await events.end() - 1)).appended
    finally:
        await events.close()


FAULTS = (
    Fault("the broker that leads is killed", kill_leader),
    Fault("the active controller is killed", kill_controller),
    Fault("leadership of events is moved", move_leader),
    Fault("the broker that leads hangs for 30 s", hang_leader),
    Fault("the broker that leads is cut off from the others", isolate_leader, cuts=True),
    Fault("two brokers cannot reach each other", cut_brokers, cuts=True),
    Fault("a broker's packets to another are lost", cut_brokers_one_way, cuts=True),
    Fault("each writer's packets are lost for a while", cut_writers, cuts=True),
    Fault("an API reaches nothing, and nothing it", cut_api, cuts=True),
    Fault("an API's packets are lost", cut_api_one_way, cuts=True),
    Fault("the database fails over", fail_over_database),
    Fault("each writer is killed in turn", kill_writer),
    Fault("each writer is paused in turn", pause_writer),
    Fault("the disk of the broker that leads is full", fill_disk),
    Fault("an API's way to the brokers is slow", slow_api),
    Fault("each broker is killed in turn", kill_each_broker),
    Fault("the brokers' clocks are wrong", set_brokers_clocks),
    Fault("our clocks are wrong", set_clocks),
    Fault("everything is restarted in turn", restart_everything),
)

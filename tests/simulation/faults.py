"""What strikes a simulated installation, and when. The seed draws a plan; each stroke of it has chances of its own, so that a plan from
which some were taken out strikes with the others as before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.simulation.brokers import Odds
from tests.simulation.clients import Network
from tests.simulation.installation import EVENTS, PROJECTIONS_EVERY, PROJECTORS, Installation

FIRST, LAST = 3.0, 55.0
"""Virtual seconds between which faults strike."""
BEGINNING = 12
"""The first records of `events`: the log's beginning, and the clients' keys. Without those no client has anything to ask."""
CLOCKS = (-90.0, -30.0, -2.0, 2.0, 30.0, 90.0)


@dataclass(frozen=True, slots=True)
class Target:
    installation: Installation
    network: Network
    chance: Random

    def some_process(self) -> str:
        return self.chance.choice(sorted(self.installation.processes))

    def tell(self, what: str) -> None:
        self.installation.shared.tell(f"* {what}")


async def kill(at: Target) -> None:
    name = at.some_process()
    at.tell(f"{name} is killed")
    at.installation.processes[name].kill("SIGKILL")


async def kill_the_leader(at: Target) -> None:
    name = at.installation.shared.group.leader
    if name in at.installation.processes:
        at.tell(f"{name}, which leads, is killed")
        at.installation.processes[name].kill("SIGKILL")


async def stop(at: Target) -> None:
    name, seconds = at.some_process(), at.chance.choice([0.5, 3.0, 7.0, 12.0, 20.0])
    await _stop(at, name, seconds)


async def _stop(at: Target, name: str, seconds: float) -> None:
    process = at.installation.processes[name]
    at.tell(f"{name} is stopped for {seconds:.1f} s")
    process.stop()
    await asyncio.sleep(seconds)
    process.resume()
    at.tell(f"{name} goes on")


async def cut(at: Target) -> None:
    name, seconds = at.some_process(), at.chance.uniform(0.5, 14.0)
    to, back = at.chance.choice([(True, True), (True, False), (False, True)])
    link = at.installation.shared.brokers.link(at.installation.processes[name])
    what = " and ".join(["what it sends"] * to + ["what is sent to it"] * back)
    at.tell(f"{name} and the brokers are cut apart for {seconds:.1f} s: {what} is lost")
    link.cut(to=to, back=back)
    await asyncio.sleep(seconds)
    link.cut(to=False, back=False)
    at.tell(f"{name} reaches the brokers again")


async def believe_a_former_leader(at: Target) -> None:
    name, seconds = at.some_process(), at.chance.uniform(1.0, 12.0)
    brokers = at.installation.shared.brokers
    at.tell(f"for {seconds:.1f} s {name} reaches only the broker that led, which is cut off from the others")
    link = brokers.link(at.installation.processes[name])
    link.freeze({name: len(each.values) for name, each in brokers.partitions.items()})
    await asyncio.sleep(seconds)
    link.freeze(None)
    at.tell(f"{name} reaches the broker that leads")


async def slow(at: Target) -> None:
    name, times, seconds = at.some_process(), at.chance.choice([30.0, 300.0]), at.chance.uniform(1.0, 10.0)
    link = at.installation.shared.brokers.link(at.installation.processes[name])
    at.tell(f"the way of {name} to the brokers is {times:.0f} times as slow for {seconds:.1f} s")
    link.slow = times
    await asyncio.sleep(seconds)
    link.slow = 1.0


async def fail_over(at: Target) -> None:
    seconds = at.chance.uniform(0.05, 4.0)
    at.tell(f"the broker that leads is lost, and another leads after {seconds:.1f} s")
    await at.installation.shared.brokers.fail_over(seconds)


async def _with_odds(at: Target, odds: Odds, what: str) -> None:
    seconds = at.chance.uniform(1.0, 8.0)
    at.tell(f"for {seconds:.1f} s {what}")
    at.installation.shared.brokers.odds = odds
    await asyncio.sleep(seconds)
    at.installation.shared.brokers.odds = Odds()


async def lose_batches(at: Target) -> None:
    await _with_odds(at, Odds(lost=0.1, unsaid=0.05), "brokers lose batches, and others that come later land")


async def lose_answers(at: Target) -> None:
    await _with_odds(at, Odds(unanswered=0.2), "appends land, and their answers are lost")


async def append_twice(at: Target) -> None:
    await _with_odds(at, Odds(twice=0.3), "appends land twice")


async def lose_the_vault(at: Target) -> None:
    seconds = at.chance.uniform(0.5, 10.0)
    at.tell(f"the database is away for {seconds:.1f} s")
    shared = at.installation.shared
    shared.set_database_away(True)
    await asyncio.sleep(seconds)
    shared.set_database_away(False)


async def vault_answers_lost(at: Target) -> None:
    seconds = at.chance.uniform(1.0, 10.0)
    at.tell(f"for {seconds:.1f} s the database does what it is asked, and its answer is lost, every third time")
    at.installation.shared.set_unanswered(0.3)
    await asyncio.sleep(seconds)
    at.installation.shared.set_unanswered(0.0)


async def lose_the_tiles(at: Target) -> None:
    tiles, seconds = at.installation.shared.tiles, at.chance.uniform(1.0, 10.0)
    if at.chance.random() < 0.5:
        at.tell(f"the store of tiles is away for {seconds:.1f} s")
        tiles.away = True
    else:
        at.tell(
            f"for {seconds:.1f} s the store of tiles does what it is asked, and its answer is lost, every third time"
        )
        tiles.unanswered = 0.3
    await asyncio.sleep(seconds)
    tiles.away, tiles.unanswered = False, 0.0


async def set_a_clock(at: Target) -> None:
    name, seconds = at.some_process(), at.chance.choice(CLOCKS)
    lasts = at.chance.uniform(2.0, 12.0)
    at.tell(f"the clock of {name} is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'} for {lasts:.1f} s")
    at.installation.set_skew(name, seconds)
    await asyncio.sleep(lasts)
    at.installation.set_skew(name, 0.0)


async def set_every_clock(at: Target) -> None:
    """Each machine's clock is wrong in its own way."""
    seconds = at.chance.uniform(20.0, 50.0)
    skews = {name: at.chance.choice(CLOCKS) for name in sorted(at.installation.processes)}
    at.tell(
        f"for {seconds:.0f} s every clock is wrong: "
        + ", ".join(f"{name} {skew:+.0f} s" for name, skew in skews.items())
    )
    for name, skew in skews.items():
        at.installation.set_skew(name, skew)
    await asyncio.sleep(seconds)
    for name in skews:
        at.installation.set_skew(name, 0.0)


async def lose_requests(at: Target) -> None:
    seconds = at.chance.uniform(1.0, 8.0)
    at.tell(f"for {seconds:.1f} s requests and answers of clients are lost, every fifth")
    at.network.lost = 0.2
    await asyncio.sleep(seconds)
    at.network.lost = 0.0


def _some_projector(at: Target) -> str:
    """The one that is at work, mostly."""
    holder = at.installation.shared.locks.get("projector")
    if holder is not None and at.chance.random() < 0.8:
        return holder.process.name
    return at.chance.choice(PROJECTORS)


async def kill_a_projector(at: Target) -> None:
    name = _some_projector(at)
    at.tell(f"{name} is killed")
    at.installation.processes[name].kill("SIGKILL")


async def stop_a_projector(at: Target) -> None:
    """For so long that another one may take over, or not."""
    name, seconds = _some_projector(at), at.chance.uniform(0.5, 12.0)
    await _stop(at, name, seconds)


async def hang_a_session(at: Target) -> None:
    at.tell("a session of a projector with the database hangs")
    at.installation.projecting.tables.hangs = True


async def fail_over_the_database(at: Target) -> None:
    """Every session is lost, and with those the locks. What was not committed never was."""
    seconds = at.chance.uniform(0.1, 6.0)
    at.tell(f"the database is lost with every session, and another one takes its place after {seconds:.1f} s")
    shared, tables = at.installation.shared, at.installation.projecting.tables
    tables.away = True
    tables.end_sessions()
    holder = shared.locks.pop("projector", None)
    if holder is not None:
        holder.lost()
    await asyncio.sleep(seconds)
    tables.away = False


async def lose_commits(at: Target) -> None:
    seconds = at.chance.uniform(2.0, 12.0)
    at.tell(f"for {seconds:.1f} s what projectors write is done, and its answer is lost, every second time")
    tables = at.installation.projecting.tables
    tables.unanswered = 0.5
    await asyncio.sleep(seconds)
    tables.unanswered = 0.0


async def lose_the_tail(at: Target) -> None:
    """What Kafka promises never to do. Nothing can bring back what is lost; but nobody may go on as if it were there."""
    partition = at.installation.shared.brokers.partition(EVENTS)
    count = min(at.chance.randint(1, 30), max(0, len(partition.values) - BEGINNING))
    at.tell(f"the last {count} records of events are lost, though brokers had acknowledged them")
    partition.cut(count)
    at.installation.shared.tail_lost_at = asyncio.get_running_loop().time()


Strike = Callable[[Target], Awaitable[None]]
STROKES: Mapping[str, Strike] = {
    each.__name__: each
    for each in (
        kill,
        kill_the_leader,
        stop,
        cut,
        believe_a_former_leader,
        slow,
        fail_over,
        lose_batches,
        lose_answers,
        append_twice,
        lose_the_vault,
        vault_answers_lost,
        lose_the_tiles,
        set_a_clock,
        set_every_clock,
        lose_requests,
    )
}
STROKES_OF_PROJECTORS: Mapping[str, Strike] = {
    each.__name__: each
    for each in (kill_a_projector, stop_a_projector, hang_a_session, fail_over_the_database, lose_commits)
}
"""Where there are projectors, some of these strike too."""
ALL_STROKES = {**STROKES, **STROKES_OF_PROJECTORS, lose_the_tail.__name__: lose_the_tail}
DISASTERS = 0.15
"""The share of seeds in which brokers lose what they had acknowledged."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """`at`: in virtual seconds. `number`: its place in the plan that the seed drew, from which its chances follow."""

    at: float
    name: str
    number: int


def plan_of(seed: int) -> tuple[Stroke, ...]:
    chance = Random(f"{seed} plan")  # the seed decides everything
    names = sorted(STROKES)
    drawn = [chance.choice(names) for _ in range(chance.randint(3, 7))]
    if chance.random() < DISASTERS:
        drawn.append(lose_the_tail.__name__)
    if seed % PROJECTIONS_EVERY == 0:
        of_projectors = Random(f"{seed} plan of projectors")  # so that other faults strike as they do without
        drawn += [of_projectors.choice(sorted(STROKES_OF_PROJECTORS)) for _ in range(of_projectors.randint(2, 4))]
    strokes = sorted((chance.uniform(FIRST, LAST), name) for name in drawn)
    return tuple(Stroke(at, name, number) for number, (at, name) in enumerate(strokes))


async def carry_out(plan: tuple[Stroke, ...], seed: int, installation: Installation, network: Network) -> None:
    async def one(stroke: Stroke) -> None:
        await asyncio.sleep(max(0.0, stroke.at - asyncio.get_running_loop().time()))
        chance = Random(f"{seed} stroke {stroke.number}")  # the seed decides everything
        await ALL_STROKES[stroke.name](Target(installation, network, chance))

    await asyncio.gather(*(one(each) for each in plan))

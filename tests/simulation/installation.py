"""Keytrail's processes, by their own code, behind the simulated topics and vault."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple, cast
from uuid import uuid4

from domain.keys.limits import Limits
from domain.log.record import Record
from domain.ports import OutOfRange, Unavailable
from domain.state.fold import Fold
from domain.transparency.order import OrderBroken
from services.adapters import keyring, snapshots
from services.adapters.attempts import Attempts
from services.adapters.decisions import DecisionLanes
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.postgres import Pool
from services.adapters.tokens import Tokens
from services.clock import Clock
from services.kms_api.anchors import Anchors
from services.kms_api.app import App
from services.kms_api.authentication import Authenticator
from services.kms_api.calls import Calls
from services.kms_api.live_state import LiveState
from services.kms_api.maker import VaultMaker
from services.kms_api.materials import HeldMaterials
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.passwords import Passwords
from services.kms_api.provider_keys import ProviderKeys
from services.kms_api.recall import ProjectedRecall
from services.kms_api.refused_attempts import RefusedAttempts
from services.kms_api.token_door import TokenDoor
from services.kms_api.vault_watch import VaultWatch
from services.kms_api.web_identity import WebIdentities
from services.notary.publisher import Superseded
from services.settings import Settings
from services.writer.doubts import Deposed, TermEnded, require_certain
from services.writer.leader import FirstIdentities, Leader
from services.writer.step import WriterStep
from services.writer.vault_upkeep import VaultUpkeep
from services.writer.warm_fold import WarmFold
from tests.simulation.alert_workers import AlertingShared, run_alert_worker
from tests.simulation.brokers import Brokers, FreshProducer, SimulatedTopic
from tests.simulation.election import Group, SimulatedElection
from tests.simulation.notary import NotaryRows, SimulatedNotary
from tests.simulation.projectors import ProjectingShared, run_projector
from tests.simulation.sessions import SimulatedPool
from tests.simulation.tables import SimulatedTables
from tests.simulation.tiles import TileFiles
from tests.simulation.vault import MemoryVault, VaultRows
from tests.simulation.virtual import EPOCH, Process, VirtualLoop

EVENTS, COMMANDS, DECIDED = "sim.events", "sim.commands", "sim.decisions"
PARTITIONS = 2
ROOT = ("AKIASIMULATED0000001", "a secret of the simulation")
SETTINGS = Settings(
    root_access_key_id=ROOT[0], root_secret_access_key=ROOT[1], change_rate=0.0, topic_prefix="sim", console="off"
)
SNAPSHOT_EVERY = 25
"""Records."""
PROJECTIONS_EVERY = 15
"""In one seed out of so many, projectors keep their tables, which are judged. In every second of these, alert workers do their work too,
so that there are alerts to project."""
PROJECTORS = ("projector-1", "projector-2")
RESTART_AFTER = (0.3, 1.5)
LOCK_LOST = 0.3
"""The chance in each second that the database takes a holder who does not answer for gone."""
NOT_SIMULATED = cast("Pool", None)
"""In the place of connections to Postgres for what no simulated client asks: questions to projections, and counts of codes."""

WORLD = contextvars.Context()
Serve = Callable[[Process], Any]


class LockHolder(NamedTuple):
    """`lost` has its session end."""

    process: Process
    lost: Callable[[], None]


@dataclass(slots=True)
class Shared:
    """What all processes share. `tail_lost_at`: when brokers lost what they had acknowledged, in virtual seconds."""

    loop: VirtualLoop
    chance: Random
    brokers: Brokers
    rows: VaultRows
    leaf_rows: NotaryRows
    tiles: TileFiles
    story: list[str]
    group: Group = field(default_factory=Group)
    snapshots: list[snapshots.SealedSnapshot] = field(default_factory=list)
    alerting: AlertingShared | None = None
    """None: nobody judges."""
    wrong_rows: list[str] = field(default_factory=list)
    """What was wrong with the rows of projections at the end."""
    origin: str = ""
    projecting: ProjectingShared | None = None
    """None: no projector keeps tables."""
    locks: dict[str, LockHolder] = field(default_factory=dict)
    """Who holds the lock of the notary, and of the projector, that is at work."""
    tail_lost_at: float | None = None

    def set_database_away(self, away: bool) -> None:
        self.rows.away = self.leaf_rows.away = away
        for each in self._tables():
            each.away = away

    def set_unanswered(self, chance: float) -> None:
        """The chance that a write of the vault, of alert workers or of projectors is done and its answer lost."""
        self.rows.unanswered = chance
        for each in self._tables():
            each.unanswered = chance

    def _tables(self) -> list[SimulatedTables]:
        return [each.tables for each in (self.alerting, self.projecting) if each is not None]

    def tell(self, what: str) -> None:
        self.story.append(f"{self.loop.now:10.4f}  {what}")


class Installation:
    """Two APIs, two writers, two notaries, two alert workers (if `alerts`), two projectors (if `projections`) and one that keeps nothing
    but snapshots, and the supervisor that starts again what dies."""

    def __init__(self, loop: VirtualLoop, seed: int, *, alerts: bool = False, projections: bool = False) -> None:
        chance = Random(f"{seed} world")  # the seed decides everything
        brokers = Brokers(chance, loop, EPOCH)
        self.shared = Shared(loop, chance, brokers, VaultRows(chance), NotaryRows(chance), TileFiles(chance), [])
        self.shared.rows.secrets[ROOT[0]] = (ROOT[1], EPOCH)
        self.processes: dict[str, Process] = {}
        self.apps: dict[str, App] = {}
        self.ready = asyncio.Event()
        """Set once both APIs take calls."""
        self.restarts = 0
        self._skews: dict[str, float] = {}
        self._works: dict[str, Serve] = {
            "writer-1": self._writer,
            "writer-2": self._writer,
            "api-1": self._api,
            "api-2": self._api,
            "projector": self._keep_snapshots,
            "notary-1": self._notary,
            "notary-2": self._notary,
        }
        if alerts:
            self.shared.alerting = AlertingShared.of(seed, self.shared.snapshots, PARTITIONS)
            self._works |= {"alerts-1": self._alert_worker, "alerts-2": self._alert_worker}
        if projections:
            self.shared.projecting = ProjectingShared.of(seed, brokers, self.shared.snapshots, PARTITIONS)
            self._works |= dict.fromkeys(PROJECTORS, self._projector)

    @property
    def projecting(self) -> ProjectingShared:
        assert self.shared.projecting is not None, "it has projectors"
        return self.shared.projecting

    def start(self) -> None:
        for each in self._works:
            self._start(each)

    def _start(self, name: str) -> None:
        shared = self.shared
        process = Process(name, shared.loop, self._skews.get(name, 0.0))
        process.on_death.append(lambda: self._died(process))
        self.processes[name] = process
        self.apps.pop(name, None)
        process.start(self._run(process))

    def set_skew(self, name: str, seconds: float) -> None:
        """The machine's clock is wrong from now on, also after a restart of the process."""
        self._skews[name] = self.processes[name].skew = seconds

    async def _run(self, process: Process) -> None:
        try:
            await self._works[process.name](process)
        except (Unavailable, OutOfRange, Superseded, OrderBroken) as fault:
            process.kill(f"cannot start: {fault}")

    def _died(self, process: Process) -> None:
        shared = self.shared
        shared.tell(f"{process.name} ends: {process.why}")
        self.apps.pop(process.name, None)
        self.restarts += 1
        again = shared.chance.uniform(*RESTART_AFTER)
        # In a context of the world: what a dead process schedules never runs.
        WORLD.copy().run(shared.loop.call_later, again, self._start, process.name)

    # -- the processes ----------------------------------------------------------------------------------------------

    async def _restored(self, events: SimulatedTopic, keys: VaultKeyring) -> Fold:
        rows = sorted(self.shared.snapshots, key=lambda each: -each.position)
        return await snapshots.newest_of(rows, events, keys)

    async def _writer(self, process: Process) -> None:
        shared = self.shared
        vault = MemoryVault(shared.rows)
        keys = await open_keyring(vault)
        election = SimulatedElection(shared.group, shared.brokers, process.name)
        await election.join()
        events, commands = SimulatedTopic(shared.brokers, EVENTS), SimulatedTopic(shared.brokers, COMMANDS)
        fold = await WarmFold(events, partial(self._restored, events, keys), keys).once(election.elected)
        await asyncio.sleep(shared.chance.uniform(0, 0.1))
        leader = Leader(
            cast("Any", events),
            cast("Any", commands),
            WriterStep(fold, uuid4().hex, SETTINGS.org_id, Limits()),
            VaultUpkeep(vault, _nobody_is_told),
            Clock(),
            FirstIdentities(SETTINGS.region, SETTINGS.account_id, SETTINGS.root_access_key_id),
            _never_skipped,
            self._require_origin,
            keys,
            self._keep_marks,
            process.end,
        )
        leading, lost = asyncio.create_task(leader.lead()), asyncio.create_task(election.lost())
        done, _ = await asyncio.wait([leading, lost], return_when=asyncio.FIRST_COMPLETED)
        if lost in done:
            require_certain(Deposed(), process.end)
        require_certain(TermEnded(leading.exception()), process.end)

    async def _require_origin(self, log: str) -> None:
        self.shared.origin = self.shared.origin or log
        if self.shared.origin != log:
            raise Unavailable(f"the database belongs to log {self.shared.origin}, and the topic holds {log}")

    async def _keep_marks(self, fold: Fold) -> None:
        pass

    async def _api(self, process: Process) -> None:
        shared = self.shared
        vault, clock = MemoryVault(shared.rows), Clock()
        keys = await open_keyring(vault)
        events, commands = SimulatedTopic(shared.brokers, EVENTS), SimulatedTopic(shared.brokers, COMMANDS)
        fold = await self._restored(events, keys)
        tokens = Tokens(keys, fold)
        materials = HeldMaterials(vault, tokens)

        def on_record(record: Record | None) -> None:
            if record is not None:
                materials.forget(fold.world.removed)

        live = LiveState(events, fold, keys, SETTINGS.fresh_for, on_record, process.end)
        start = shared.chance.randrange(PARTITIONS)
        decisions = DecisionLanes(
            lambda: FreshProducer(shared.brokers), DECIDED, PARTITIONS, start, live.seal_of_decisions
        )
        anchors = Anchors(live, decisions, commands, clock)
        mfa = MfaCodes(live, vault, Attempts(NOT_SIMULATED, 5, 60.0), clock)
        making = VaultMaker(vault, tokens, mfa, Passwords(live, vault, Attempts(NOT_SIMULATED, 5, 60.0)))
        recall = ProjectedRecall(NOT_SIMULATED, cast("Any", None))
        calls = Calls(SETTINGS, live, commands, decisions, making, materials, recall, clock, mfa)
        authenticator = Authenticator(live, vault, tokens, SETTINGS.region, clock)
        refused = RefusedAttempts(calls.records)
        web = WebIdentities(live, ProviderKeys(cast("Any", None)))
        door = TokenDoor(web, authenticator, refused, clock)
        app = App(live, authenticator, calls, cast("Any", None), clock, VaultWatch(NOT_SIMULATED), door)
        works = (live.follow(), live.keep_asking(), anchors.keep_anchoring(), refused.keep_recording())
        tasks = [asyncio.create_task(each) for each in works]
        await live.begun(ROOT[0])
        self.apps[process.name] = app
        if len(self.apps) == 2:
            self.ready.set()
        shared.tell(f"{process.name} takes calls at position {live.position}")
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        process.end("a task that runs beside the calls has ended")

    async def _keep_snapshots(self, process: Process) -> None:
        """What a projector does beside its tables. It also keeps the history of key policies for alert workers."""
        shared = self.shared
        keys = await open_keyring(MemoryVault(shared.rows))
        events = SimulatedTopic(shared.brokers, EVENTS)
        fold = await self._restored(events, keys)
        reader, kept = await events.reader(fold.next), fold.next
        while True:
            for stored in await reader.read(100):
                record = await keyring.take(fold, stored, keys)
                if shared.alerting is not None:
                    shared.alerting.history.take(stored.offset, record, fold.world)
            if fold.next - kept >= SNAPSHOT_EVERY:
                new, kept = snapshots.sealed(fold), fold.next
                older = [each for each in shared.snapshots if each.position < new.position]
                shared.snapshots[:] = [*older[1 - snapshots.KEEP :], new]

    async def _projector(self, process: Process) -> None:
        shared = self.shared
        if self.projecting.log_unknown:
            await asyncio.Event().wait()  # an operator has to decide what becomes of the log
        keys = await open_keyring(MemoryVault(shared.rows))
        pool = SimulatedPool(self.projecting.tables, process)
        await self._has_lock(process, "projector", partial(self._lose_session, process, pool))
        shared.tell(f"{process.name} projects")
        await run_projector(self.projecting, keys, SETTINGS.region, process, pool)

    def _lose_session(self, process: Process, pool: SimulatedPool) -> None:
        """The database takes the process for gone, and ends its sessions. It ends once it hears of that."""

        async def ends() -> None:
            await process.goes_on()
            await asyncio.sleep(self.shared.chance.uniform(0.0, 1.0))
            process.kill("the lock was lost with its session")

        pool.lose()
        self.shared.loop.create_task(ends(), context=contextvars.Context())

    async def _notary(self, process: Process) -> None:
        shared = self.shared
        keys = await open_keyring(MemoryVault(shared.rows))
        await self._has_lock(process, "notary", lambda: None)
        fold = await self._folded(SimulatedTopic(shared.brokers, EVENTS), keys)
        notary = SimulatedNotary(shared.brokers, shared.leaf_rows, shared.tiles, keys, fold.chain, PARTITIONS)
        shared.tell(f"{process.name} notarises")
        await notary.run()

    async def _alert_worker(self, process: Process) -> None:
        shared = self.shared
        assert shared.alerting is not None, "it has alert workers"
        keys = await open_keyring(MemoryVault(shared.rows))
        while not shared.origin or shared.loop.time() < shared.alerting.begins:  # noqa: ASYNC110  # another process finds it
            await asyncio.sleep(0.2)
        shared.tell(f"{process.name} judges")
        await run_alert_worker(shared.alerting, shared.brokers, keys, shared.origin, SETTINGS.region, process)

    async def _has_lock(self, process: Process, of: str, lost: Callable[[], None]) -> None:
        """Waits for the lock of one kind of process. Its holder may have lost it, with the session, and not know that yet. `lost` is
        what becomes of this process then."""
        locks, chance = self.shared.locks, self.shared.chance
        while True:
            holder = locks.get(of)
            if holder is None or holder.process.dead:
                break
            if not self._answers(holder.process) and chance.random() < LOCK_LOST:
                holder.lost()
                break
            await asyncio.sleep(1)
        locks[of] = LockHolder(process, lost)

    def _answers(self, process: Process) -> bool:
        link = self.shared.brokers.link(process)
        return not (process.stopped or link.to or link.back)

    async def _folded(self, events: SimulatedTopic, keys: VaultKeyring) -> Fold:
        fold = await self._restored(events, keys)
        while not fold.world.log or fold.next < await events.end():
            reader = await events.reader(fold.next)
            for stored in await reader.read(100):
                await keyring.take(fold, stored, keys)
        return fold


async def _never_skipped(log: str, next_command: int) -> bool:
    return False


async def _nobody_is_told(log: str, materials: set[str], keys: list[str]) -> bool:
    return True

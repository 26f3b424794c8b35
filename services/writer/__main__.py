"""`python -m services.writer`: stands by, leads when elected, and ends the process on any doubt."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from functools import partial
from uuid import uuid4

from domain.keys.limits import Limits
from domain.ports import LogRefused
from domain.state.fold import Fold
from services.adapters import due_hold, level_mark, origin, pins, services_file, skips, snapshots, topics
from services.adapters.kafka import KafkaTopic
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import INTERRUPTED, UNREACHABLE, Pool
from services.clock import clock_of
from services.logs import configure, logger_of
from services.runtime.bootstrap import PreparedProcess, open_pool, prepare
from services.runtime.collector_faults import tell_of_collector
from services.runtime.health_alerts import HealthAlerts
from services.runtime.heartbeat import begin_behind, forget_former, keep_beating
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import end_now
from services.runtime.setting_names import warn_of_unknown
from services.settings import BadSetting, Settings, load
from services.traces.tracer import TRACES
from services.writer.doubts import Deposed, StartRefused, TermEnded, require_certain
from services.writer.election import Election
from services.writer.leader import FirstIdentities, Leader
from services.writer.step import WriterStep
from services.writer.vault_upkeep import VaultUpkeep
from services.writer.warm_fold import WarmFold

log = logger_of("writer")

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)


async def _alert_of_missing(alerts: HealthAlerts, log_id: str, materials: set[str], keys: list[str]) -> bool:
    from domain.alerts.rules import material_missing  # with the rules, a writer would take 20 MB more

    summary = f"The vault lacks key material, for instance of {keys[0]}. Keys: {len(keys)}. Materials: {len(materials)}"
    return await alerts.publish(material_missing.RULE, log_id, f"{min(materials)} {len(materials)}", summary)


async def _keep_marks(settings: Settings, pool: Pool, prepared: PreparedProcess, fold: Fold) -> None:
    """Raises Unavailable, OSError, asyncpg's errors. A failure of the note of the level only costs an older version its message,
    and is no reason not to lead."""
    if fold.chain.authority.begun:
        await pins.keep(settings, prepared.vault, prepared.keys, fold.chain.authority)
    try:
        await level_mark.keep(pool, prepared.keys, fold.chain, fold.world.level, fold.world.level_version)
    except INTERRUPTED as fault:
        log.warning(
            "the log's level is not noted in the database; the next writer that leads does it", reason=repr(fault)
        )


def _election(settings: Settings) -> Election:
    member = os.environ.get("KEYTRAIL_WRITER_NAME", f"writer-{os.uname().nodename}-{os.getpid()}")
    return Election(settings, topics.names(settings).commands, f"{settings.topic_prefix}.writer", member)


async def _lead(settings: Settings, election: Election) -> None:
    names = topics.names(settings)
    clock = clock_of(settings)
    forget_former(settings)
    caught_up = begin_behind(settings)
    await answer_metrics(settings, "writer")
    TRACES.begin(settings, "writer")
    pool = await open_pool(settings)
    prepared = await prepare(settings, pool)
    keep_beating(settings)
    tell_of_collector(settings, pool, "writer")
    vault, keys = prepared.vault, prepared.keys
    await election.join()
    events, commands = KafkaTopic(settings, names.events), KafkaTopic(settings, names.commands)
    await events.connect()  # a takeover often comes with a broker that is away
    log.info("writer stands by", member=election.member)
    restored = partial(snapshots.restore, pool, events, keys)
    fold = await WarmFold(events, restored, keys, caught_up).once(election.elected)
    caught_up()
    log.info("writer is elected", member=election.member, position=fold.chain.position)
    # A random wait, so that two writers elected in turn do not depose each other again and again.
    await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311  # jitter, no secret
    limits = Limits(
        settings.keys_per_account, settings.aliases_per_key, settings.grants_per_key, settings.on_demand_rotations
    )
    leader = Leader(
        events,
        commands,
        WriterStep(fold, uuid4().hex, settings.org_id, limits),
        VaultUpkeep(
            vault, partial(_alert_of_missing, HealthAlerts(settings, keys)), partial(due_hold.stands, pool, keys)
        ),
        clock,
        FirstIdentities(
            settings.region,
            settings.account_id,
            settings.root_access_key_id,
            tuple(each.registered for each in services_file.load(settings)),
        ),
        lambda log_name, next_command: skips.permitted(pool, keys, log_name, next_command),
        lambda log_name: origin.require(pool, log_name, names.events),
        keys,
        partial(_keep_marks, settings, pool, prepared),
    )
    leading = asyncio.create_task(leader.lead())
    lost = asyncio.create_task(election.lost())
    done, _ = await asyncio.wait({leading, lost}, return_when=asyncio.FIRST_COMPLETED)
    if lost in done:
        require_certain(Deposed())
    with suppress(asyncio.CancelledError):
        require_certain(TermEnded(leading.exception()))


async def run() -> None:
    settings = load()
    election = _election(settings)
    task = asyncio.ensure_future(_lead(settings, election))
    loop = asyncio.get_running_loop()
    # Nothing else needs an orderly end: records that were read back count, and the next writer settles the others.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end_now, election.hand_over)
    try:
        await task
    except CANNOT_START as fault:
        require_certain(StartRefused(fault))


def main() -> None:
    configure()
    warn_of_unknown(log, os.environ)
    asyncio.run(run())


if __name__ == "__main__":
    main()

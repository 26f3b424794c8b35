"""`python -m services.notary`: notarise until the process is stopped."""

from __future__ import annotations

import asyncio

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.log_now import log_name
from services.adapters.postgres import INTERRUPTED
from services.adapters.tile_stores import require_conditions, tile_store
from services.adapters.topics import log_topic
from services.adapters.tree_key_rows import TreeKeyRefused
from services.logs import logger_of
from services.notary.alerts import NotaryAlerts
from services.notary.publisher import Superseded
from services.notary.recorded_rotations import RecordedRotations
from services.notary.timestamps import require_authority
from services.notary.tree_keys import open_tree_keys, require_others_key
from services.notary.witness_policy import load_policy
from services.notary.worker import Notary, shows_a_tree
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.heartbeat import forget_former, keep_beating
from services.runtime.memory import look_seldom_for_cycles
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import alone, end_when_told, run_until_told
from services.settings import load

BEGINS_ANEW: tuple[type[BaseException], ...] = (Superseded, TimeoutError, *INTERRUPTED)
AGAIN_AFTER = 0.5


async def run() -> None:
    settings = load()
    policy = load_policy(settings)
    require_authority(settings)
    end_when_told()
    forget_former(settings)
    await answer_metrics(settings, "notary")
    pool = await open_pool(settings)
    prepared = await prepare(settings, pool)
    keep_beating(settings)
    await alone(pool, AdvisoryLock.NOTARY, "notary")
    await prepared.keys.read_again()  # a standby may have waited for weeks
    log = await log_name(log_topic(settings), prepared.keys)
    await require_others_key(settings, pool, prepared.keys)
    alerts = NotaryAlerts(settings, prepared.keys, log)
    store = tile_store(settings)
    try:
        rotations = RecordedRotations(settings, pool, prepared.keys)
        there_is = await shows_a_tree(settings, store)
        tree_keys = await open_tree_keys(settings, prepared.vault, log, rotations, there_is)
    except TreeKeyRefused as fault:
        await alerts.stopped(fault, 0)
        raise
    look_seldom_for_cycles()
    while True:
        notary = Notary(settings, pool, prepared.keys, log, prepared.partitions, store, tree_keys, policy, alerts)
        try:
            await require_conditions(store)
            await notary.run()
        except BEGINS_ANEW as fault:
            # What became of a batch under way, the topic of batches says.
            logger_of("notary").warning("notarising was interrupted; it begins anew", reason=repr(fault))
            await asyncio.sleep(AGAIN_AFTER)
        finally:
            await notary.close()


def main() -> int:
    return run_until_told("notary", run)


if __name__ == "__main__":
    raise SystemExit(main())

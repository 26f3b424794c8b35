"""rebuild, skip-commands, skip-records, accept-loss, release-due: commands for an operator whose tables or topics are damaged, or
were restored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from projections.registry import PROJECTIONS
from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.host import TellBar, reaching, reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data, Yes
from services.cli.parameters import Argument
from services.cli.terminal import as_line, counted, say
from services.ownership import user_name
from services.settings import Settings

if TYPE_CHECKING:
    from services.alert_worker.positions import JudgedUpTo


def rebuild(
    name: Annotated[str, Argument(help=f"One of {', '.join(PROJECTIONS)}")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Build the tables of a projection from the log, beside the live ones, and replace them at the end."""
    if name not in PROJECTIONS:
        fail(f"There is no projection {name!r}: name one of {', '.join(PROJECTIONS)}.", 2)
    settings = reaching_broker_and_database(data)
    count = result_or_exit(lambda tell: _rebuild(settings, name, tell), "The projection is unchanged: ")
    if as_json:
        as_line({"projection": name, "records": count})
        return
    say(f"{name} built anew from {counted(count, 'record')}")


async def _rebuild(settings: Settings, name: str, tell: TellBar) -> int:
    """Returns from how many records it built the tables."""
    from services.adapters.keyring import open_keyring  # see host.py
    from services.projector.rebuild import rebuild_projection
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        return await rebuild_projection(settings, pool, keys, PROJECTIONS[name], tell)
    finally:
        await pool.close()


def skip_commands(yes: Yes = False, as_json: AsJson = False, data: Data = None) -> None:
    """Let the writer go on after commands were lost before it could read them. The log records the skip."""
    settings = reaching(data)
    if not yes:
        confirm_or_fail("The calls that were lost will never be answered. Go on?")
    result_or_exit(lambda _: _permit_skip(settings))
    if as_json:
        as_line({"skips": 1})
    else:
        say("the writer may skip once")


async def _permit_skip(settings: Settings) -> None:
    from services.adapters import skips, snapshots  # see host.py
    from services.adapters.keyring import open_keyring
    from services.adapters.topics import log_topic
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        events = log_topic(settings)
        try:
            fold = await snapshots.newest(pool, events, keys)
        finally:
            await events.close()
        await skips.permit(pool, keys, fold.world.log, fold.world.next_command)
    finally:
        await pool.close()


def release_due(yes: Yes = False, as_json: AsJson = False, data: Data = None) -> None:
    """Let the writer delete keys and expire key material again. A restore holds both, since the lost end of the log may have
    cancelled a deletion: cancel it again first, or import the material anew."""
    settings = reaching_broker_and_database(data)
    held = result_or_exit(lambda _: _held(settings))
    if held is None:
        if as_json:
            as_line({"released": None})
        else:
            say("No restore holds deletions and expiries.")
        return
    if not as_json:
        for each in held["due"]:
            say(f"{each['at']} {each['what']} {each['key']}")
        say(f"{counted(len(held['due']), 'deletion or expiry', 'deletions and expiries')} due now")
    if not yes:
        confirm_or_fail("The writer carries them out within seconds, and what it destroys never comes back. Go on?")
    result_or_exit(lambda _: _release(settings, held["log"]))
    if as_json:
        as_line({"released": held["due"]})
    else:
        say("the writer deletes and expires again")


async def _held(settings: Settings) -> dict[str, Any] | None:
    """The log's id, and what is due on it; None if no restore holds it."""
    from domain.commands.due import Deletion, destructions_due
    from domain.log.codec import rfc3339
    from services.adapters import due_hold, snapshots  # see host.py
    from services.adapters.keyring import open_keyring
    from services.adapters.topics import log_topic
    from services.clock import clock_of
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        keys, events = await open_keyring(open_vault(settings, pool)), log_topic(settings)
        try:
            world = (await snapshots.newest(pool, events, keys)).world
        finally:
            await events.close()
        if not await due_hold.stands(pool, keys, world.log):
            return None
        due = [
            {"at": rfc3339(at), "what": "deletion" if isinstance(work, Deletion) else "expiry", "key": key.arn}
            for at, key, work in destructions_due(world, clock_of(settings).now())
        ]
        return {"log": world.log, "due": due}
    finally:
        await pool.close()


async def _release(settings: Settings, log: str) -> None:
    from services.adapters import due_hold  # see host.py
    from services.runtime.bootstrap import open_pool

    pool = await open_pool(settings)
    try:
        await due_hold.lift(pool, log)
    finally:
        await pool.close()


def accept_loss(yes: Yes = False, as_json: AsJson = False, data: Data = None) -> None:
    """Let alert workers go on after brokers lost records of the log that were judged: they judge what is left anew. An alert
    names you. A restore of a backup brings the records back; this does not."""
    settings = reaching_broker_and_database(data)
    lost = result_or_exit(lambda _: _lost(settings))
    if lost is None:
        if as_json:
            as_line({"judged": None})
        else:
            say("The log has the last record that was judged: there is no loss to accept.")
        return
    if not as_json:
        say(
            f"Alert workers judged the log up to @{lost.next - 1}, and the last of these records is not there any more."
        )
    if not yes:
        confirm_or_fail("What the lost records say of calls will never be known again. Go on without them?")
    by = f"{user_name(os.geteuid())} on {os.uname().nodename}"
    result_or_exit(lambda _: _accept(settings, lost, by))
    if as_json:
        as_line({"judged": lost.next - 1, "by": by})
    else:
        say("alert workers judge what is left anew, within some seconds")


async def _lost(settings: Settings) -> JudgedUpTo | None:
    """How far the log was judged, if it lacks the last record that was. The row is not proved here: a permission for a row that
    somebody else wrote permits nothing."""
    from services.adapters.keyring import open_keyring
    from services.adapters.log_now import head_before
    from services.adapters.topics import log_topic
    from services.alert_worker import positions  # see host.py
    from services.alert_worker.events import PART
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        if not await pool.fetchval("SELECT to_regclass('alerting.positions') IS NOT NULL"):
            return None
        judged = (await positions.reached(pool)).get(PART)
        if judged is None or not judged.digest:
            return None
        keys = await open_keyring(open_vault(settings, pool))
        head = await head_before(judged.next, log_topic(settings), pool, keys)
        return None if head == judged.digest else judged
    finally:
        await pool.close()


async def _accept(settings: Settings, judged: JudgedUpTo, by: str) -> None:
    from services.adapters import skips  # see host.py
    from services.adapters.keyring import open_keyring
    from services.adapters.log_now import log_name
    from services.adapters.topics import log_topic
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        permit = skips.of_judging(await log_name(log_topic(settings), keys), judged.digest)
        await skips.permit(pool, keys, permit, judged.next, by)
    finally:
        await pool.close()


def skip_records(yes: Yes = False, as_json: AsJson = False, data: Data = None) -> None:
    """Let the notary go on after records were removed before they became leaves. A batch of the transparency log names them."""
    settings = reaching(data)
    gaps = result_or_exit(lambda _: _removed(settings))
    if not gaps and not as_json:
        say("No record was removed before it became a leaf.")
    for each in gaps if not as_json else ():
        records = counted(each["last"] - each["first"], "record")
        say(f"{records} of {each['kind']}, partition {each['partition']}, from @{each['first']} on")
    if gaps and not yes:
        confirm_or_fail("The removed records will never be leaves, so nobody can prove them. Go on?")
    result_or_exit(lambda _: _permit_leaves(settings, gaps))
    if as_json:
        as_line({"removed": gaps})
    elif gaps:
        say("the notary may pass over them")


async def _removed(settings: Settings) -> list[dict[str, Any]]:
    """The spans of records that would be the next leaves and are gone."""
    from services.adapters.keyring import open_keyring
    from services.adapters.log_now import chain_now
    from services.adapters.record_topics import topics_read
    from services.adapters.topic_bounds import bounds
    from services.adapters.topics import log_topic
    from services.notary import leaf_rows
    from services.runtime.bootstrap import open_pool, open_vault

    pool, found = await open_pool(settings), list[dict[str, Any]]()
    try:
        keys = await open_keyring(open_vault(settings, pool))
        order = await leaf_rows.kept_order(pool, keys, (await chain_now(log_topic(settings), pool, keys)).authority.key)
        for kind, topic in topics_read(settings).items():
            for partition, (begin, _) in (await bounds(settings, topic)).items():
                next = order.next.get((kind, partition), begin)
                if next < begin:
                    found.append({"kind": kind, "partition": partition, "first": next, "last": begin})
        return found
    finally:
        await pool.close()


async def _permit_leaves(settings: Settings, gaps: list[dict[str, Any]]) -> None:
    from services.adapters import skips  # see host.py
    from services.adapters.keyring import open_keyring
    from services.adapters.log_now import log_name
    from services.adapters.topics import log_topic
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        log = await log_name(log_topic(settings), keys)
        for each in gaps:
            await skips.permit(pool, keys, skips.of_leaves(log, each["kind"], each["partition"]), each["first"])
    finally:
        await pool.close()

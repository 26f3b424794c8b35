"""Restores a backup onto empty servers: every record gets the same bytes at the same position, so the chain stays valid."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from domain.log.chain import Chain
from domain.log.codec import object_of, parse
from domain.ports import Headers, LogRefused, MasterKey, Unavailable
from projections.registry import PROJECTIONS
from services.adapters import cloudevents, due_hold, restore_mark, skips, snapshots, topics, vault_copy
from services.adapters.cluster_description import describe
from services.adapters.kafka import KafkaTopic, Producer, administering
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.snapshots import LoadedSnapshots
from services.adapters.topic_bounds import ends
from services.adapters.vault import Vault
from services.arrangement import KafkaOperation
from services.audit_devices.device_rows import SCHEMA as DEVICES
from services.backup.decision_topic import RestoredDecisions
from services.backup.dump import Tell
from services.backup.sealed_file import read
from services.ownership import write_private
from services.runtime.bootstrap import open_pool
from services.runtime.data_folder import Folder
from services.settings import Settings


class NotEmpty(Exception):
    """The servers already hold data where the backup would go. The message says what to do."""


async def require_rights(settings: Settings, *, deletes: bool) -> None:
    """Find out whether this user of Kafka may fill the topics, before anything is written. No process needs so much, so none of
    their users may. `deletes`: decisions do not begin at 0, and to make that so, records are deleted. Raises LogRefused,
    Unavailable."""
    named = topics.names(settings)
    try:
        async with administering(settings, topics.ADMIN_TIMEOUT_MS) as client:
            found = await describe(client, (named.events, named.decisions))
    except (KafkaError, TimeoutError, OSError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {fault!r}") from fault
    fills = frozenset({KafkaOperation.READ, KafkaOperation.WRITE})
    needed = {named.events: fills, named.decisions: fills | {KafkaOperation.DELETE} if deletes else fills}
    denied = [topic for topic, state in found.topics.items() if not needed[topic] <= state.may] + sorted(found.denied)
    if denied:
        does = "read, write and delete records of" if deletes else "read and write"
        who = f"The user {settings.kafka_username}" if settings.kafka_username else "This connection"
        raise LogRefused(
            f"{who} may not {does} {' and '.join(sorted(denied))} on Kafka, and a restore fills them. Name a user who "
            "may, such as the one who made the topics, in KEYTRAIL_KAFKA_USERNAME and KEYTRAIL_KAFKA_PASSWORD, for this command "
            "alone. Nothing was written."
        )


async def restore(settings: Settings, path: Path, partitions: int, tell: Tell) -> dict[str, int]:
    """Restore a file that `check` has read onto running, empty servers. Return how many events, decisions and materials were
    restored. Raises NotEmpty, Unavailable, BadBackup."""
    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    try:
        if await restore_mark.stands(pool):
            raise NotEmpty(restore_mark.what_to_do(settings))
        if await Vault.is_sealed(pool):
            raise NotEmpty("The database already holds a vault: restore onto an empty database.")
        if await Vault.holds_rows(pool):
            raise NotEmpty(
                "The database holds rows of a vault without a seal, as an interrupted restore leaves them. Restore onto an empty "
                "database, or remove them (DROP SCHEMA vault CASCADE)."
            )
        if left := await _left_over(pool):
            raise NotEmpty(
                "The database holds tables of an earlier installation, which would count as genuine under the restored "
                f"keys. Restore onto an empty database, or remove them (DROP SCHEMA {', '.join(left)} CASCADE)."
            )
        names = topics.names(settings)
        for topic in (names.events, names.decisions, names.commands, names.order, names.alerts):
            if any((await ends(settings, topic)).values()):
                raise NotEmpty(
                    f"{topic} holds records already: restore onto empty topics, or set KEYTRAIL_TOPIC_PREFIX."
                )
        if len(await ends(settings, names.decisions)) != partitions:
            raise NotEmpty(f"{names.decisions} must have {partitions} partitions, as in the backup.")
        return await _restore(settings, path, master, pool, tell)
    finally:
        await pool.close()


async def _left_over(pool: Pool) -> list[str]:
    """The schemas of an earlier installation that are still there. Their rows say how far that installation's topics were read.
    The restored keys make their MACs valid again, so new records at those positions would count as already judged, sent,
    projected and proven, and rows of the backup would clash with those of its predecessor."""
    ours = [
        "alerting",
        "notifying",
        "present",
        "transparency",
        DEVICES,
        *(each.schema for each in PROJECTIONS.values()),
    ]
    rows = await pool.fetch("SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[]) ORDER BY 1", ours)
    return [row["nspname"] for row in rows]


async def _restore(settings: Settings, path: Path, master: MasterKey, pool: Pool, tell: Tell) -> dict[str, int]:
    vault, producer = Vault(pool, master), Producer(settings)
    keys: VaultKeyring | None = None
    chain: Chain | None = None
    names = topics.names(settings)
    counts = {"events": 0, "decisions": 0, "materials": 0}
    log_id, next_command = "", 0
    decisions, loaded = RestoredDecisions(settings, names.decisions, producer), LoadedSnapshots(pool)
    await restore_mark.put(pool)
    await vault.migrate()
    await snapshots.prepare(pool)
    events = KafkaTopic(settings, names.events)
    try:
        for document in read(path, master):
            match document["kind"]:
                case "start":
                    _keep_credentials(settings, document["credentials"])
                case "vault":
                    await vault_copy.load(pool, document["table"], document["rows"])
                    counts["materials"] += len(document["rows"]) if document["table"] == "materials" else 0
                case "decisions":
                    values = _values(document)
                    records = [(value, _decision_headers(value)) for value in values]
                    await decisions.append(document["partition"], document["offset"], records)
                    counts["decisions"] += len(values)
                    tell("decisions", counts["decisions"], 0)
                case "events":
                    if keys is None or chain is None:  # only now: the keys are in the vault's rows, which come first
                        keys = await open_keyring(vault)
                        chain = Chain(keys=keys)
                    values = _values(document)
                    accepted = [_accepted(chain, at, value) for at, value in enumerate(values, document["offset"])]
                    log_id = chain.authority.log
                    headers = [_event_headers(log_id, record) for record in accepted]
                    await producer.append_all(names.events, 0, list(zip(values, headers, strict=True)))
                    for record in accepted:
                        next_command = next_command if record is None else int(record["next_command"])
                    counts["events"] += len(values)
                    tell("events", counts["events"], 0)
                case "snapshot":
                    await loaded.take(document)
                case "end":
                    await decisions.end()
                    await _require_same(events, chain, document)
        keys = keys or await open_keyring(vault)
        await due_hold.put(pool, keys, log_id)
        # A backup has no commands, so the writer may skip those that were waiting when it was made.
        await skips.permit(pool, keys, log_id, next_command)
        await restore_mark.remove(pool)
    finally:
        await producer.close()
        await events.close()
    return counts


async def _require_same(events: KafkaTopic, chain: Chain | None, end: dict[str, Any]) -> None:
    """Raises Unavailable if the restored log differs: if Kafka took a record twice or out of order, the chain is not valid."""
    reached = await events.end()
    if reached != end["next"] or chain is None or chain.head != end["head"]:
        raise Unavailable(
            f"the restored log is not the one in the backup ({reached} records of {end['next']}); restore again"
        )


def _values(document: dict[str, Any]) -> list[bytes]:
    return [b64decode(value) for value in document["values"]]


def _accepted(chain: Chain, offset: int, value: bytes) -> dict[str, Any] | None:
    """The record that a value of `events` holds, once the chain has taken it in; None for a value that does not count. Others may
    have written that, so nothing is read from it: neither headers nor the log's id."""
    record = parse(value)
    return record if record is not None and chain.accepts(offset, value, record) else None


def _event_headers(log_id: str, record: dict[str, Any] | None) -> Headers:
    """The CloudEvents attributes of a record; no headers for a value that does not count."""
    if record is None:
        return ()
    event, call = record["event"] or {}, record["call"] or {}
    return cloudevents.of_event(log_id, call.get("id"), record["previous"], event.get("type"), record["at"])


LONGEST_ATTRIBUTE = 200
"""Characters of an attribute, five times what Keytrail's own have. With a longer header, a value that just fits the topic would
no longer."""


def _decision_headers(value: bytes) -> Headers:
    """The CloudEvents attributes of a decision; no headers for a value of another shape, which others wrote. Which decisions
    count is not known here: a backup has the log after them."""
    document = object_of(value) or {}
    call = document.get("call")
    log, name, at = document.get("log"), call.get("id") if isinstance(call, dict) else None, document.get("at")
    if not (isinstance(log, str) and isinstance(name, str) and isinstance(at, str)):
        return ()
    if max(len(log), len(name), len(at)) > LONGEST_ATTRIBUTE:
        return ()
    try:
        return cloudevents.of_decision(log, name, at)
    except UnicodeEncodeError:  # JSON may name half a character
        return ()


def _keep_credentials(settings: Settings, credentials: dict[str, str] | None) -> None:
    if credentials is not None:
        write_private(Folder(settings.data).path / "credentials.json", json.dumps(credentials))

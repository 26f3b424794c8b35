"""Restoring a backup onto empty servers: the same positions, the same bytes, the same chain."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from domain.log.chain import Chain
from domain.log.codec import object_of, parse
from domain.ports import Headers, MasterKey, Unavailable
from projections.registry import PROJECTIONS
from services.adapters import cloudevents, skips, snapshots, topics
from services.adapters.kafka import KafkaTopic, Producer, ends
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.vault import Vault
from services.backup.dump import Tell
from services.backup.sealed_file import BadBackup, read
from services.ownership import write_private
from services.runtime.bootstrap import open_pool
from services.runtime.data_folder import Folder
from services.settings import Settings


class NotEmpty(Exception):
    """There is something in the place of the backup. The message says what to do."""


def check(path: Path, master: MasterKey) -> dict[str, Any]:
    """Read the whole file. Returns its first and last part. Raises BadBackup, MasterKeyRefused, OSError."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for document in read(path, master):
        first = first or document
        last = document
    if first.get("kind") != "start" or last.get("kind") != "end":
        raise BadBackup(f"{path} is not whole.")
    return {**first, **last}


async def restore(settings: Settings, path: Path, partitions: int, tell: Tell) -> dict[str, int]:
    """Restore onto servers that run and hold nothing; `path` was checked. Raises NotEmpty, Unavailable, BadBackup."""
    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    try:
        if await Vault.is_sealed(pool):
            raise NotEmpty("The database holds a vault already: restore onto an empty one.")
        if left := await _left_over(pool):
            raise NotEmpty(
                "The database holds what an installation before had counted and told, under keys that the backup brings "
                f"back: restore onto an empty one, or remove it (DROP SCHEMA {', '.join(left)} CASCADE)."
            )
        names = topics.names(settings)
        for topic in (names.events, names.decisions, names.commands):
            if any((await ends(settings, topic)).values()):
                raise NotEmpty(
                    f"{topic} holds records already: restore onto empty topics, or set KEYTRAIL_TOPIC_PREFIX."
                )
        if len(await ends(settings, names.decisions)) != partitions:
            raise NotEmpty(f"{names.decisions} has other partitions than the backup's {partitions}.")
        return await _restore(settings, path, master, pool, tell)
    finally:
        await pool.close()


async def _left_over(pool: Pool) -> list[str]:
    """Schemas whose rows go on from positions of topics that do not exist any more. Their MACs hold again under the vault's
    root secret. So later records at the same positions would count as already judged, sent and shown."""
    ours = ["alerting", "notifying", *(each.schema for each in PROJECTIONS.values())]
    rows = await pool.fetch("SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[]) ORDER BY 1", ours)
    return [row["nspname"] for row in rows]


async def _restore(settings: Settings, path: Path, master: MasterKey, pool: Pool, tell: Tell) -> dict[str, int]:
    vault, producer = Vault(pool, master), Producer(settings)
    keys: VaultKeyring | None = None
    chain: Chain | None = None
    names = topics.names(settings)
    counts = {"events": 0, "decisions": 0, "materials": 0}
    log, next_command = "", 0
    await vault.migrate()
    await snapshots.prepare(pool)
    events = KafkaTopic(settings, names.events)
    try:
        for document in read(path, master):
            match document["kind"]:
                case "start":
                    _keep_credentials(settings, document["credentials"])
                case "vault":
                    await vault.load(document["table"], document["rows"])
                    counts["materials"] += len(document["rows"]) if document["table"] == "materials" else 0
                case "decisions":
                    values = _values(document)
                    records = [(value, _decision_headers(value)) for value in values]
                    await producer.append_all(names.decisions, document["partition"], records)
                    counts["decisions"] += len(values)
                    tell("decisions", counts["decisions"], 0)
                case "events":
                    if keys is None or chain is None:  # the vault's rows came before
                        keys = await open_keyring(vault)
                        chain = Chain(keys=keys)
                    values = _values(document)
                    log = log or _log_of(values)
                    records = [(value, _event_headers(log, value)) for value in values]
                    await producer.append_all(names.events, 0, records)
                    for offset, value in enumerate(values, document["offset"]):
                        found = parse(value)
                        if found is not None:
                            chain.accepts(offset, value, found)
                            next_command = int(found["next_command"]) if chain.position == offset else next_command
                    counts["events"] += len(values)
                    tell("events", counts["events"], 0)
                case "snapshot":
                    await snapshots.load(pool, document["row"])
                case "end":
                    await _require_same(events, chain, document)
        # The old commands are not there: the writer goes on with new ones.
        await skips.permit(pool, keys or await open_keyring(vault), log, next_command)
    finally:
        await producer.close()
        await events.close()
    return counts


async def _require_same(events: KafkaTopic, chain: Chain | None, end: dict[str, Any]) -> None:
    """Raises Unavailable if the log is not the same: a record came twice or out of order, and the chain would not hold."""
    reached = await events.end()
    if reached != end["next"] or chain is None or chain.head != end["head"]:
        raise Unavailable(f"the log came out otherwise than it was ({reached} records of {end['next']}); restore again")


def _log_of(values: list[bytes]) -> str:
    """The log's id, which its first record names; somebody else's value may be before it."""
    for value in values:
        event = (object_of(value) or {}).get("event")
        if isinstance(event, dict) and str(event.get("type")).startswith("log.created."):
            return str(event["data"]["log"])
    return ""


def _values(document: dict[str, Any]) -> list[bytes]:
    return [b64decode(value) for value in document["values"]]


def _event_headers(log: str, value: bytes) -> Headers:
    """The CloudEvents attributes, which follow from the record; none for a void value that is not a record."""
    document = parse(value)
    if document is None:
        return ()
    event, call = document.get("event") or {}, document.get("call") or {}
    return cloudevents.of_event(log, call.get("id"), document["previous"], event.get("type"), str(document.get("at")))


def _decision_headers(value: bytes) -> Headers:
    """The CloudEvents attributes of a decision."""
    document = object_of(value)
    try:
        return (
            () if document is None else cloudevents.of_decision(document["log"], document["call"]["id"], document["at"])
        )
    except (KeyError, TypeError, AttributeError):
        return ()  # a value that a stranger wrote


def _keep_credentials(settings: Settings, credentials: dict[str, str] | None) -> None:
    if credentials is not None:
        write_private(Folder(settings.data).path / "credentials.json", json.dumps(credentials))

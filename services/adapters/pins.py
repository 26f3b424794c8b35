"""Where an installation's records began to be authentic, kept so that it is never forgotten.

A reader who does not know that a log had MACs cannot tell it from one without. So the vault's schema and the data folder each
keep the log's id, the first position that had to be authentic, and the digest of its record, with a MAC. Every start compares.
It refuses a log that was cut, made again or replaced by one of an earlier version, and a root secret that was replaced.

A rotation of the key of records adds a record of its own, which the log has to hold from then on. A thief of the former key could
otherwise write the log anew from before the rotation: every record there would be authentic, under a key that was in force. The
digest binds all that came before, and what comes after is under the new key.

After a rotation of the key of records a pin is sealed again, so that nothing is left under the former key. Somebody who has that
key can make a pin with it. Such a pin makes a start fail, or says what the log says; to change or remove the row would do as
much.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from domain.log.authenticity import PIN, Keyring, key_of, key_of_row
from domain.log.authority import Authority
from domain.ports import LogRefused, Unavailable
from services.adapters.kafka import KafkaTopic
from services.adapters.known_records import has_record, record_at
from services.adapters.topics import names
from services.adapters.vault import Vault
from services.ownership import write_private
from services.settings import Settings

KEEP_TRIES = 5
"""How often a pin is written that another process replaces at the same moment."""


@dataclass(frozen=True, slots=True)
class PinnedRecord:
    """A record that the log has to hold."""

    position: int
    digest: str


def _file(settings: Settings) -> Path:
    return settings.data / "pin.json"


def _kept(path: Path) -> tuple[str, str] | None:
    """(document, MAC); None if there is no file. Raises LogRefused for a file that holds something else."""
    try:
        found = json.loads(path.read_text())
        return str(found["document"]), str(found["mac"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise LogRefused(
            f"{path} cannot be read. It says where the authenticated part of this installation's log begins: restore it from a "
            "copy of the data folder."
        ) from None


async def why_not_new(settings: Settings) -> str:
    """Why the vault may not get a new root secret; "" if nothing shows that this installation ever had one.

    Raises LogRefused, Unavailable.
    """
    lost = (
        "The database has no root secret of the vault, or an older one, and {0}. With a new one, every record that was "
        "written until now would be void. Bring the database back from a backup (keytrail restore)."
    )
    if _kept(_file(settings)) is not None:
        return lost.format(f"{_file(settings)} says that there was one")
    topic = names(settings).events
    events = KafkaTopic(settings, topic)
    try:
        start, end = await events.start(), await events.end()
        for place in {start, end - 1} if end > start else ():
            if key_of((await record_at(events, place)).value):
                return lost.format(f"{topic} holds records that were authenticated under one")
    finally:
        await events.close()
    return ""


async def require(settings: Settings, vault: Vault, keys: Keyring) -> None:
    """Raises LogRefused if the vault or the log is not the pinned one; Unavailable."""
    places = ((str(_file(settings)), _kept(_file(settings))), ("the vault's schema", await vault.pin()))
    for place, kept in places:
        if kept is None:
            continue
        document, mac = kept
        if not keys.holds(mac, PIN, document):
            raise LogRefused(
                f"What {place} says of this installation's log was not made under a key that the database has: the "
                "database is another installation's, its seal was replaced, or it is as it was before `keytrail log-keys "
                f"rotate`. Bring the right one back. If you restored the earlier one yourself, remove {_file(settings)}."
            )
        if not keys.strict:
            raise LogRefused(
                f"The database has an older seal than {place} knows: it would take a log without MACs. Bring back the "
                "database as it was."
            )
        await _require_log(settings, json.loads(document))


async def _require_log(settings: Settings, pin: dict[str, Any]) -> None:
    events = KafkaTopic(settings, names(settings).events)
    since, rotated = PinnedRecord(int(pin["since"]), str(pin["digest"])), _rotated(pin)
    try:
        if not await has_record(events, since.position, since.digest):
            raise LogRefused(
                f"{events.topic} does not hold the record at position {since.position} from which log {pin['log']} is "
                "authenticated: the topic was cut, made anew or replaced. Bring it back (keytrail restore)."
            )
        if rotated is not None and not await has_record(events, rotated.position, rotated.digest):
            raise LogRefused(
                f"{events.topic} does not hold the record at position {rotated.position}, by which the key of log "
                f"{pin['log']} was rotated: the topic was cut, or written anew by somebody who has the former key. Bring it "
                "back (keytrail restore)."
            )
    finally:
        await events.close()


def _rotated(pin: dict[str, Any]) -> PinnedRecord | None:
    """None before the first rotation, and in a pin of an earlier version."""
    return PinnedRecord(**pin["rotated"]) if "rotated" in pin else None


def _is_due(kept: tuple[str, str] | None, document: str, keys: Keyring) -> bool:
    """Whether a pin has to be written. A pin under an unknown key is not due: that key is a later one."""
    if kept is None:
        return True
    under = key_of_row(kept[1])
    return under in keys and (kept[0] != document or under != keys.newest)


async def keep(
    settings: Settings, vault: Vault, keys: Keyring, authority: Authority, rotated: PinnedRecord | None = None
) -> None:
    """Pin a log that is authenticated. `rotated`: a record of the rotation that was just done; what a pin has of a later one
    stays. Raises Unavailable, OSError."""
    if not authority.begun:
        raise Unavailable("the log is not authenticated yet")
    in_file = _kept(_file(settings)) if settings.data.is_dir() else None
    for _ in range(KEEP_TRIES):
        kept = await vault.pin()
        document = _document(authority, keys, rotated, kept, in_file)
        if not _is_due(kept, document, keys):
            break
        await vault.keep_pin(document, keys.mac(PIN, document), "" if kept is None else kept[1])
    if settings.data.is_dir() and _is_due(in_file, document, keys):
        write_private(_file(settings), json.dumps({"document": document, "mac": keys.mac(PIN, document)}))


def _document(authority: Authority, keys: Keyring, rotated: PinnedRecord | None, *kept: tuple[str, str] | None) -> str:
    """What to pin: the last rotation of these, which may be known in one place alone."""
    ours = [json.loads(document) for document, mac in filter(None, kept) if keys.holds(mac, PIN, document)]
    known = [each for each in (rotated, *map(_rotated, ours)) if each is not None]
    found: dict[str, Any] = {"log": authority.log, "since": authority.since, "digest": authority.digest}
    if known:
        found["rotated"] = asdict(max(known, key=lambda each: each.position))
    return json.dumps(found, sort_keys=True)

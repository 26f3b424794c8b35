"""What the facts of Postgres mean. Everything here is pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.identities.account import ACTIVE, INACTIVE
from domain.log.levels import LEVEL
from domain.ports import Unavailable
from services.adapters.postgres_hosts import require_one_primary
from services.diagnosis.kafka_findings import SOON_SKEWED
from services.diagnosis.outcome import CheckOutcome, look, ok, unchecked, wrong
from services.diagnosis.postgres_facts import PostgresFacts
from services.settings import BadSetting, Settings
from services.writer.due_work import MOST_SKEW

SERVER, STANDBY, CLOCK = "Postgres", "standby of Postgres", "Postgres's clock"
VAULT, MASTER_KEY, ROOT, LOG, UPGRADE = "vault", "master key", "root credential", "log and database", "upgrade"
ALL = (SERVER, STANDBY, CLOCK, VAULT, MASTER_KEY, ROOT, LOG, UPGRADE)
WAITED_FOR = frozenset({"sync", "quorum"})
"""States of a standby that counts for commits. One that is potential counts if another goes, or once it has caught up."""
_HOW_MANY = re.compile(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", re.IGNORECASE)
"""The number in synchronous_standby_names. A list without one means the first of it."""
WAITING_BYTES = 64 << 20
"""What a standby has not replayed, before somebody should look at it: four segments of WAL."""


def not_answering(why: str) -> Iterator[CheckOutcome]:
    yield wrong(
        SERVER,
        why.removeprefix("Postgres does not answer: ") or "it does not answer",
        "Only keys whose material API workers hold still work. Start the database, or correct KEYTRAIL_POSTGRES.",
    )
    for check in ALL[1:]:
        yield unchecked(check, "Postgres does not answer")


def of_postgres(settings: Settings, facts: PostgresFacts, *, bundled: bool) -> Iterator[CheckOutcome]:
    yield _server(facts, bundled=bundled)
    yield _standby(facts, bundled=bundled)
    yield _clock(facts)
    yield _vault(facts)
    yield _master_key(facts)
    yield _root(settings, facts)
    yield _log(facts)
    yield _upgrade(facts)


def _server(facts: PostgresFacts, *, bundled: bool) -> CheckOutcome:
    found = f"version {facts.version}{', bundled' if bundled else ''}"
    if facts.named > 1:
        found += f", {len(facts.hosts)} of {facts.named} hosts answer"
    if len(facts.hosts) < facts.named:
        return look(
            SERVER, found, "Start the hosts that are away, or take those that are gone out of KEYTRAIL_POSTGRES."
        )
    return ok(SERVER, found)


def _standby(facts: PostgresFacts, *, bundled: bool) -> CheckOutcome:
    if facts.named > 1:
        try:
            require_one_primary(list(facts.hosts))  # a start's own rule
        except (BadSetting, Unavailable) as fault:
            return wrong(STANDBY, "a start refuses these hosts", f"{fault}")
    if not facts.standbys and facts.waits_for:
        return wrong(
            STANDBY,
            f"none is connected, and commits wait for {facts.waits_for}",
            "No key can be made until a standby is back. If none comes back, empty synchronous_standby_names on the primary and "
            "reload it.",
        )
    if not facts.standbys:
        if bundled:
            return ok(STANDBY, "none: the bundled server has none")
        return look(
            STANDBY,
            "none: the vault is on one disk",
            "Nothing can make key material again. Take backups often (keytrail backup), or run a standby that commits wait for.",
        )
    seen = f"{len(facts.standbys)} connected"
    if not facts.waits_for:
        return wrong(
            STANDBY,
            f"{seen}, and no commit waits for one",
            "A standby that takes over may lack the material of keys. Set synchronous_standby_names on the primary ('ANY 1 (*)' "
            "for instance) and synchronous_commit=local, and reload it.",
        )
    if missing := _not_waited_for(facts):
        return missing
    late = [(each.name, each.behind) for each in facts.standbys if each.behind is not None]
    behind = [f"{name} ({size >> 20} MiB)" for name, size in late if size > WAITING_BYTES]
    if behind:
        return look(
            STANDBY, f"behind: {', '.join(behind)}", "What the vault writes waits for it. Look at its disk and network."
        )
    if facts.synchronous not in ("local", "off"):
        return look(
            STANDBY,
            f"{seen}; synchronous_commit={facts.synchronous}",
            "Every write waits for the standby, also those that can be made again from Kafka. Set synchronous_commit=local: what "
            "the vault writes asks for remote_apply by itself.",
        )
    return ok(STANDBY, f"{seen}; synchronous_commit={facts.synchronous}")


def _not_waited_for(facts: PostgresFacts) -> CheckOutcome | None:
    """The finding that commits wait for standbys that are not here, though others are. None if they do not, or if it is not known
    which standbys count."""
    if not all(each.sync for each in facts.standbys):
        return None
    number = _HOW_MANY.match(facts.waits_for)
    counting = sum(each.sync in WAITED_FOR for each in facts.standbys)
    if counting >= (int(number[1]) if number else 1):
        return None
    connected = len(facts.standbys)
    found = (
        f"{counting} of the {connected} connected is too few: commits wait for {facts.waits_for}"
        if counting
        else f"none of the {connected} connected is one that commits wait for ({facts.waits_for})"
    )
    states = ", ".join(f"{each.name} ({each.sync})" for each in facts.standbys)
    return wrong(
        STANDBY,
        found,
        f"No key can be made until that changes. Connected: {states}. A standby counts once it has caught up, by the name that "
        "its cluster_name or its primary_conninfo (application_name) gives it. Give it a name of synchronous_standby_names on "
        "the primary, or change that list and reload the primary.",
    )


def _clock(facts: PostgresFacts) -> CheckOutcome:
    apart = max(0.0, abs(facts.ahead) - facts.within)
    found = f"{apart:.1f} s from this machine's"
    advice = "Let one time service (NTP) set the clocks of all machines: the vault's sweep and deadlines go by them."
    if apart > MOST_SKEW:
        return wrong(CLOCK, found, advice)
    return look(CLOCK, found, advice) if apart > SOON_SKEWED else ok(CLOCK, found)


def _vault(facts: PostgresFacts) -> CheckOutcome:
    steps = facts.vault.steps
    if steps is None:
        return look(
            VAULT,
            "there is none in this database",
            "If Keytrail was never started here, the first start makes it. Otherwise correct KEYTRAIL_POSTGRES, or bring the "
            "database back (keytrail restore).",
        )
    if steps < 0:
        return wrong(
            VAULT,
            "a later version of Keytrail has migrated it",
            "Run that version: this one may not read what the later one wrote.",
        )
    if steps:
        return look(VAULT, f"{steps} migrations behind", "The next start of any process of this version makes them.")
    return ok(VAULT, f"{facts.database_bytes / 1e6:.1f} MB database")


def _master_key(facts: PostgresFacts) -> CheckOutcome:
    if facts.vault.steps is None:
        return unchecked(MASTER_KEY, "there is no vault to open")
    if facts.vault.refused:
        return wrong(MASTER_KEY, "it does not open the vault", facts.vault.refused)
    if facts.vault.under_others:
        return look(
            MASTER_KEY,
            f"opens the vault; {facts.vault.under_others} rows are under another key",
            "A rotation was interrupted: run `keytrail master-key rotate` again, which goes on where it stopped.",
        )
    return ok(MASTER_KEY, "opens the vault")


def _root(settings: Settings, facts: PostgresFacts) -> CheckOutcome:
    """The access key that the settings name, and those beside it."""
    named = settings.root_access_key_id
    if facts.vault.root is None:
        return unchecked(ROOT, "these settings name none, or the vault is closed")
    keys = {} if facts.root is None else facts.root.access_keys
    if keys.get(named) == INACTIVE:
        return wrong(
            ROOT,
            f"{named} was disabled",
            "Put the access key that replaced it, and its secret, where KEYTRAIL_ROOT_ACCESS_KEY_ID and its secret stand. "
            "`keytrail account list` shows which it is; if nobody has it, name a new one, which replaces all others.",
        )
    if keys and named not in keys:
        return look(
            ROOT,
            f"the log does not know {named}",
            "The next writer that leads makes it an access key of the root user, and disables every other. If you did not mean "
            "that, correct KEYTRAIL_ROOT_ACCESS_KEY_ID.",
        )
    if not facts.vault.root:
        return look(
            ROOT,
            f"the vault has another secret of {named}, or none",
            "If it has none, the next start writes the one of KEYTRAIL_ROOT_SECRET_ACCESS_KEY there. It refuses to replace "
            "another: correct that setting, or name a new access key with a new secret.",
        )
    others = [key for key, status in keys.items() if status == ACTIVE and key != named]
    for_good = [key for key in others if facts.root is None or key not in facts.root.ends]
    if for_good:
        return look(
            ROOT,
            f"{', '.join(for_good)} works beside it",
            "When nothing uses it any more: `keytrail root-credential retire` and its id.",
        )
    return ok(ROOT, f"works; {', '.join(others)} ends" if others else "works")


def _log(facts: PostgresFacts) -> CheckOutcome:
    if facts.refused is None:
        return unchecked(LOG, "the vault or Kafka does not answer")
    if facts.refused:
        return wrong(LOG, "a start refuses them", facts.refused)
    return ok(LOG, "they belong together")


def _upgrade(facts: PostgresFacts) -> CheckOutcome:
    older = f"sessions of processes of an earlier version: {facts.older}"
    if facts.level is None:
        return unchecked(UPGRADE, "no writer of this version has led yet")
    level, version = facts.level
    found = f"the log is at level {level}"
    if level > LEVEL:
        return wrong(UPGRADE, f"{found}, which this version does not know", f"Start Keytrail {version} or a later one.")
    if facts.older:
        return look(
            UPGRADE,
            f"{found}, {older}",
            "Start those processes anew with this version, or the whole installation with the earlier one.",
        )
    if level < LEVEL:
        return look(
            UPGRADE,
            f"{found}, and this version knows level {LEVEL}",
            "Once you do not want to go back to the version before: `keytrail upgrade finish`.",
        )
    return ok(UPGRADE, found)

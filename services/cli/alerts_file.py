"""alerts test, alerts allow-list: try and check the alerts file (KEYTRAIL_ALERTS_FILE), on the host that has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from click.exceptions import Exit
from rich.text import Text

from domain.durations import DAY_MICROS
from services.cli.failures import fail
from services.cli.options import AsJson, Data
from services.cli.parameters import Option
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import as_line, say, settings_or_fail, times_or_fail
from services.settings import BadSetting, Settings
from services.wording import names

if TYPE_CHECKING:
    from domain.alerts.allow import Allow
    from domain.alerts.settings import AlertSettings
    from services.adapters.alerts_file import AlertsFile

SOON = 14
"""How many days before an entry expires it is reported."""
TRIED = "keytrail-test"
EXAMPLE: dict[str, Any] = {
    "rule": TRIED,
    "severity": "info",
    "title": "A test of this notifier",
    "summary": "somebody ran `keytrail alerts test`: nothing happened, and nothing is to be done",
    "account": "",
    "key_id": None,
    "subject": TRIED,
    "about": [],
    "evidence": {},
    "source": {},
    "suppressed": None,
    "state": "open",
    "commands": ["keytrail alerts notifiers"],
}


def try_notifiers(
    notifier: Annotated[
        str | None, Option(value="NAME", help="Only the notifier of this name. Default: all of them")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send a message that says it is a test to every notifier of the alerts file, at once and past the queue. The exit code
    is 1 if a notifier did not take it."""
    settings = settings_or_fail(data=data)
    found = _file(settings)
    there = [each.name for each in found.notifiers]
    if not there:
        fail(f"{_where(settings)} names no notifier: add a [[webhook]] or an [[apprise]] (docs/howto/alerts.md).")
    if notifier is not None and notifier not in there:
        fail(f"There is no notifier {notifier}; the file has {', '.join(there)}.", 2)
    results = asyncio.run(_try(found, notifier))
    for each in results:
        if as_json:
            as_line(each)
        elif each["fault"]:
            say(Text.assemble(("failed ", "bold red"), f"{each['notifier']} ({each['kind']}): {each['fault']}"), more=7)
        else:
            say(Text.assemble(("taken  ", "bold green"), f"{each['notifier']} ({each['kind']}), {each['seconds']} s"))
    if any(each["fault"] for each in results):
        raise Exit(1)


async def _try(found: AlertsFile, only: str | None) -> list[dict[str, Any]]:
    from services.notifier.delivery import NotDelivered, Undeliverable, sender_of  # see host.py
    from services.notifier.outbox import Waiting

    results: list[dict[str, Any]] = []
    for each in found.notifiers:
        if only not in (None, each.name):
            continue
        now = datetime.now(UTC)
        moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        alert = EXAMPLE | {"id": f"{TRIED}-{int(now.timestamp())}", "at": moment}
        message = {"count": 1, "first_at": moment, "last_at": moment, "alert": alert, "alerts": [alert["id"]]}
        sender, began = sender_of(each, TRIED), time.monotonic()
        fault = ""
        try:
            await sender.send(Waiting(0, str(alert["id"]), message, now))
        except (NotDelivered, Undeliverable) as refusal:
            fault = str(refusal)
        finally:
            await sender.close()
        seconds = round(time.monotonic() - began, 1)
        results.append({"notifier": each.name, "kind": each.kind, "seconds": seconds, "fault": fault})
    return results


def allow_list(as_json: AsJson = False, data: Data = None) -> None:
    """What the alerts file allows, until when and why, and what is wrong with it. The exit code is 1 if an entry has
    expired, and 2 if the file cannot be used."""
    settings = settings_or_fail(data=data)
    found = _file(settings)
    rows = _rows(found.settings, int(time.time() * 1_000_000))
    if as_json:
        for row in rows:
            as_line(row)
    else:
        times, account = times_or_fail(), settings.account_id
        columns = [
            *(member(name, leads=True) for name in ("number", "rule")),
            Column("principal", lambda row: names.short(row.get("principal"), account)),
            Column("key", lambda row: names.short(row.get("key"), account)),
            member("tag"),
            member("reason", wraps=True),
            Column("expires", lambda row: times.shown(row["expires"])),
        ]
        print_rows(rows, columns, f"({_where(settings)} allows nothing)")
        for row in rows:
            for fault in row["faults"]:
                say(Text.assemble(("look at ", "bold yellow"), f"number {row['number']}: {fault}"), more=8)
    if any(PAST in row["faults"] for row in rows):
        raise Exit(1)


PAST = "it is past its end, and allows nothing any more"


def _rows(settings: AlertSettings, now: int) -> list[dict[str, Any]]:
    """The entries, and what is wrong with each at `now` (microseconds)."""
    return [
        {"number": at, **each.document(), "faults": list(_faults(each, settings, now))}
        for at, each in enumerate(settings.allow, 1)
    ]


def _faults(entry: Allow, settings: AlertSettings, now: int) -> Iterator[str]:
    from domain.alerts.allow import EVERY
    from domain.alerts.rules.table import RULES  # loads every rule: see host.py

    left = (entry.expires - now) / DAY_MICROS
    if left <= 0:
        yield PAST
    elif left < SOON:
        yield f"it ends in {max(1, round(left))} days"
    if entry.rule == EVERY:
        yield "it allows every rule: name the one that is meant"
    elif settings.of(RULES[entry.rule]).off:
        yield f"the rule {entry.rule} is off, so there is nothing to allow"
    if entry.principal == EVERY and not entry.key and not entry.tag:
        yield "it allows everybody, on every key"


def _file(settings: Settings) -> AlertsFile:
    from services.adapters import alerts_file  # see host.py

    try:
        return alerts_file.load(settings)
    except BadSetting as fault:
        fail(str(fault), 2)


def _where(settings: Settings) -> str:
    return settings.alerts_file or "No alerts' file is set (KEYTRAIL_ALERTS_FILE), which"

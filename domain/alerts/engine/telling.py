"""What an alert says besides the finding: who did it, in which call, at which position, between which policy versions; and
what to do, with the commands filled in.

An alert of an earlier version has less in its `source`; members that it lacks are left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from domain.alerts.rules.table import RULES

AlertDocument = Mapping[str, Any]
OF_THE_SOURCE = ("by", "operation", "position", "from_version", "to_version")
PLACEHOLDER = re.compile(r"alias/NAME|@POSITION|\bCALL_ID\b|\bKEY\b|\bV1\b|\bV2\b|\bARN\b|\bGRANT\b|\bROLE\b")
COMMAND = re.compile(r"`([^`]+)`")


def telling(alert: AlertDocument) -> dict[str, Any]:
    """Further members of an alert, for every place that shows it: `by` and the others of its source, `call_id`, `means`,
    `do`, `references`, and `commands` in shell syntax."""
    source, rule = alert.get("source") or {}, RULES.get(str(alert["rule"]))
    told: dict[str, Any] = {name: source[name] for name in OF_THE_SOURCE if source.get(name) is not None}
    if source.get("call"):
        told["call_id"] = source["call"]
    if rule is not None:
        told |= {"means": rule.means, "do": filled(rule.do, alert), "references": list(rule.references)}
    return told | {"commands": list(dict.fromkeys(_commands(alert, told)))}


def filled(text: str, alert: AlertDocument) -> str:
    """The text with the alert's own values in place of KEY, V1, V2, @POSITION and ARN, but only within commands."""
    known = _known(alert)

    def value(found: re.Match[str]) -> str:
        return shlex.quote(known[found[0]]) if found[0] in known else found[0]

    return COMMAND.sub(lambda command: f"`{PLACEHOLDER.sub(value, command[1])}`", text)


def _known(alert: AlertDocument) -> dict[str, str]:
    source = alert.get("source") or {}
    key = alert.get("key_id") or str(alert.get("key") or "").rpartition("/")[2]
    subject, by, position = str(alert.get("subject") or ""), source.get("by"), source.get("position")
    old, new = source.get("from_version"), source.get("to_version")
    found = {
        "KEY": key,
        "V1": None if old is None else str(old),
        "V2": None if new is None else str(new),
        # the state before the change, whose own result is at its position
        "@POSITION": None if position is None else f"@{position - 1}",
        "ARN": by,
        "CALL_ID": source.get("call"),
        "alias/NAME": subject if subject.startswith("alias/") else None,
        "GRANT": subject if re.fullmatch(r"[0-9a-f]{64}", subject) else None,
        "ROLE": subject if ":role/" in subject else None,
    }
    return {name: text for name, text in found.items() if text}


def _commands(alert: AlertDocument, told: AlertDocument) -> Iterator[str]:
    known = _known(alert)
    if told.get("call_id"):
        yield f"keytrail explain {shlex.quote(told['call_id'])}"
    if {"KEY", "V1", "V2"} <= known.keys():
        yield f"keytrail diff {shlex.quote(known['KEY'])} --from {known['V1']} --to {known['V2']}"
        yield f"keytrail policy {shlex.quote(known['KEY'])} --version {known['V1']}"
    for command in COMMAND.findall(told.get("do") or ""):
        # Only whole commands: a command that lacks its object would ask for something else.
        if command.startswith(("keytrail ", "aws ")) and not PLACEHOLDER.search(command):
            yield command
    if "KEY" in known:
        yield f"keytrail history {shlex.quote(known['KEY'])}"
    if alert.get("id"):
        yield f"keytrail alerts ack {shlex.quote(str(alert['id']))}"

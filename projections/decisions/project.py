"""Turns records of `events` and `decisions` into the rows of `decisions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from domain.authorization.audience import ACROSS, OF_THE_RESOURCE
from domain.decisions.case import case_of
from domain.errors import AccessRefused
from domain.log.catalogue import CATALOGUE, WIRE_NAMES
from projections.log.changes import Appends, Interns, TableRow
from projections.log.entry import EVENTS, Entry

COLUMNS = (
    "at",
    "origin",
    "record",
    "position",
    "seen",
    "call_id",
    "message",
    "source",
    "agent",
    "encryption_context",
    "event_type",
    "summary",
    "parameters",
    "event",
    "case_id",
    "about",
    "account",
    "principal",
    "access_key",
    "operation",
    "effect",
    "key_id",
    "destination",
    "owners",
    "kind",
    "decided_by",
    "policy_version",
    "sid",
    "statement",
    "rule",
    "error",
    "via",
)
CASE_COLUMNS = ("id", "key_id", "destination", "account", "principal", "document")
_CONTEXTS = ("EncryptionContext", "SourceEncryptionContext")
ON_LOG = -1
"""The `origin` of a record of `events`."""
KEYTRAIL = "keytrail"
"""The account and principal of Keytrail's own actions: the log's creation, a writer's start."""


def _dumps(document: Any) -> str:
    # orjson, not the standard library's json: the three documents of a row took a third of its time
    return orjson.dumps(document).decode()


@dataclass(slots=True)
class Cases:
    """What records of a batch have in common, worked out once: by a case's name, its text and the columns that follow from it."""

    rows: dict[bytes, TableRow] = field(default_factory=dict)
    columns: dict[bytes | None, TableRow] = field(default_factory=dict)

    def name(self, document: dict[str, Any]) -> bytes | None:
        found = case_of(document)
        if found is None:
            return None
        text = orjson.dumps(found)
        name = blake2b(text, digest_size=16).digest()
        if name not in self.rows:
            key, destination = _key_id(found["resources"]), _destination(found["operation"], found["resources"])
            self.rows[name] = (name, key, destination, found["account"], found["principal"], text.decode())
        return name


def changes(entries: Sequence[Entry]) -> list[Appends | Interns]:
    if not entries:
        return []
    cases = Cases()
    rows = [row(entry, cases) for entry in entries]
    return [Interns("cases", CASE_COLUMNS, list(cases.rows.values())), Appends("decisions", COLUMNS, rows)]


def row(entry: Entry, cases: Cases) -> TableRow:
    """Makes one row, and adds its case to `cases`."""
    document = entry.document
    call = document["call"] or _own_call(entry)
    decision = document["decision"] or _OWN_DECISION
    on_log = entry.topic == EVENTS
    name = cases.name(document)
    columns = cases.columns.get(name)
    if columns is None:
        columns = _of_case(call, decision)
        if name is not None:
            cases.columns[name] = columns
    error = decision["error"]
    parameters = call["parameters"]
    context = None
    for each in _CONTEXTS:
        if each in parameters:
            context = _dumps(parameters[each])
    event_type, event, summary = _event(entry)
    if not summary:
        summary = f"refused: {error['message']}" if error else _answered(document, call)
    return (
        entry.at,
        ON_LOG if on_log else entry.partition,
        entry.offset,
        entry.offset if on_log else None,
        document["seen"],
        call["id"],
        error["message"] if error else None,
        call["source"],
        call["agent"],
        context,
        event_type,
        summary,
        _dumps(parameters) if parameters else "{}",
        event,
        name,
        decision["resources"][0] if on_log and decision["resources"] else None,
        *columns,
    )


def _of_case(call: dict[str, Any], decision: dict[str, Any]) -> TableRow:
    """The columns from `account` on."""
    error, resources = decision["error"], decision["resources"]
    by, kind = _deciding(decision["reasons"]), decision.get("kind")
    key_id, destination = _key_id(resources), _destination(call["operation"], resources)
    if any(account not in ("", call["account"]) for account in _accounts(resources)) or _of_nobody(resources):
        # Both accounts read the row: about what decided, it has only what the resource's account may see. The case has it all.
        kind, by = ACROSS, _of_the_resource(decision["reasons"], call["account"])
        if _kept_from_the_owner(error):
            by, key_id, destination = {}, None, None
    return (
        call["account"],
        call["principal"],
        call["access_key"],
        call["operation"],
        decision["effect"],
        key_id,
        destination,
        _owners(call["account"], resources, error),
        kind or by.get("kind"),
        by.get("policy") or by.get("grant"),
        None if by.get("version") is None else str(by["version"]),
        by.get("sid"),
        by.get("index"),
        by.get("rule"),
        error["kind"] if error else None,
        (call.get("via") or {}).get("service"),
    )


_OWN_DECISION: dict[str, Any] = {"effect": "allowed", "reasons": [], "error": None, "resources": []}


def _own_call(entry: Entry) -> dict[str, Any]:
    return {
        "id": f"{KEYTRAIL}-{entry.offset}",
        "account": KEYTRAIL,
        "principal": KEYTRAIL,
        "access_key": "",
        "operation": KEYTRAIL,
        "source": "",
        "agent": "",
        "parameters": {},
    }


def _deciding(reasons: list[dict[str, Any]]) -> dict[str, Any]:
    """What decided: the permission that was denied, or else the last one checked (the key's, if a call needs several)."""
    if not reasons:
        return {}
    denied = next((reason for reason in reasons if reason["effect"] == "deny"), None)
    by: dict[str, Any] = (denied or reasons[-1])["by"]
    return by


def _key_id(resources: list[str]) -> str | None:
    return next((name.rpartition("/")[2] for name in resources if ":key/" in name and not name.endswith("*")), None)


def _destination(operation: str, resources: list[str]) -> str | None:
    return resources[1] if operation == "ReEncrypt" and len(resources) > 1 else None


def _of_the_resource(reasons: list[dict[str, Any]], account: str) -> dict[str, Any]:
    """The statement or grant of another account that let the caller in, by itself or by leaving it to the caller's account."""
    for reason in reasons:
        by: dict[str, Any] = reason.get("delegation") or reason["by"]
        if by.get("kind") in OF_THE_RESOURCE and _accounts([reason["resource"]]) != {account}:
            return by
    return {}


def _kept_from_the_owner(error: dict[str, Any] | None) -> bool:
    """A denied call across accounts is logged only in the caller's account (KMS developer guide, logging-using-cloudtrail). That
    account does not even learn whether the resource exists."""
    return error is not None and error["kind"] == AccessRefused.kind


def _accounts(resources: list[str]) -> set[str]:
    return {parts[4] for resource in resources if len(parts := resource.split(":", 5)) == 6}


def _of_nobody(resources: list[str]) -> bool:
    """Whether one of them is a key that only a ciphertext named and that belongs to no account."""
    return "" in _accounts([resource for resource in resources if ":kms:" in resource])


def _owners(account: str, resources: list[str], error: dict[str, Any] | None) -> list[str]:
    """The accounts that may read this call: the caller's, and those of the resources that it concerned."""
    if _kept_from_the_owner(error):
        return [account]
    return sorted({account} | _accounts(resources))


def _event(entry: Entry) -> tuple[str | None, str | None, str]:
    if entry.event is None:
        return None, None, ""
    name = WIRE_NAMES[type(entry.event)]
    data = asdict(entry.event)  # type: ignore[call-overload]  # every catalogued event is a dataclass
    return name, _dumps(data), CATALOGUE[name].summary.format(**data)


def _answered(document: dict[str, Any], call: dict[str, Any]) -> str:
    if document.get("repeats"):
        return f"a repetition of the call at {document['repeats']['position']}"
    return f"{call['operation']} answered"

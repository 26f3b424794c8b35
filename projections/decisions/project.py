"""Turns records of both topics, `events` and `decisions`, into rows of the tables `decisions`, `cases` and `firsts`."""

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
from projections.log.changes import Appends, InsertsOnce, TableRow
from projections.log.entry import DECISIONS, EVENTS, Entry

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
FIRST_COLUMNS = ("origin", "record", "at")
CASE_COLUMNS = ("id", "key_id", "destination", "account", "principal", "document")
_CONTEXTS = ("EncryptionContext", "SourceEncryptionContext")
ON_LOG = -1
"""The value of the column `origin` for a record of `events`. For a record of `decisions` it is the partition."""
KEYTRAIL = "keytrail"
"""The account and principal in rows about what Keytrail does itself, such as creating the log."""


def _dumps(document: Any) -> str:
    # orjson, because the standard library's json took a third of the time of a row, which has three documents
    return orjson.dumps(document).decode()


@dataclass(slots=True)
class Cases:
    """The cases of a batch of records (domain/decisions/case.py), each worked out once. By the case's id, `rows` has its row of
    the table `cases`, and `columns` the columns of `decisions` that follow from it."""

    rows: dict[bytes, TableRow] = field(default_factory=dict)
    columns: dict[bytes | None, TableRow] = field(default_factory=dict)

    def add(self, document: dict[str, Any]) -> bytes | None:
        """Add the case of a record, and return its id, a digest of the case. None if the record has no case."""
        found = case_of(document)
        if found is None:
            return None
        text = orjson.dumps(found)
        case_id = blake2b(text, digest_size=16).digest()
        if case_id not in self.rows:
            key, destination = _key_id(found["resources"]), _destination(found["operation"], found["resources"])
            self.rows[case_id] = (case_id, key, destination, found["account"], found["principal"], text.decode())
        return case_id


def changes(entries: Sequence[Entry]) -> list[Appends | InsertsOnce]:
    if not entries:
        return []
    cases = Cases()
    rows = [row(entry, cases) for entry in entries]
    firsts: dict[int, TableRow] = {}
    for entry in entries:
        if entry.topic == DECISIONS:
            firsts.setdefault(entry.partition, (entry.partition, entry.offset, entry.at))
    return [
        InsertsOnce("cases", CASE_COLUMNS, list(cases.rows.values())),
        InsertsOnce("firsts", FIRST_COLUMNS, list(firsts.values())),
        Appends("decisions", COLUMNS, rows),
    ]


def row(entry: Entry, cases: Cases) -> TableRow:
    """The row of `decisions` for one record. Adds the record's case to `cases`."""
    document = entry.document
    call = document["call"] or _own_call(entry)
    decision = document["decision"] or _OWN_DECISION
    on_log = entry.topic == EVENTS
    case_id = cases.add(document)
    columns = cases.columns.get(case_id)
    if columns is None:
        columns = _case_columns(call, decision)
        if case_id is not None:
            cases.columns[case_id] = columns
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
        case_id,
        decision["resources"][0] if on_log and decision["resources"] else None,
        *columns,
    )


def _case_columns(call: dict[str, Any], decision: dict[str, Any]) -> TableRow:
    """The columns from `account` on. They are the same for every record of a case."""
    error, resources = decision["error"], decision["resources"]
    by, kind = _deciding(decision["reasons"]), decision.get("kind")
    key_id, destination = _key_id(resources), _destination(call["operation"], resources)
    if any(account not in ("", call["account"]) for account in _accounts(resources)) or _has_unknown_key(resources):
        # Both accounts read this row, so it names only the statement or grant that the resource's account may know of. The case
        # holds every reason.
        kind, by = ACROSS, _admitted_by(decision["reasons"], call["account"])
        if _is_hidden_from_owner(error):
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
    """The statement, grant or rule that decided the call: the one that denied a permission, or else the one that decided the last
    permission. If a call needs several permissions, the last one is that on the key."""
    if not reasons:
        return {}
    denied = next((reason for reason in reasons if reason["effect"] == "deny"), None)
    by: dict[str, Any] = (denied or reasons[-1])["by"]
    return by


def _keys(resources: list[str]) -> list[str]:
    """The ARNs of single keys among them."""
    return [name for name in resources if ":key/" in name and not name.endswith("*")]


def _key_id(resources: list[str]) -> str | None:
    keys = _keys(resources)
    return keys[0].rpartition("/")[2] if keys else None


def _destination(operation: str, resources: list[str]) -> str | None:
    """The second key of a call that concerns two: the one that ReEncrypt encrypts with, or the one that UpdateAlias takes the
    alias from."""
    if operation == "ReEncrypt":
        return resources[1] if len(resources) > 1 else None
    keys = _keys(resources)
    return keys[1] if len(keys) > 1 else None


def _admitted_by(reasons: list[dict[str, Any]], account: str) -> dict[str, Any]:
    """The statement or grant of the resource's account that admitted a caller of `account`. It allowed the call itself, or
    delegated the decision to the caller's account."""
    for reason in reasons:
        by: dict[str, Any] = reason.get("delegation") or reason["by"]
        if by.get("kind") in OF_THE_RESOURCE and _accounts([reason["resource"]]) != {account}:
            return by
    return {}


def _is_hidden_from_owner(error: dict[str, Any] | None) -> bool:
    """Whether access was refused. If that happens across accounts, only the caller's account gets a record of the call (KMS
    developer guide, logging-using-cloudtrail), and that record does not reveal whether the resource exists."""
    return error is not None and error["kind"] == AccessRefused.kind


def _accounts(resources: list[str]) -> set[str]:
    return {parts[4] for resource in resources if len(parts := resource.split(":", 5)) == 6}


def _has_unknown_key(resources: list[str]) -> bool:
    """Whether one of the keys does not exist and so has no account. Only a ciphertext can name such a key."""
    return "" in _accounts([resource for resource in resources if ":kms:" in resource])


def _owners(account: str, resources: list[str], error: dict[str, Any] | None) -> list[str]:
    """The accounts that may read this row: the caller's, and those that own the resources of the call."""
    if _is_hidden_from_owner(error):
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

"""Makes the rows of `kinds` and `cases` for a record that was read."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from domain.cloudtrail.keys_named import id_of
from domain.cloudtrail.record import TrailReading
from domain.log.record import Document
from services.exports.member_names import pascal, shapes_of

COLUMNS = ("id", "at", "own_order", "own_seen", "preferred", "kind", "raw")
KIND_COLUMNS = (
    "id", "account", "principal", "access_key", "operation", "effect", "key_id", "about", "destination", "error",
    "message", "source", "agent", "via", "encryption_context", "parameters", "case_id",
)  # fmt: skip
CASE_COLUMNS = ("id", "key_id", "destination", "account", "principal", "document")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_ASKED = frozenset({"CreateKey", "ListKeys", "ListAliases", "ListRetirableGrants", "GenerateRandom", "RetireGrant"})
"""Operations of KMS that no key policy decides (RetireGrant follows the grant)."""
TrailRow = tuple[Any, ...]


def names(service: str, operation: str, members: Document | None) -> dict[str, Any]:
    """A request's members under the names that the API gives them."""
    if not members:
        return {}
    found = pascal(shapes_of(service, operation)[0], members)
    return found if isinstance(found, dict) else {}


def case_of(reading: TrailReading) -> dict[str, Any] | None:
    """What a call is judged on, without its id and time; None for a call that no key policy decides."""
    if reading.service != "kms" or not reading.key or reading.operation in NOT_ASKED or not reading.names:
        return None
    if reading.operation.startswith("Delete") and not reading.principal.startswith("arn:"):
        return None  # a service acted by itself
    found: dict[str, Any] = {
        "operation": reading.operation,
        "principal": reading.principal,
        "account": reading.account,
        "unique": reading.role_id or reading.unique,
        "names": reading.names,
        "key": reading.key,
        "error": reading.error,
        "context": reading.context,
        "resources": reading.resources,
        # as in the cases of our own decisions
        "effect": "refused" if reading.refused else "allowed",
        "access_key": reading.access_key,
    }
    if reading.pairs:
        found["pairs"] = reading.pairs
    if reading.service_untold:
        found["service_untold"] = True
    if reading.sides:
        found["sides"] = [{"context": context, "pairs": pairs} for context, pairs in reading.sides]
    if reading.denied:
        found["denial"] = {name: each for name, each in asdict(reading.denial).items() if each}
        found["parameters"] = reading.sure or bool(reading.parameters)
    if reading.sure:
        context = {
            name: each for name, each in reading.context.items() if name not in ("aws:currenttime", "aws:epochtime")
        }
        found |= {"sure": True, "policy": reading.policy, "context": context}
    return found


def kind_row(reading: TrailReading, case: bytes | None) -> TrailRow:
    """The row of `kinds`. Its name is derived from its other columns."""
    keys = [arn for arn in reading.resources if ":key/" in arn]
    destination = keys[1] if len(keys) > 1 else None
    parameters = orjson.dumps(reading.parameters).decode()
    rest = (
        reading.account,
        reading.principal,
        reading.access_key,
        reading.operation,
        "refused" if reading.error else "allowed",
        id_of(reading.key) or None,
        reading.resources[0] if reading.resources else None,
        destination,
        reading.error or None,
        reading.message or None,
        reading.source,
        reading.agent,
        reading.via or None,
        orjson.dumps(dict(reading.pairs)).decode() if reading.pairs else None,
        parameters,
    )
    name = blake2b(orjson.dumps((*rest, None if case is None else case.hex())), digest_size=16).digest()
    return (name, *rest, case)


def at_of(reading: TrailReading) -> datetime:
    return _EPOCH + timedelta(microseconds=reading.at)


def case_row(reading: TrailReading, case: dict[str, Any]) -> tuple[bytes, TrailRow]:
    """Returns (name, row)."""
    text = orjson.dumps(case)
    name = blake2b(text, digest_size=16).digest()
    key = id_of(reading.key)
    destination = next((arn for arn in reading.resources[1:] if ":key/" in arn), None)
    return name, (name, key, destination, reading.account, reading.principal, text.decode())

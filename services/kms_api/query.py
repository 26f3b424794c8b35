"""The Query protocol of IAM and STS: from a form to parameters, and from an answer to XML, both by the shapes of
botocore's models."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape

from domain.errors import cut
from services.kms_api.errors import InvalidShape, MissingAction, UnknownOperation, WrongType
from services.kms_api.shapes import operation_names, service_model

MOST_FIELDS = 1000
DEEPEST = 8
"""How many dots in a name are read."""
LONGEST_NUMBER = 6
"""The most digits of an item's number in a list."""
LONGEST_SAID = 64
"""How many characters of an action or a version a refusal repeats."""
CONTENT_TYPE = b"text/xml"
FORM = "application/x-www-form-urlencoded"
SERVICES = frozenset({"iam", "sts"})
INTEGER = re.compile(r"-?[0-9]{1,20}")
_MISSING = object()
_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What no document may hold (XML 1.0, section 2.2). What a caller sent may hold it."""
_KEPT = {"\r": "&#xD;"}
"""Readers take a carriage return that stands as it is for the end of a line (XML 1.0, section 2.11)."""


def is_form(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether these headers belong to the Query protocol, by the type of the body."""
    form = FORM.encode()
    return any(name == b"content-type" and value.startswith(form) for name, value in headers)


def fields(body: bytes) -> dict[str, str]:
    """Raises WrongType, InvalidShape."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise WrongType("The form is not UTF-8.") from None
    except ValueError:
        raise InvalidShape(f"A request has at most {MOST_FIELDS} parameters.") from None
    found = dict(pairs)
    if len(found) < len(pairs):  # nobody knows which of the two was meant
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise InvalidShape(f"The parameter {cut(twice, LONGEST_SAID)!r} is there twice.")
    return found


def require_operation(service: str, action: str, version: str) -> None:
    """Each API has all its operations under one version (IAM and STS API reference, common parameters). Raises
    MissingAction, UnknownOperation."""
    if not action:
        raise MissingAction("The request is missing an action.")
    if version != service_model(service).api_version or action not in operation_names(service):
        said = version[:LONGEST_SAID] or "NO_VERSION_SPECIFIED"
        raise UnknownOperation(f"Could not find operation {action[:LONGEST_SAID]} for version {said}")


def parameters(model: OperationModel, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters in JSON's form, for the validators. Raises WrongType."""
    if model.input_shape is None:
        return {}
    found: dict[str, Any] = _structure(model.input_shape, "", _Form(given, _prefixes(given)))
    return found


@dataclass(frozen=True, slots=True)
class _Form:
    """`holders` are the names before a dot: structures that are present, and lists with the numbers of their items."""

    given: Mapping[str, str]
    holders: Mapping[str, set[int]]


def _prefixes(given: Mapping[str, str]) -> Mapping[str, set[int]]:
    """For each name, the part before each of its dots and the number after it. Only the first few dots are read: no
    shape is nested deeper."""
    found: dict[str, set[int]] = {}
    for name in given:
        at = name.find(".")
        for _ in range(DEEPEST):
            if at < 0:
                break
            numbers = found.setdefault(name[:at], set())
            end = name.find(".", at + 1)
            item = name[at + 1 :] if end < 0 else name[at + 1 : end]
            if item.isascii() and item.isdigit() and len(item) <= LONGEST_NUMBER:
                numbers.add(int(item))
            at = end
    return found


def _read(shape: Shape, name: str, form: _Form) -> Any:
    given = form.given
    if shape.type_name == "structure":
        return _structure(shape, name + ".", form) if name in form.holders else _MISSING
    if shape.type_name == "list":
        return _list(shape, name, form)
    if name not in given:
        return _MISSING
    return _scalar(shape, given[name])


def _structure(shape: Shape, prefix: str, form: _Form) -> dict[str, Any]:
    result = {}
    for name, member in shape.members.items():
        value = _read(member, prefix + member.serialization.get("name", name), form)
        if value is not _MISSING:
            result[name] = value
    return result


def _list(shape: Shape, name: str, form: _Form) -> Any:
    if form.given.get(name) == "":
        return []  # how clients write an empty list
    item = (
        name if shape.serialization.get("flattened") else f"{name}.{shape.member.serialization.get('name', 'member')}"
    )
    # Items after a gap in the numbers count too: nobody would notice if they were left out.
    values = (_read(shape.member, f"{item}.{number}", form) for number in sorted(form.holders.get(item, ())) if number)
    return [value for value in values if value is not _MISSING] or _MISSING


def _scalar(shape: Shape, text: str) -> Any:
    try:
        if shape.type_name == "boolean":
            return {"true": True, "false": False}[text.lower()]
        if shape.type_name in ("integer", "long"):
            if not INTEGER.fullmatch(text):  # Python's own reader takes 1_000 and digits of other scripts
                raise ValueError(text)
            return int(text)
        if shape.type_name == "timestamp":
            return datetime.fromisoformat(text).timestamp()
    except (ValueError, KeyError):
        raise WrongType(f"{text!r} is no {shape.type_name}.") from None
    return text


def answer(service: str, operation: str, found: Mapping[str, Any], call: str) -> bytes:
    """The response document."""
    model = service_model(service).operation_model(operation)
    namespace = service_model(service).metadata["xmlNamespace"]
    result = ""
    if model.output_shape is not None:
        wrapper = model.output_shape.serialization.get("resultWrapper", f"{operation}Result")
        result = f"<{wrapper}>{_members(model.output_shape, found)}</{wrapper}>"
    return (
        f'<{operation}Response xmlns="{namespace}">{result}'
        f"<ResponseMetadata><RequestId>{call}</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()


def error(service: str, code: str, message: str, status: int, call: str) -> bytes:
    namespace = service_model(service).metadata["xmlNamespace"]
    side = "Sender" if status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{side}</Type><Code>{code}</Code>'
        f"<Message>{_text(message)}</Message></Error><RequestId>{call}</RequestId></ErrorResponse>"
    ).encode()


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub("?", text), _KEPT)


def _members(shape: Shape, found: Mapping[str, Any]) -> str:
    parts = []
    for name, member in shape.members.items():
        if name in found:
            tag = member.serialization.get("name", name)
            parts.append(f"<{tag}>{_value(member, found[name])}</{tag}>")
    return "".join(parts)


def _value(shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return _members(shape, value)
    if shape.type_name == "map":
        entries = (
            f"<entry><key>{_value(shape.key, key)}</key><value>{_value(shape.value, each)}</value></entry>"
            for key, each in value.items()
        )
        return "".join(entries)
    if shape.type_name == "list":
        return "".join(f"<member>{_value(shape.member, each)}</member>" for each in value)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "blob":
        return b64encode(value).decode()
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(int(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _text(str(value))

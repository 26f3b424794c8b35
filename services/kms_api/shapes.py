"""Requests are checked by validators compiled from the shapes of botocore's service model, enums and patterns included.

The words are those of AWS's ValidationException: "1 validation error detected: Value 'x' at 'keySpec' failed to
satisfy constraint: Member must ...". A wrong JSON type is a SerializationException, as at AWS.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from domain.characters import STANDS_FOR_NUL
from domain.commands.create_key import TOO_MANY
from domain.crypto.specs import RSA_OAEP, SPECS
from domain.crypto.wrapping import RSA_AES, WRAPPING_SPECS
from domain.errors import InvalidTag, cut
from domain.log.codec import rfc3339


class WrongJsonType(Exception):
    """A JSON value of another type than the shape's: SerializationException."""


class Invalid(Exception):
    """Values that break constraints: ValidationException with every one of them."""

    def __init__(self, faults: list[str], more: str = "") -> None:
        count = len(faults)
        noun = "error" if count == 1 else "errors"
        super().__init__(f"{count} validation {noun} detected: {'; '.join(faults)}{more}")


MOST_MEMBERS = 200
"""Of a list that the model leaves open. A key has 50 tags, a grant 17 operations."""
TAGS = "TagList"
"""The shape of the tags of a key, which the model leaves open."""
MOST_FAULTS = 20
"""How many faults of a request are listed: its answer must not be many times as long as the request."""
LONGEST_SHOWN = 256
"""Characters of a value, or of a name in a map, that a fault repeats."""


class Faults:
    """What is wrong with one request, told in the order in which it is found. Raises Invalid with the last it takes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def append(self, fault: str) -> None:
        self.told.append(fault)
        if len(self.told) == MOST_FAULTS:
            raise Invalid(self.told, "; the rest of the request was not looked at")


# Bounds that the model's shapes do not have and its documentation strings do: (operation, member) -> (least, most).
DOCUMENTED_BOUNDS: dict[tuple[str, str], tuple[int, int]] = {
    ("ListKeys", "Limit"): (1, 1000),
    ("ListAliases", "Limit"): (1, 100),
    ("ListKeyPolicies", "Limit"): (1, 1000),
    ("ListGrants", "Limit"): (1, 100),
    ("ListResourceTags", "Limit"): (1, 50),
    ("ListKeyRotations", "Limit"): (1, 1000),
    ("ListRetirableGrants", "Limit"): (1, 100),
}

_OFFERED_SPECS = frozenset(SPECS)
_OFFERED_ALGORITHMS = frozenset(name for spec in SPECS.values() for each in spec.algorithms.values() for name in each)
OFFERED: dict[str, frozenset[str]] = {
    "KeySpec": _OFFERED_SPECS,
    "CustomerMasterKeySpec": _OFFERED_SPECS,
    "DataKeyPairSpec": _OFFERED_SPECS,
    "EncryptionAlgorithmSpec": _OFFERED_ALGORITHMS,
    "SigningAlgorithmSpec": _OFFERED_ALGORITHMS,
    "WrappingKeySpec": frozenset(WRAPPING_SPECS),
    "AlgorithmSpec": frozenset(RSA_OAEP + RSA_AES),
}
"""The values of specs and algorithms that this installation has, by shape. A message names only these, though the
model lists more (SM2, ML_KEM_512): a caller who follows the message must not be refused again. AWS leaves SM2 out
where it has none."""

Checked = Callable[[Any, str, Faults], Any]
"""(value, path, faults) -> the value as the operations take it; faults are added to the list."""


Left = Callable[[Any], Any]
"""From a parameter to what a record may hold of it."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Parameters of an operation that no record may hold: `whole` members, and `partly` members that hold a secret
    member deeper down."""

    whole: frozenset[str]
    partly: Mapping[str, Left]


@dataclass(frozen=True, slots=True)
class Input:
    """A compiled operation: `check` gives the parameters, `secret` says what no record may hold of them."""

    check: Callable[[Any], dict[str, Any]]
    secret: Secrets


@cache
def service_model(service: str) -> ServiceModel:
    # Only the models that came with botocore, not those in ~/.aws.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


@cache
def operation_names(service: str) -> frozenset[str]:
    return frozenset(service_model(service).operation_names)


@cache
def compiled(service: str, operation: str) -> Input:
    """The validator of an operation's input. Its `check` raises WrongJsonType and Invalid."""
    model: OperationModel = service_model(service).operation_model(operation)
    shape = model.input_shape
    check = _structure(shape, operation) if shape is not None else _nothing

    def run(value: Any) -> dict[str, Any]:
        faults = Faults()
        parameters: dict[str, Any] = check(value, "", faults)
        if faults.told:
            raise Invalid(faults.told)
        return parameters

    return Input(run, _secrets(shape))


def _nothing(value: Any, path: str, faults: Faults) -> Any:
    return {}


GRANT_TOKENS = frozenset({"GrantTokens", "GrantToken"})
"""Whoever holds one can use its grant until the grant is known everywhere."""


def _secrets(shape: Shape | None) -> Secrets:
    """Blobs, members marked sensitive and grant tokens, at whatever depth the model has them: a record is JSON, and a blob
    in the middle of one would make the whole record impossible."""
    if shape is None:
        return Secrets(frozenset(), {})
    whole = frozenset(name for name, member in shape.members.items() if name in GRANT_TOKENS or _is_secret(member))
    partly = {name: left for name, member in shape.members.items() if name not in whole and (left := _left(member))}
    return Secrets(whole, partly)


def _is_secret(shape: Shape) -> bool:
    return shape.type_name == "blob" or bool(shape.metadata.get("sensitive"))


def _left(shape: Shape) -> Left | None:
    """What a record may hold of a value of this shape; None where that is all of it."""
    if shape.type_name == "structure":
        secret = _secrets(shape)
        return (lambda value: logged(value, secret)) if secret.whole or secret.partly else None
    if shape.type_name not in ("list", "map"):
        return None
    inner = shape.member if shape.type_name == "list" else shape.value
    if _is_secret(inner):
        return lambda value: len(value)
    left = _left(inner)
    if left is None:
        return None
    if shape.type_name == "list":
        return lambda value: [left(each) for each in value]
    return lambda value: {name: left(each) for name, each in value.items()}


HIDDEN = object()
"""Stands for a value that may be secret, or is a blob: AWS's sentence leaves it out."""


def _shown(value: Any) -> str:
    return cut(str(value[:LONGEST_SHOWN]) if isinstance(value, list) else str(value), LONGEST_SHOWN)


def _fault(value: Any, path: str, must: str) -> str:
    shown = "" if value is HIDDEN else f" '{_shown(value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: Member must {must}"


def _compile(shape: Shape, operation: str, member: str) -> Checked:
    kinds: dict[str, Callable[[Shape, str], Checked]] = {
        "structure": _structure,
        "list": _list,
        "map": _map,
        "blob": lambda each, _: _blob(each),
        "string": lambda each, _: _string(each),
        "boolean": lambda each, _: _boolean,
        "timestamp": lambda each, _: _timestamp,
    }
    if shape.type_name in ("integer", "long"):
        return _integer(shape, DOCUMENTED_BOUNDS.get((operation, member)))
    return kinds[shape.type_name](shape, operation)


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _structure(shape: Shape, operation: str) -> Checked:
    members = {name: (_lower_first(name), _compile(each, operation, name)) for name, each in shape.members.items()}
    required = tuple(shape.required_members)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, dict):
            raise WrongJsonType("Expected an object")
        result: dict[str, Any] = {}
        prefix = f"{path}." if path else ""
        for name, each in value.items():
            if each is None:
                continue
            row = members.get(name)
            if row is None:
                raise Invalid(
                    [f"Unknown parameter in input: '{cut(name, LONGEST_SHOWN)}', must be one of: {', '.join(members)}"]
                )
            result[name] = row[1](each, prefix + row[0], faults)
        for name in required:
            if name not in result:
                where = prefix + members[name][0]
                faults.append(f"Value null at '{where}' failed to satisfy constraint: Member must not be null")
        return result

    return check


def _length(shape: Shape) -> Callable[[int, Any, str, Faults], None]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")

    def check(length: int, shown: Any, path: str, faults: Faults) -> None:
        if most is not None and length > most:
            faults.append(_fault(shown, path, f"have length less than or equal to {most}"))
        if least is not None and length < least:
            faults.append(_fault(shown, path, f"have length greater than or equal to {least}"))

    return check


def _pattern(pattern: str) -> Callable[[str], object]:
    # Java's \w is ASCII; Python's $ would also match before a last newline, fullmatch does not.
    if "\\p{" not in pattern:
        return re.compile(pattern, re.ASCII).fullmatch
    expression = regex.compile(pattern)  # the standard library knows no Unicode properties
    return lambda value: expression.fullmatch(value)


def _string(shape: Shape) -> Checked:
    enum = frozenset(shape.enum)
    pattern = shape.metadata.get("pattern")
    matches = _pattern(pattern) if pattern else None
    length = _length(shape)
    shown_enum = "[" + ", ".join(each for each in shape.enum if each in OFFERED.get(shape.name, enum)) + "]"
    # A value that may be secret is not repeated in an error.
    hide = shape.metadata.get("sensitive", False)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, str):
            raise WrongJsonType(f"{type(value).__name__} can not be converted to a String")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise WrongJsonType("A string holds half of a surrogate pair") from None
            if STANDS_FOR_NUL in value:
                raise WrongJsonType("A string holds U+10FFFE, which is no character")
        shown = HIDDEN if hide else value
        if enum and value not in enum:
            faults.append(_fault(shown, path, f"satisfy enum value set: {shown_enum}"))
            return value
        length(len(value), shown, path, faults)
        if matches is not None and not matches(value):
            faults.append(_fault(shown, path, f"satisfy regular expression pattern: {pattern}"))
        return value

    return check


def _blob(shape: Shape) -> Checked:
    length = _length(shape)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, str):
            raise WrongJsonType("A blob is a string of base64")
        try:
            decoded = b64decode(value, validate=True)
        except (Base64Error, ValueError):
            raise WrongJsonType("A blob is not valid base64") from None
        length(len(decoded), HIDDEN, path, faults)
        return decoded

    return check


def _boolean(value: Any, path: str, faults: Faults) -> Any:
    if not isinstance(value, bool):
        raise WrongJsonType(f"{type(value).__name__} can not be converted to a Boolean")
    return value


def _timestamp(value: Any, path: str, faults: Faults) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongJsonType("A timestamp is a number of seconds")
    try:
        # As text, so that a record holds what conditions and operations read.
        return rfc3339(round(value * 1_000_000))
    except (ValueError, OverflowError, OSError):
        raise WrongJsonType("A timestamp is out of range") from None


def _integer(shape: Shape, documented: tuple[int, int] | None) -> Checked:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if documented is not None:
        least, most = documented

    def check(value: Any, path: str, faults: Faults) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongJsonType(f"{type(value).__name__} can not be converted to an Integer")
        if most is not None and value > most:
            faults.append(_fault(value, path, f"have value less than or equal to {most}"))
        if least is not None and value < least:
            faults.append(_fault(value, path, f"have value greater than or equal to {least}"))
        return value

    return check


def _list(shape: Shape, operation: str) -> Checked:
    item = _compile(shape.member, operation, "")
    length = _length(shape)
    most = shape.metadata.get("max", MOST_MEMBERS)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, list):
            raise WrongJsonType("Expected a list")
        if len(value) > most and shape.name == TAGS:  # as the writer says of fewer: it is more than a key has
            raise InvalidTag(TOO_MANY)
        if len(value) > most:  # its members are not looked at: that would cost many times the list
            faults.append(_fault(value, path, f"have length less than or equal to {most}"))
            return value
        length(len(value), value, path, faults)
        return [item(each, f"{path}.{index}.member", faults) for index, each in enumerate(value, 1)]

    return check


def _map(shape: Shape, operation: str) -> Checked:
    key, item = _compile(shape.key, operation, ""), _compile(shape.value, operation, "")

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, dict):
            raise WrongJsonType("Expected a map")
        result = {}
        for name, each in value.items():
            where = f"{path}.{cut(name, LONGEST_SHOWN)}.member"
            result[key(name, path, faults)] = item(each, where, faults)
        return result

    return check


def logged(parameters: Mapping[str, Any], secret: Secrets) -> dict[str, Any]:
    """The parameters as a record may hold them."""
    found = {name: value for name, value in parameters.items() if name not in secret.whole}
    for name, left in secret.partly.items():
        if name in found:
            found[name] = left(found[name])
    return found

"""Checks the parameters of requests, with validators compiled from botocore's service model: types, lengths, enums, patterns.

Messages are worded as in AWS's ValidationException: "1 validation error detected: Value 'x' at 'keySpec' failed to
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
    """A JSON value does not have the type of its shape. The caller gets a SerializationException."""


class Invalid(Exception):
    """Values break constraints. The caller gets a ValidationException that lists them."""

    def __init__(self, faults: list[str], more: str = "") -> None:
        count = len(faults)
        noun = "error" if count == 1 else "errors"
        super().__init__(f"{count} validation {noun} detected: {'; '.join(faults)}{more}")


MOST_MEMBERS = 200
"""The most members of a list for which the model has no maximum. A key has at most 50 tags, a grant 17 operations."""
TAGS = "TagList"
"""The name of the shape of a key's tags. The model has no maximum for it."""
MOST_FAULTS = 20
"""How many faults of a request are listed: its answer must not be many times as long as the request."""
LONGEST_SHOWN = 256
"""How many characters of a value, or of a name in a map, a message repeats."""


class Faults:
    """The messages about one request, in the order in which its faults are found. Raises Invalid once there are MOST_FAULTS."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def append(self, fault: str) -> None:
        self.messages.append(fault)
        if len(self.messages) == MOST_FAULTS:
            raise Invalid(self.messages, "; the rest of the request was not checked")


# Bounds that the model has in its documentation strings alone, not in its shapes: (operation, member) -> (least, most).
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
"""The specs and algorithms that Keytrail supports, by shape. A message lists only these, although the model has more (SM2,
ML_KEM_512): a caller who picks one from the message must not be refused again. AWS does the same: its messages leave SM2 out
in regions that do not have it."""

Validator = Callable[[Any, str, Faults], Any]
"""(value, path, faults) -> the value as the operations take it. What is wrong with it is added to `faults`."""


Redactor = Callable[[Any], Any]
"""Returns what a record may hold of a parameter."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What no record may hold of an operation's parameters: the members in `whole`, and parts of the members in `partly`, each
    with its redactor."""

    whole: frozenset[str]
    partly: Mapping[str, Redactor]


@dataclass(frozen=True, slots=True)
class Input:
    """The compiled input of an operation. `check` returns the parameters; `secret` says what no record may hold of them."""

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
    check = _structure(shape, operation) if shape is not None else _no_parameters

    def run(value: Any) -> dict[str, Any]:
        faults = Faults()
        parameters: dict[str, Any] = check(value, "", faults)
        if faults.messages:
            raise Invalid(faults.messages)
        return parameters

    return Input(run, _secrets(shape))


def _no_parameters(value: Any, path: str, faults: Faults) -> Any:
    return {}


GRANT_TOKENS = frozenset({"GrantTokens", "GrantToken"})
"""Members that hold grant tokens. With a token, its caller can use the grant until the grant is known everywhere."""
MFA_CODES = frozenset({"TokenCode", "AuthenticationCode1", "AuthenticationCode2"})
"""Members that hold codes of MFA devices. A code that was sent with the wrong device's number is still good."""


def _secrets(shape: Shape | None) -> Secrets:
    """What no record may hold: members marked sensitive, grant tokens, and blobs, because a record is JSON and JSON cannot
    hold bytes. They are found at every depth of the model."""
    if shape is None:
        return Secrets(frozenset(), {})
    whole = frozenset(
        name for name, member in shape.members.items() if name in GRANT_TOKENS | MFA_CODES or _is_secret(member)
    )
    rest = {name: member for name, member in shape.members.items() if name not in whole}
    partly = {name: redact for name, member in rest.items() if (redact := _redactor(member))}
    return Secrets(whole, partly)


def _is_secret(shape: Shape) -> bool:
    return shape.type_name == "blob" or bool(shape.metadata.get("sensitive"))


def _redactor(shape: Shape) -> Redactor | None:
    """The redactor of values of this shape; None if a record may hold all of such a value."""
    if shape.type_name == "structure":
        secret = _secrets(shape)
        return (lambda value: logged(value, secret)) if secret.whole or secret.partly else None
    if shape.type_name not in ("list", "map"):
        return None
    inner = shape.member if shape.type_name == "list" else shape.value
    if _is_secret(inner):
        return lambda value: len(value)
    redact = _redactor(inner)
    if redact is None:
        return None
    if shape.type_name == "list":
        return lambda value: [redact(each) for each in value]
    return lambda value: {name: redact(each) for name, each in value.items()}


HIDDEN = object()
"""Stands for a blob, or for a value that may be secret. AWS's message leaves such a value out."""


def _shown(value: Any) -> str:
    return cut(str(value[:LONGEST_SHOWN]) if isinstance(value, list) else str(value), LONGEST_SHOWN)


def _fault(value: Any, path: str, must: str) -> str:
    shown = "" if value is HIDDEN else f" '{_shown(value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: Member must {must}"


def _compile(shape: Shape, operation: str, member: str) -> Validator:
    kinds: dict[str, Callable[[Shape, str], Validator]] = {
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


def _structure(shape: Shape, operation: str) -> Validator:
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
            if name not in members:
                raise Invalid(
                    [f"Unknown parameter in input: '{cut(name, LONGEST_SHOWN)}', must be one of: {', '.join(members)}"]
                )
            member_path, validate = members[name]
            result[name] = validate(each, prefix + member_path, faults)
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
    expression = regex.compile(pattern)  # the standard library's re has no Unicode properties
    return lambda value: expression.fullmatch(value)


def _string(shape: Shape) -> Validator:
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
                raise WrongJsonType("A string holds U+10FFFE, which is not a character")
        shown = HIDDEN if hide else value
        if enum and value not in enum:
            faults.append(_fault(shown, path, f"satisfy enum value set: {shown_enum}"))
            return value
        length(len(value), shown, path, faults)
        if matches is not None and not matches(value):
            faults.append(_fault(shown, path, f"satisfy regular expression pattern: {pattern}"))
        return value

    return check


def _blob(shape: Shape) -> Validator:
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


def _integer(shape: Shape, documented: tuple[int, int] | None) -> Validator:
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


def _list(shape: Shape, operation: str) -> Validator:
    item = _compile(shape.member, operation, "")
    length = _length(shape)
    most = shape.metadata.get("max", MOST_MEMBERS)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, list):
            raise WrongJsonType("Expected a list")
        if len(value) > most and shape.name == TAGS:  # as the writer says of every list that is too long for a key
            raise InvalidTag(TOO_MANY)
        if len(value) > most:  # its members are not checked: that would cost many times what the list costs
            faults.append(_fault(value, path, f"have length less than or equal to {most}"))
            return value
        length(len(value), value, path, faults)
        return [item(each, f"{path}.{index}.member", faults) for index, each in enumerate(value, 1)]

    return check


def _map(shape: Shape, operation: str) -> Validator:
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
    """What a record may hold of the parameters."""
    kept = {name: value for name, value in parameters.items() if name not in secret.whole}
    for name, redact in secret.partly.items():
        if name in kept:
            kept[name] = redact(kept[name])
    return kept

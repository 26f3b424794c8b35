"""Checks the shape of a request against its route's row. A request of another shape is refused: otherwise
`princpal=bob` would be answered as a question about all principals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from services.audit_api.faults import invalid
from services.audit_api.route import TRAIL, RouteRow
from services.audit_api.schemas import JsonSchema
from services.kms_api.bounds import parsed
from services.questions.nearest import in_words, nearest

EARLIER = {"since": "from"}
"""Names that earlier versions had for a parameter, or for a member of a body."""
TYPES: dict[str, tuple[type, str]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "object": (dict, "an object of names and values"),
    "array": (list, "a list"),
    "null": (type(None), "null"),
}


def require_query(route: RouteRow, given: Iterable[tuple[str, str]]) -> None:
    """Raises WireError for a parameter that the route does not have, that is empty, or that comes twice."""
    pairs, known = list(given), [each.name for each in route.query]
    for name, text in pairs:
        if name not in known and EARLIER.get(name) not in known:
            raise invalid(f"There is no parameter {name!r} here.{in_words(nearest(name, known))}")
        if not text:
            raise invalid(f"{name} is empty: leave it out, or give it a value.")
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise invalid(f"{name} is given {times} times: give it once.")


def require_body(route: RouteRow, body: bytes) -> None:
    """Raises WireError for members that the route does not have, or of another type. The endpoint itself refuses a body
    that is not an object."""
    if not route.body:
        return
    try:
        document = parsed(body)
    except orjson.JSONDecodeError:
        return
    if not isinstance(document, dict):
        return
    members = route.body_schemas()
    if route.takes_trail:
        document.pop(TRAIL.name, None)  # the command line sends it here as well as in the query
    for name, value in document.items():
        schema = members.get(name) or members.get(EARLIER.get(name, ""))
        if schema is None:
            raise invalid(f"There is no member {name!r} here.{in_words(nearest(name, members))}")
        _require(value, schema, name)


def _require(value: Any, schema: JsonSchema, name: str) -> None:
    """Checks the types of a value and of its contents. The endpoint checks bounds, enums and patterns. Raises WireError."""
    value = whole(value)
    either: list[JsonSchema] = schema.get("oneOf", [schema])
    kinds = [kind for each in either for kind in _kinds(each)]
    found = [kind for kind in kinds if type(value) is TYPES[kind][0]]
    if not found:
        words = " or ".join(TYPES[kind][1] for kind in kinds if kind != "null")
        raise invalid(f"{name} must be {words}")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise invalid(f"{name} must be a number from {schema['minimum']} to {schema['maximum']}")
    (of,) = (each for each in either if found[0] in _kinds(each))
    if isinstance(value, dict):
        for key, member in value.items():
            _require(member, of["additionalProperties"], f"{name}.{key[:256]}")
    if isinstance(value, list):
        for each in value:
            _require(each, of["items"], f"each of {name}")


def whole(value: Any) -> Any:
    """An integer for a number such as 7.0, which JSON Schema counts as an integer: clients write it so if their
    language has only floating-point numbers. A query still refuses it: values there are text, and their patterns say
    which."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _kinds(schema: JsonSchema) -> list[str]:
    kinds = schema["type"]
    return [kinds] if isinstance(kinds, str) else list(kinds)

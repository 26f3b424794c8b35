"""JSON Schemas of the audit API's requests and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

JsonSchema = dict[str, Any]
TypeName = Literal[
    "text", "text?", "time", "time?", "integer", "integer?", "yes-or-no", "yes-or-no?", "object", "object?", "texts", "texts?",
    "objects"
]  # fmt: skip
"""The type of a member of an answer. With `?` the member may be null."""
_BASIC: dict[str, JsonSchema] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer", "format": "int64"},
    "yes-or-no": {"type": "boolean"},
    "object": {"type": "object", "additionalProperties": True},
    "texts": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
}


class Member(NamedTuple):
    """A member of an answer."""

    name: str
    type: TypeName
    description: str


AnswerMembers = tuple[Member, ...]


def schema(name: TypeName, description: str = "") -> JsonSchema:
    found = dict(_BASIC[name.removesuffix("?")])
    if name.endswith("?"):
        found["type"] = [found["type"], "null"]
    return found | ({"description": description} if description else {})


def object_of(members: AnswerMembers) -> JsonSchema:
    return {"type": "object", "properties": {name: schema(kind, text) for name, kind, text in members}}


def with_types(members: AnswerMembers, **types: TypeName) -> AnswerMembers:
    """The members, with other types for some of them."""
    return tuple(each._replace(type=types.get(each.name, each.type)) for each in members)


# -- what a request may hold ------------------------------------------------------------------------------------------

_POSITION = "@[0-9]{1,17}"
_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
_DAY = (
    "((?!0000)[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"
    f"02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP})"
)
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
_MOMENT = f"{_POSITION}|{_DAY}(T{_HOUR})?"
NO_NUL = r"^[^\u0000]*$"
"""Postgres stores no text with U+0000."""
WORD: JsonSchema = {"type": "string", "minLength": 1, "pattern": NO_NUL}
"""Any text except an empty one, which is refused."""
TEXT = WORD | {"minLength": 0}
MOMENT: JsonSchema = {"type": "string", "pattern": f"^({_MOMENT})$"}
"""A time or a position."""
VERSION_OR_MOMENT: JsonSchema = {"type": "string", "pattern": f"^({_MOMENT}|[0-9]{{1,9}})$"}
AFTER: JsonSchema = {"type": "string", "pattern": "^-?[0-9]{1,17}$"}
TRUE_OR_FALSE: JsonSchema = {"type": "string", "enum": ["true", "false"]}
PAIRS: JsonSchema = {"type": "object", "propertyNames": {"pattern": NO_NUL}}
"""An object whose names the caller chooses; `additionalProperties` gives the type of its values."""


def one_of(values: Iterable[str]) -> JsonSchema:
    return {"type": "string", "enum": list(values)}

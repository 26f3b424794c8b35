"""Whether a JSON value fits a schema of Keytrail's description. It knows the parts of JSON Schema that the description
uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def undescribed(value: Any, schema: dict[str, Any], path: str = "$") -> list[str]:
    """The schema for members that it does not name, if it allows any."""
    found, named = [], schema.get("properties", {})
    if isinstance(value, dict) and named:
        for name, each in value.items():
            found += undescribed(each, named[name], f"{path}.{name}") if name in named else [f"{path}.{name}"]
    if isinstance(value, list):
        for each in value:
            found += undescribed(each, schema.get("items", {}), f"{path}[]")
    return sorted(set(found))


def conforms(value: Any, schema: dict[str, Any], path: str = "$") -> list[str]:
    """The faults, in words."""
    wanted = schema.get("type", [])
    kinds = [TYPES[each] for each in ([wanted] if isinstance(wanted, str) else wanted)]
    if kinds and type(value) not in kinds:
        return [f"{path}: {value!r} is not {wanted}"]
    found = []
    if isinstance(value, dict):
        found += [f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        more = schema.get("additionalProperties")
        for name, each in value.items():
            inner = schema.get("properties", {}).get(name, more if isinstance(more, dict) else {})
            found += conforms(each, inner, f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for place, each in enumerate(value):
            found += conforms(each, schema["items"], f"{path}[{place}]")
    if isinstance(value, str) and schema.get("format") == "date-time":
        datetime.fromisoformat(value)
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    return found

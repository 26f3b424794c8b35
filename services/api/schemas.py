"""The types of what the audit API takes and answers, for its description (openapi.py).

Rule of this file: a member's type is a row here, by its name; where one name means two things, by the route's function as well.
A test holds the rows to every route of the table, and real answers to the rows. `?` behind a type: it may be null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
_BASIC: dict[str, Schema] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer", "format": "int64"},
    "yes-or-no": {"type": "boolean"},
    "object": {"type": "object", "additionalProperties": True},
    "texts": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    "named texts": {"type": "object", "additionalProperties": {"type": "string"}},
    "anything": {},
}


def schema(name: str, description: str = "") -> Schema:
    """The JSON Schema of a type as the tables below write it."""
    found = dict(_BASIC[name.removesuffix("?")])
    if name.endswith("?"):
        found["type"] = [found["type"], "null"]
    return found | ({"description": description} if description else {})


def _table(text: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for line in text.strip().splitlines():
        kind, _, names = line.strip().partition(": ")
        rows |= dict.fromkeys(names.split(), kind)
    return rows


ANSWERED = _table("""
    text: name account arn spec usage description principal operation summary source agent call_id subject title means
    text: severity state document answer log leader head notifier account_id
    text: access_key_id secret_access_key id created_by effect access_key
    text?: rule kind key_id message sid event_type decided_by policy_version error marked_by note fault next
    integer: version calls refused number as_since messages waiting attempts dead keys through
    integer?: position seen statement
    time: at created_at changed_at first since
    time?: last marked_at until began
    yes-or-no: bypassed_lockout_check locked_out for_sure off raised end
    object: tags by key used policy change result context record lag alerts parameters
    object?: event encryption_context suppressed evidence delegation near
    objects: reasons layers grants paths unless by_operation gained lost changed allowed denied unknown identities marks
    objects: permissions items
    texts: unused principals_unused operations aliases references about key_aliases
""")
"""What is answered, by a member's name."""
OF_ROUTE: dict[str, dict[str, str]] = {
    "list_keys": {"policy_version": "integer"},
    "last_use": {"last": "object?"},
    "counts": {"last": "time"},
    "show_key": {"position": "integer", "policy_version": "integer"},
    "key_as_of": {"position": "integer"},
    "principal_as_of": {"position": "integer", "principal": "object"},
    "who_can": {"position": "integer"},
    "can_what": {"under_conditions": "object"},
    "what_between": {"gained": "texts", "lost": "texts", "changed": "texts"},
    "status": {"position": "integer", "keys": "integer"},
    "alert_rules": {"numbers": "object", "do": "text"},
    "alert": {"do": "text", "source": "object"},
    "alerts": {"source": "object"},
    "alert_stream": {"source": "object"},
    "alert_scan": {"source": "object", "progress": "object"},
    "dead_letters": {"message": "object"},
    "notifiers": {"since": "time?"},
    "what_if": {"done": "integer", "flipped": "object"},
    "recheck": {"done": "integer"},
    "changes": {"keys": "objects", "about": "texts", "depends": "text", "done": "integer"},
    "log": {"end": "object"},
    "mark_alert": {"position": "integer"},
}
"""By the route's function, where a name means something else there."""
IN_ROWS: dict[str, str] = {"who_can": "items", "unused": "items"}
"""Routes whose table says of some members "in a row": those of the items of this list."""
TAKEN: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "days": {"type": "integer", "minimum": 1, "maximum": 36_500, "default": 90},
    "after": {"type": "string", "pattern": "^-?[0-9]{1,18}$"},
    "effect": {"type": "string", "enum": ["allowed", "refused"]},
    "order": {"type": "string", "enum": ["newest"]},
    "inputs": {"type": "string", "enum": ["true", "false"]},
    "suppressed": {"type": "string", "enum": ["true", "false"]},
    "encryption_context": {"type": "string", "pattern": "="},
}
"""Parameters of a query that are not just any text."""
BODY: dict[str, str] = {
    "encryption_context": "named texts",
    "conditions": "object",
    "calls": "yes-or-no",
    "what_if.after": "integer",
}
"""Members of a body that are not a text."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "explain": ("principal", "operation", "key"),
    "create_account": ("account_id",),
    "check_draft": ("policy",),
    "mark_alert": ("state",),
    "counts": ("by",),
    "meaning_of": ("name",),
    "who_can": ("action",),
    "who_between": ("action", "from"),
    "what_between": ("from",),
}
"""What a request has to say, by the route's function; everything else may be left out."""


def type_of(function: str, name: str) -> str:
    """Raises KeyError for a member without a row."""
    return OF_ROUTE.get(function, {}).get(name) or ANSWERED[name]

"""The types of what the audit API takes and answers, for its description (openapi.py).

Rule of this file: a member's type is a row here, by its name; where one name means two things, by the route's function as well.
A test holds the rows to every route of the table, and real answers to the rows. `?` behind a type: it may be null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.alerts.severities import SEVERITIES
from domain.commands.mark_alert import LONGEST_NOTE, STATES
from projections.decisions.queries import EXPRESSIONS, FIELDS
from services.audit_api.route import RouteRow

Schema = dict[str, Any]
_BASIC: dict[str, Schema] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer", "format": "int64"},
    "yes-or-no": {"type": "boolean"},
    "object": {"type": "object", "additionalProperties": True},
    "texts": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
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
    text: name account arn spec usage origin description principal operation summary source agent call_id subject title means
    text: severity state document answer log leader head notifier account_id
    text: access_key_id secret_access_key id created_by effect access_key action resource
    text?: rule kind key_id message sid event_type decided_by policy_version error marked_by note fault next
    text?: via manager
    integer: version calls refused number as_since messages waiting attempts dead keys through from_version to_version
    integer: next_command void_records database_bytes
    integer?: position seen statement rotation_days
    time: at created_at changed_at first since
    time?: last marked_at until began
    time?: deletion_at next_rotation_at expires_at hour day
    yes-or-no: bypassed_lockout_check locked_out for_sure off raised end never_used
    object: names tags by key used policy change result context record lag alerts parameters projections
    object: otherwise
    object?: event encryption_context suppressed evidence delegation near inputs session
    objects: reasons layers grants paths unless by_operation gained lost changed allowed denied unknown identities marks
    objects: permissions items unclear
    texts: unused principals_unused not_counted operations aliases references about key_aliases accounts commands resources
    texts?: materials
""")
"""What is answered, by a member's name."""
_OF_AN_ALERT = {"source": "object", "by": "text", "position": "integer", "do": "text"}
OF_ROUTE: dict[str, dict[str, str]] = {
    "list_keys": {"policy_version": "integer"},
    "last_use": {"last": "object?", "created_at": "time?"},
    "counts": dict.fromkeys(EXPRESSIONS, "text?")
    | {"last": "time", "statement": "integer?", "hour": "time?", "day": "time?"},
    "show_key": {"position": "integer", "policy_version": "integer"},
    "key_as_of": {"position": "integer"},
    "principal_as_of": {"position": "integer", "principal": "object"},
    "who_can": {"position": "integer"},
    "can_what": {"under_conditions": "object"},
    "what_between": {"gained": "texts", "lost": "texts", "changed": "texts"},
    "status": {"position": "integer", "keys": "integer"},
    "alert_rules": {"numbers": "object", "do": "text"},
    "alert": _OF_AN_ALERT,
    "alerts": _OF_AN_ALERT,
    "alert_stream": _OF_AN_ALERT,
    "alert_scan": _OF_AN_ALERT | {"progress": "object"},
    "diff": {"from": "object", "to": "object"},
    "explain": {"position": "integer", "by": "object"},
    "dead_letters": {"message": "object"},
    "notifiers": {"since": "time?"},
    "what_if": {"done": "integer", "flipped": "object"},
    "recheck": {"done": "integer"},
    "changes": {
        "keys": "objects",
        "about": "texts",
        "depends": "text",
        "grant": "text",
        "policy": "text",
        "done": "integer",
    },
    "log": {"end": "object"},
    "mark_alert": {"position": "integer"},
}
"""By the route's function, where a name means something else there."""
IN_ROWS: dict[str, str] = {"who_can": "items", "unused": "items"}
"""Routes whose table says of some members "in a row": those of the items of this list."""
_POSITION = "@[0-9]{1,17}"
_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
_DAY = (
    "((?!0000)[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"
    f"02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP})"
)
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
_MOMENT = f"{_POSITION}|{_DAY}(T{_HOUR})?"
_BY = "|".join(sorted(EXPRESSIONS))
_TRUE_OR_FALSE: Schema = {"type": "string", "enum": ["true", "false"]}
WORD: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]*$"}
"""A text of a request: an empty one is refused, and no text of Postgres holds U+0000."""
MOMENT: Schema = {"type": "string", "pattern": f"^({_MOMENT})$"}
TAKEN: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "days": {"type": "integer", "minimum": 1, "maximum": 36_500, "default": 90},
    "cursor": {"type": "string", "pattern": "^[A-Za-z0-9_-]+={0,2}$"},
    "trail": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_]{0,40}$"},
    "from": MOMENT,
    "to": MOMENT,
    "at": MOMENT,
    "after": {"type": "string", "pattern": "^-?[0-9]{1,17}$"},
    "by": {"type": "string", "pattern": f"^({_BY})(,({_BY}))*$"},
    "effect": {"type": "string", "enum": ["allowed", "refused"]},
    "order": {"type": "string", "enum": ["newest"]},
    "state": {"type": "string", "enum": list(STATES)},
    "severity": {"type": "string", "enum": list(SEVERITIES)},
    "inputs": _TRUE_OR_FALSE,
    "suppressed": _TRUE_OR_FALSE,
    "encryption_context": {"type": "string", "pattern": r"^[^\u0000=]*=[^\u0000]*$"},
    **{name: {"type": "string", "pattern": "^@?[0-9]{1,9}$"} for name, kind in FIELDS.items() if kind == "int"},
    **{name: {"type": "string", "pattern": "^@?[0-9]{1,17}$"} for name, kind in FIELDS.items() if kind == "bigint"},
}
"""Parameters of a query that are not just any text."""
NAMED: Schema = {"type": "object", "propertyNames": {"pattern": r"^[^\u0000]*$"}}
BODY: dict[str, Schema] = {
    "encryption_context": NAMED | {"additionalProperties": WORD | {"minLength": 0}},
    "conditions": NAMED
    | {
        "additionalProperties": {
            "oneOf": [WORD | {"minLength": 0}, {"type": "array", "items": WORD | {"minLength": 0}}],
        }
    },
    "calls": {"type": "boolean"},
    "account_id": {"type": "string", "pattern": "^[0-9]{12}$"},
    "note": {"type": "string", "maxLength": LONGEST_NOTE, "pattern": r"^[^\u0000]*$"},
    "mark_alert.state": {"type": "string", "enum": list(STATES)},
    "what_if.after": {"type": "integer", "format": "int64", "minimum": -1, "maximum": 2**53},
    "from": MOMENT,
    "to": MOMENT,
    "at": MOMENT,
    "diff.from": {"type": "string", "pattern": f"^({_MOMENT}|[0-9]{{1,9}})$"},
    "diff.to": {"type": "string", "pattern": f"^({_MOMENT}|[0-9]{{1,9}})$"},
}
"""Members of a body that are not just any text. What may be left out may be null."""
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


def bodies(route: RouteRow) -> dict[str, Schema]:
    """The members of what is posted."""
    required = REQUIRED.get(route.function, ())
    found = {}
    for name, _ in route.body:
        member = dict(BODY.get(f"{route.function}.{name}") or BODY.get(name) or WORD)
        if name not in required:
            member["type"] = [member["type"], "null"]
            member.pop("minLength", None)  # as earlier clients wrote what they left out
        found[name] = member
    return found

"""The filters of a list of keys, as they are and as they were."""

from __future__ import annotations

from domain.keys.states import State
from projections.keys.project import DELETED
from projections.keys.queries import FIELDS, KeyFilters
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter
from services.audit_api.schemas import one_of

MANAGERS = ("customer", "service")
KEY_FILTERS = (
    Parameter("key", "the id or ARN of the key; * for any characters"),
    Parameter("state", "KeyState", one_of((*(each.value for each in State), DELETED))),
    Parameter("spec", "KeySpec; * for any characters"),
    Parameter("usage", "KeyUsage; * for any characters"),
    Parameter("origin", "Origin; * for any characters"),
    Parameter("alias", "an alias of the key, with or without alias/; * for any characters"),
    Parameter("tag", "the name of a tag, or NAME=VALUE"),
    Parameter("description", "the description; * for any characters"),
    Parameter(
        "manager", "customer: keys that the account manages; service: keys that a service manages", one_of(MANAGERS)
    ),
)


def key_filters(request: AuditRequest) -> KeyFilters:
    """All but the alias, which the read models do not have. Raises WireError."""
    request.one_of("state", (*(each.value for each in State), DELETED))
    manager, tag = request.one_of("manager", MANAGERS), request.text("tag")
    name, equals, value = (tag or "").partition("=")
    fields = {name: text for name in FIELDS if (text := request.text(name)) is not None}
    if (key := request.text("key")) is not None:
        fields["arn" if key.startswith("arn:") else "key_id"] = key
    return KeyFilters(
        fields=fields,
        tag=(name, value if equals else None) if tag else None,
        managed=None if manager is None else manager == "service",
    )

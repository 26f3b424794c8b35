"""The audit API's routes as one table, and the OpenAPI document that is made of it."""

from __future__ import annotations

from typing import Any

from projections.decisions.queries import EXPRESSIONS
from services.api.route import CURSOR, DECISION, FILTERS, LIMIT, OF_HISTORY, ORDER, SPAN, TRAIL, RouteRow
from services.api.routes_alerts import ALERTS, CHECK
from services.api.routes_past import PAST

KEY = (
    ("key_id", "the key"),
    ("arn", "its ARN"),
    ("spec", "KeySpec"),
    ("usage", "KeyUsage"),
    ("state", "KeyState"),
    ("description", "Description"),
    ("tags", "tags"),
    ("policy_version", "the version of its policy in force"),
    ("created_at", "when it was made"),
    ("created_by", "by whom"),
    ("key_aliases", "the names of its aliases"),
    ("changed_at", "when it was last changed"),
    ("position", "the last change's position"),
)
VERSION = (
    ("version", "counts from 1"),
    ("document", "the policy's text as it was put"),
    ("at", "when"),
    ("position", "where on the log"),
    ("principal", "who put it"),
    ("access_key", "with which credential"),
    ("call_id", "by which call"),
    ("bypassed_lockout_check", "whether the safety check was bypassed"),
    ("locked_out", "whether its author may not put another"),
)

ROUTES: tuple[RouteRow, ...] = (
    RouteRow(
        "GET",
        "/v1/keys",
        "list_keys",
        "The account's keys as they are now",
        KEY,
        (LIMIT, CURSOR),
        action="keytrail:ListKeys",
    ),
    RouteRow(
        "GET",
        "/v1/keys/{key:path}/history",
        "history",
        "Every change of a key, refused attempts included",
        DECISION,
        OF_HISTORY,
        of_trails=True,
        action="keytrail:ReadHistory",
    ),
    RouteRow(
        "GET",
        "/v1/keys/{key:path}/policies",
        "policies",
        "Every version of a key's policy",
        VERSION,
        (LIMIT, CURSOR),
        action="keytrail:ReadPolicies",
    ),
    RouteRow(
        "GET",
        "/v1/keys/{key:path}/last-use",
        "last_use",
        "When a key was last used, for what and by whom, operation by operation",
        (
            ("last", "the last use: operation, last, principal, call_id; null for a key that never was"),
            ("by_operation", "the same of every operation, with the number of calls"),
        ),
        is_list=False,
        of_trails=True,
        action="keytrail:ReadDecisions",
    ),
    CHECK,
    RouteRow(
        "GET",
        "/v1/keys/{key:path}",
        "show_key",
        "One key, by id, ARN or alias",
        KEY,
        is_list=False,
        action="keytrail:ReadKey",
    ),
    RouteRow(
        "GET",
        "/v1/decisions",
        "decisions",
        "Every call that concerned the account, and what decided it",
        DECISION,
        (*FILTERS, ("inputs", "true: with everything that the evaluator read"), ORDER, LIMIT, CURSOR),
        of_trails=True,
        action="keytrail:ReadDecisions",
    ),
    RouteRow(
        "GET",
        "/v1/decisions/counts",
        "counts",
        "How many calls there were by principal, operation, key, hour or any other field; most first",
        (
            ("calls", "how many"),
            ("refused", "how many of them were refused"),
            ("first", "when the first was decided"),
            ("last", "when the last was"),
        ),
        (("by", f"one or several of {', '.join(sorted(EXPRESSIONS))}, separated by commas"), *FILTERS, LIMIT),
        of_trails=True,
        action="keytrail:ReadDecisions",
    ),
    RouteRow(
        "GET",
        "/v1/unused",
        "unused",
        "What the statements and grants on a key, of a principal, or of all of the account, allow and nobody used",
        (
            ("items", "a row for each Allow statement and grant"),
            ("by", "in a row: the statement or grant"),
            ("used", "in a row: the actions that it let in since, with the number of calls and the last"),
            ("unused", "in a row: the actions that it allows and let nobody in for"),
            ("principals_unused", "in a row: whom it names and who never came in by it"),
            ("since", "when the time looked at began: never before the record"),
            ("until", "when it ended"),
            ("began", "when the record began"),
            ("next", "where neither a key nor a principal is named: the cursor of the next page"),
        ),
        (
            ("key", "id, ARN or alias of a key; without it and a principal, everything of the account"),
            ("principal", "or a user or role"),
            ("days", "how many days are looked at; 90 where left out"),
            *SPAN,
            LIMIT,
            CURSOR,
        ),
        is_list=False,
        of_trails=True,
        action="keytrail:ReadDecisions",
    ),
    RouteRow(
        "GET",
        "/v1/events",
        "events",
        "The log's records that concern the account, by position",
        DECISION,
        (("after", "the position after which to begin; -1 where left out"), LIMIT, CURSOR),
        action="keytrail:ReadEvents",
    ),
    RouteRow(
        "GET",
        "/v1/log",
        "log",
        "The account's own part of the log, changes and decisions, for its auditor; a JSON object a line",
        (
            ("record", "a call, as /v1/decisions gives it with its inputs"),
            ("end", "in the last line: records, and the position of the log that it goes up to"),
        ),
        SPAN,
        is_list=False,
        action="keytrail:ReadLog",
    ),
    RouteRow(
        "POST",
        "/v1/accounts",
        "create_account",
        "Host one more account; the first account's root alone may",
        (
            ("account_id", "twelve digits"),
            ("access_key_id", "its root's access key"),
            ("secret_access_key", "shown once"),
        ),
        is_list=False,
        action="keytrail:CreateAccount",
    ),
    RouteRow(
        "GET",
        "/v1/status",
        "status",
        "Where the log stands and what the account has; for the first account who leads, lag and sizes too",
        (
            ("log", "the log's name"),
            ("position", "the last valid record"),
            ("keys", "how many keys the account has; for the first account, how many there are"),
            ("leader", "the writer in force"),
            ("head", "its digest: keep it to check the log's end later"),
            ("lag", "records of its topics that each projection has not taken in"),
            ("alerts", "how far each partition is judged, and what waits to be"),
        ),
        is_list=False,
        action="keytrail:ReadStatus",
    ),
    *ALERTS,
    *PAST,
    RouteRow("GET", "/v1/openapi.json", "openapi", "This description", (), is_list=False),
)


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keytrail audit API",
            "version": "1",
            "description": "Signed by AWS Signature Version 4 for the service `keytrail`. An account's root sees its own.",
        },
        "paths": paths,
    }


def _operation(route: RouteRow) -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": {name: {"description": description} for name, description in route.fields},
    }
    schema: dict[str, Any] = item
    if route.is_list:
        schema = {
            "type": "object",
            "required": ["items", "next"],
            "properties": {"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]}},
        }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "required": False, "description": description, "schema": {"type": "string"}}
        for name, description in (*route.parameters, *((TRAIL,) if route.of_trails else ()))
    ]
    for name in ("key", "reference", "principal", "alert", "call"):
        if f"{{{name}" in route.path:
            parameters.insert(0, {"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "operationId": route.function,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
            "default": {
                "description": "An error",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "error": {
                                    "type": "object",
                                    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                                }
                            },
                        }
                    }
                },
            },
        },
    }
    if route.method == "POST":
        body = {"type": "object", "required": ["account_id"], "properties": {"account_id": {"type": "string"}}}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation

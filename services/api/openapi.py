"""The audit API's routes as one table, and the OpenAPI document that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Parameter = tuple[str, str]
"""(name, description) of a query parameter."""

LIMIT = ("limit", "how many items at most, 1 to 1000; 100 where left out")
CURSOR = ("cursor", "`next` of the answer before")
AT = ("at", "a time (RFC 3339) or a position such as @1234; now where left out")
SPAN = (
    ("from", "the first time, RFC 3339, or a position such as @1234"),
    ("to", "the time after the last, RFC 3339, or a position such as @1234"),
)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """`function` is the name of a method of Audit or Questions; `fields` are an item's members, in words."""

    method: str
    path: str
    function: str
    summary: str
    fields: tuple[Parameter, ...]
    parameters: tuple[Parameter, ...] = ()
    is_list: bool = True
    action: str = ""
    """The permission that it asks, "" for none."""


DECISION = (
    ("at", "when it was decided"),
    ("position", "the record's place on the log, for changing calls; null for others"),
    ("seen", "the position of the log that it was decided at"),
    ("call_id", "the call, as in x-amzn-RequestId"),
    ("principal", "who called"),
    ("access_key", "with which credential"),
    ("operation", "what was asked"),
    ("effect", "allowed or refused"),
    ("key_id", "the key concerned"),
    (
        "kind",
        "what decided: key-policy, identity-policy, grant, boundary, session-policy, implicit-deny, key-state, ...",
    ),
    ("decided_by", "the policy or grant that decided"),
    ("policy_version", "the policy's version; of an inline policy, the position at which it was put"),
    ("sid", "the deciding statement's Sid"),
    ("statement", "the deciding statement's index, from 0"),
    ("rule", "the rule that decided where no statement did"),
    ("error", "the kind of refusal"),
    ("message", "what the caller was told"),
    ("source", "the caller's address"),
    ("agent", "the caller's user agent"),
    ("encryption_context", "the encryption context, where there was one"),
    ("event_type", "the event that the call caused"),
    ("summary", "one line"),
    ("parameters", "the request, with secrets left out"),
    ("reasons", "every permission that was asked, and what decided each"),
    ("event", "the event's data"),
)
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
        (LIMIT, CURSOR),
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
        (
            ("key", "id, ARN or alias of a key"),
            ("principal", "the ARN of who called"),
            ("operation", "Encrypt, for instance"),
            ("effect", "allowed or refused"),
            *SPAN,
            LIMIT,
            CURSOR,
        ),
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
        "Who leads, positions, lag and sizes",
        (
            ("log", "the log's name"),
            ("leader", "the writer in force"),
            ("position", "the last valid record"),
            ("head", "its digest: keep it to check the log's end later"),
            ("lag", "records that each projection has not taken in"),
        ),
        is_list=False,
        action="keytrail:ReadStatus",
    ),
    RouteRow(
        "POST",
        "/v1/explain",
        "explain",
        "What would be decided, and every statement that was looked at",
        (
            ("effect", "allow or deny"),
            ("kind", "what decided: key-policy, identity-policy, grant, boundary, implicit-deny, ..."),
            ("by", "the statement, grant or rule"),
            ("delegation", "the statement that let an identity policy decide"),
            ("near", "the one condition that kept one statement from allowing"),
            ("message", "what the caller would be told"),
            ("layers", "every statement of every policy, and why it matched or did not"),
            ("grants", "every grant on the key, and why it applied or did not"),
            ("context", "every condition key that was there"),
        ),
        (
            ("principal", "in the body: ARN of a user, role, session or root"),
            ("operation", "in the body: Decrypt, ReEncryptFrom, ..."),
            ("key", "in the body: id, ARN or alias"),
            ("encryption_context", "in the body: the pairs"),
            ("conditions", "in the body: other condition keys and their values"),
            ("at", "in the body: a time or a position; now where left out"),
        ),
        is_list=False,
        action="keytrail:Explain",
    ),
    RouteRow(
        "GET",
        "/v1/as-of/keys/{reference:path}",
        "key_as_of",
        "A key as it was, by the id, ARN or alias that it had then",
        (
            ("position", "the last record at that moment, `at` its time"),
            ("key", "its metadata, state and tags"),
            ("as_since", "the position of the key's last change before"),
            ("policy", "the policy document"),
            ("aliases", "names"),
            ("grants", "every grant on it"),
            ("identities", "those whom policy or grants name, with their policies as they were"),
        ),
        (AT,),
        is_list=False,
        action="keytrail:ReadKey",
    ),
    RouteRow(
        "GET",
        "/v1/as-of/principals/{principal:path}",
        "principal_as_of",
        "A user, group or role as it was, with every policy that applied to it",
        (
            ("position", "the last record at that moment, `at` its time"),
            ("principal", "tags, inline and attached policies, boundary, groups, access keys, trust"),
            ("as_since", "the position of its last change before"),
        ),
        (AT,),
        is_list=False,
        action="keytrail:ReadPrincipal",
    ),
    RouteRow(
        "GET",
        "/v1/principals/{principal:path}/history",
        "principal_history",
        "Every change of a user, group, role or managed policy, refused attempts included",
        DECISION,
        (LIMIT, CURSOR),
        action="keytrail:ReadHistory",
    ),
    RouteRow(
        "GET",
        "/v1/who-can/{reference:path}",
        "who_can",
        "Everyone who could do something with a key, and by which path",
        (
            ("items", "a row for everyone who could"),
            ("principal", "in a row: who; `kind` root, user, role, session, account, foreign, service, everyone"),
            ("for_sure", "in a row: whatever the request says"),
            ("paths", "in a row: the statement or grant that lets in, its delegation, and the conditions still open"),
            ("unless", "in a row: statements that would deny under their conditions"),
            ("position", "the last record at that moment, `at` its time"),
        ),
        (("action", "kms:Decrypt, for instance"), AT),
        is_list=False,
        action="keytrail:WhoCan",
    ),
    RouteRow(
        "GET",
        "/v1/can-what/{principal:path}",
        "can_what",
        "Every key that a principal could do something with, and what",
        (
            ("key_id", "the key"),
            ("operations", "what it could whatever the request says"),
            ("under_conditions", "what it could under conditions, with the paths"),
        ),
        (AT, LIMIT, CURSOR),
        action="keytrail:CanWhat",
    ),
    RouteRow(
        "POST",
        "/v1/what-if",
        "what_if",
        "What a draft would have done to every logged call; a JSON object a line",
        (
            ("done", "how many decisions were decided again until now, `of` how many"),
            ("through", "the position up to which they were: with `after` the same question goes on behind it"),
            ("result", "until now: decisions, flipped, unknown, and groups by principal, operation and reason"),
            ("end", "true in the last line"),
            ("flipped", "where calls were asked for: one that comes out otherwise"),
        ),
        (
            ("key", "in the body: the key, with `policy` (a draft) or `grant` (one that would be revoked)"),
            ("principal", "in the body: a user, group or role, with `policy` and `policy_name` (an inline policy)"),
            ("since", "in the body: a time or a position"),
            ("after", "in the body: go on behind this position"),
            ("calls", "in the body: true for the calls themselves"),
        ),
        is_list=False,
        action="keytrail:WhatIf",
    ),
    RouteRow(
        "POST",
        "/v1/keys/{key:path}/diff",
        "diff",
        "What another version of a key's policy, or a draft, lets in and keeps out",
        (
            ("answer", "equivalent (proven), different, or unknown"),
            ("allowed", "what the second policy lets in: principals, actions, conditions, and a witness of each"),
            ("denied", "what it keeps out, in the same form"),
            ("unknown", "what could not be told, with the statements that caused it"),
        ),
        (
            ("from", "in the body: a version, a time or a position"),
            ("to", "in the body: the same; the version in force where left out"),
            ("from_policy", "in the body: the text of a policy instead"),
            ("to_policy", "in the body: the same"),
        ),
        is_list=False,
        action="keytrail:Diff",
    ),
    RouteRow(
        "GET",
        "/v1/recheck",
        "recheck",
        "Every logged decision decided again on the state that it was decided on; a JSON object a line",
        (
            ("done", "how many decisions were decided again until now, `of` how many"),
            ("result", "at last: decisions, mismatches, evaluators, explained (of mismatches) and gaps"),
        ),
        (("since", "the first time, RFC 3339, or a position such as @1234; all where left out"),),
        is_list=False,
        action="keytrail:Recheck",
    ),
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
        for name, description in route.parameters
    ]
    for name in ("key", "reference", "principal"):
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

"""The OpenAPI document of the audit API, made of the table of routes and of the table of types."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response

from services.audit_api import schemas
from services.audit_api.openapi import ROUTES
from services.audit_api.route import DOCUMENT, PLACES, Parameter, RouteRow
from services.audit_api.schemas import Schema, schema

TAGS = {
    "keys": "Keys as they are, their history and their policies",
    "decisions": "What was decided, and what nobody used",
    "past": "As of any time, who could, and what a draft would have done",
    "alerts": "Risky changes and uses",
    "installation": "Where the log stands, and its accounts",
}
ERROR = {"$ref": "#/components/responses/Error"}
ERRORS = {
    "400": "a parameter that cannot be taken",
    "403": "no signature, a wrong one, or no permission",
    "404": "something that is not there",
    "413": "more than a request may hold",
    "500": "a fault of the server's, which is on its log",
    "503": "the newest state is not known now; try again",
}
LINE = {"type": "object", "additionalProperties": True}


def document(address: str = "http://127.0.0.1:8600") -> dict[str, Any]:
    """OpenAPI 3.1. `address`: where the server is, unless a client says otherwise."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PLACES.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keytrail audit API",
            "version": "1",
            "summary": "Who did what with which key, who may, and why",
            "description": "Every request but the one for this description is signed by AWS Signature Version 4, for the "
            "service `keytrail` and the installation's region. An account is told what concerns it. A reference in a path "
            "(an ARN or an alias) is percent-encoded.",
            "contact": {"name": "Whoever runs this installation"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "{address}",
                "description": "this installation",
                "variables": {
                    "address": {"default": address, "description": "as KEYTRAIL_PORT and the network have it"}
                },
            }
        ],
        "security": [{"sigv4": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 over the request; docs/howto/clients.md has a hook for each client",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {
                        "error": {
                            "type": "object",
                            "required": ["code", "message"],
                            "properties": {
                                "code": schema("text", "AWS's code, where AWS has one"),
                                "message": schema("text", "what went wrong"),
                            },
                        }
                    },
                }
            },
            "responses": {
                "Error": {
                    "description": "An error",
                    "content": {DOCUMENT: {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
        },
    }


def _tag(route: RouteRow) -> str:
    place = route.path.split("/")[2]
    if place.startswith("alert") or route.path.endswith("/alerts"):
        return "alerts"
    if place in ("decisions", "unused", "events", "log", "calls"):
        return "decisions"
    if place in ("accounts", "status", "openapi.json"):
        return "installation"
    return "keys" if place == "keys" and route.method == "GET" else "past"


def _operation(route: RouteRow) -> dict[str, Any]:
    asks = f"Asks `{route.action}`." if route.action else "Asks no permission."
    operation: dict[str, Any] = {
        "operationId": route.function,
        "summary": route.summary,
        "description": f"{route.summary}. {asks}",
        "tags": [_tag(route)],
        "parameters": [*_places(route), *_query(route)],
        "responses": {
            "200": {"description": "The answer", "content": {route.media: {"schema": _answer(route)}}},
            **{
                status: ERROR | {"description": text}
                for status, text in ERRORS.items()
                if route.signed or status == "404"
            },
        },
    }
    if not route.signed:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": {DOCUMENT: {"schema": _body(route)}}}
    return operation


def _places(route: RouteRow) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _place(name),
            "schema": schemas.WORD,
        }
        for name in PLACES.findall(route.path)
    ]


def _place(name: str) -> str:
    return {
        "key": "id, ARN or alias of a key",
        "reference": "id, ARN or alias of a key, as it was called then",
        "principal": "ARN of a user, group, role or managed policy",
        "alert": "the alert's id, or how it begins",
        "call": "the call's id, as in x-amzn-RequestId",
    }[name]


def _query(route: RouteRow) -> list[dict[str, Any]]:
    required = schemas.REQUIRED.get(route.function, ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": description,
            "schema": dict(schemas.TAKEN.get(name, schemas.WORD)),
        }
        for name, description in route.query
    ]


def _body(route: RouteRow) -> Schema:
    said, members = dict(route.body), schemas.bodies(route)
    properties = {name: member | {"description": said[name]} for name, member in members.items()}
    body: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = schemas.REQUIRED.get(route.function, ())
    return body | ({"required": list(required)} if required else {})


def _members(function: str, fields: Iterable[Parameter]) -> Schema:
    found = {name: schema(schemas.type_of(function, name), description) for name, description in fields}
    return {"type": "object", "properties": found}


IN_A_ROW = "in a row: "
"""How the table says of a member that it is one of the rows."""


def _answer(route: RouteRow) -> Schema:
    if route.function == "openapi":
        return LINE | {"description": "OpenAPI 3.1"}
    in_rows = [(name, text.removeprefix(IN_A_ROW)) for name, text in route.fields if text.startswith(IN_A_ROW)]
    whole = _members(route.function, [each for each in route.fields if not each[1].startswith(IN_A_ROW)])
    if in_rows:
        whole["properties"]["items"] = {"type": "array", "items": _members(route.function, in_rows)}
    if not route.is_list:
        return whole
    items = {"type": "array", "items": whole}
    more = {"type": ["string", "null"], "description": "the cursor of the next page, null at the end"}
    beside = {name: schema(kind, text) for name, kind, text in route.beside}
    return {"type": "object", "required": ["items", "next"], "properties": {"items": items, "next": more} | beside}


@cache
def _bytes() -> bytes:
    return orjson.dumps(document())


async def described(request: Request) -> Response:
    """For everyone, signed or not: it is made once, so a stranger's question costs what a small file costs."""
    return Response(_bytes(), 200, {"x-amzn-requestid": str(uuid4())}, DOCUMENT)

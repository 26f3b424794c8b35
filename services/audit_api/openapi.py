"""The OpenAPI document of the audit API, made from the table of routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from services.audit_api import schemas
from services.audit_api.answer_shapes import DOCUMENT, FileOf, Standard
from services.audit_api.route import (
    PLACES,
    ByCode,
    ByPassword,
    ByProviderCode,
    ByProviderProof,
    Parameter,
    RouteRow,
    RouteTag,
    Unsigned,
)
from services.audit_api.schemas import JsonSchema, schema

TAGS: dict[RouteTag, str] = {
    "keys": "Keys as they are, their history and their policies",
    "decisions": "What was decided, and what nobody used",
    "past": "As of any time, who could, and what a draft would have done",
    "alerts": "Risky changes and uses",
    "console": "Signing in to the console",
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
PLACE = {
    "key": "id, ARN or alias of a key",
    "reference": "id, ARN or alias of a key, as it was called then",
    "principal": "ARN of a user, group, role or managed policy",
    "alert": "the alert's id, or how it begins",
    "call": "the call's id, as in x-amzn-RequestId",
    "code": "the id of a code for the console",
    "device": "the name of an audit device",
}
"""What each name in a path means."""


def document(routes: Sequence[RouteRow], address: str = "http://127.0.0.1:8600") -> dict[str, Any]:
    """OpenAPI 3.1. `address` is the server's address, unless a client gives another."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PLACES.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keytrail audit API",
            "version": "1",
            "summary": "Who did what with which key, who may, and why",
            "description": "Every request is signed by AWS Signature Version 4 (except for this description, and with a code "
            "for the console), for the service `keytrail` and the installation's region. An account is told what concerns it. "
            "A reference in a path (an ARN or an alias) is percent-encoded.",
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


def _operation(route: RouteRow) -> dict[str, Any]:
    needs = f"Asks `{route.action}`." if route.action else "Asks no permission."
    signed, by_body = _proofs(route)
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": f"{route.summary}. {needs}",
        "tags": [route.tag],
        "parameters": [*_places(route), *map(_parameter, route.query)],
        "responses": {
            "200": {
                "description": "The answer",
                "content": {media: {"schema": route.answer.schema()} for media in _media_of(route)},
            },
            **{
                status: ERROR | {"description": text}
                for status, text in ERRORS.items()
                if signed or by_body or status == "404"
            },
        },
    }
    if not signed:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": {DOCUMENT: {"schema": _body(route)}}}
    return operation


def _proofs(route: RouteRow) -> tuple[bool, bool]:
    """Whether a request is signed, and whether something in its body stands for the signature."""
    match route.endpoint:
        case Unsigned():
            return False, False
        case ByCode() | ByPassword() | ByProviderCode() | ByProviderProof():
            return False, True
        case _:
            return True, False


def _media_of(route: RouteRow) -> tuple[str, ...]:
    return route.answer.media_types if isinstance(route.answer, FileOf) else (route.answer.media,)


def _places(route: RouteRow) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": PLACE[name], "schema": schemas.WORD}
        for name in PLACES.findall(route.path)
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _body(route: RouteRow) -> JsonSchema:
    members = route.body_schemas()
    properties = {each.name: members[each.name] | {"description": each.description} for each in route.body}
    body: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [each.name for each in route.body if each.required]
    return body | ({"required": required} if required else {})


async def _described(request: Request) -> Response:
    """Answers everyone, signed or not. The document is made once, so a stranger's question costs as much as a small file."""
    return Response(request.app.state.openapi, 200, {"x-amzn-requestid": str(uuid4())}, DOCUMENT)


OPENAPI = RouteRow(
    "GET",
    "/v1/openapi.json",
    "openapi",
    Unsigned(_described),
    "This description",
    tag="installation",
    answer=Standard("OpenAPI 3.1"),
)

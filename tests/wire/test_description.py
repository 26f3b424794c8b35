"""/v1/openapi.json is true: the real answers of every route match it, and generators can read its form."""

from __future__ import annotations

import json
from typing import Any, get_args
from urllib.parse import quote
from uuid import uuid4

import pytest

from domain.policy.default import default_key_policy
from services.audit_api import schemas
from services.audit_api.answer_shapes import DOCUMENT, EVENT_STREAM, LINES
from services.audit_api.openapi import TAGS, document
from services.audit_api.resources.routes import ROUTES
from services.exports.formats import CallFormat
from services.rendering import call_of, item
from tests.conforming import conforms, undescribed
from tests.installation import Installation
from tests.wire.test_audit_api import get

DESCRIBED = document(ROUTES)
OPERATIONS = [(path, method, each) for path, methods in DESCRIBED["paths"].items() for method, each in methods.items()]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_member_of_every_answer_has_a_type(route: Any) -> None:
    for name, kind, description in route.answer.members:
        assert schemas.schema(kind)["type"], name
        assert description, name


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_name_stands_once_in_a_route(route: Any) -> None:
    for names in (route.query, route.body, route.answer.members):
        assert len({each.name for each in names}) == len(names)


def test_every_type_is_of_a_member() -> None:
    assert set(get_args(schemas.TypeName)) == {kind for route in ROUTES for _, kind, _ in route.answer.members}


def test_the_form_satisfies_linters() -> None:
    assert len({each["operationId"] for _, _, each in OPERATIONS}) == len(OPERATIONS)
    for path, method, each in OPERATIONS:
        assert each["summary"], path
        assert each["description"], path
        assert set(each["tags"]) <= set(TAGS), path
        named = {parameter["name"] for parameter in each["parameters"] if parameter["in"] == "path"}
        assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        has_body = any(route.body for route in ROUTES if route.operation_id == each["operationId"])
        assert ("requestBody" in each) == has_body, path
        assert method == "post" or not has_body, path
        assert {"200", "404"} <= set(each["responses"]), path
    signed = {each["operationId"] for _, _, each in OPERATIONS if each.get("security") != []}
    assert {each["operationId"] for _, _, each in OPERATIONS} - signed == {
        "openapi",
        "redeem_console_code",
        "sign_in",
        "sign_in_providers",
        "exchange_provider_code",
        "sign_in_with_provider",
    }
    assert set(DESCRIBED["components"]["securitySchemes"]) == {"sigv4"}
    assert DESCRIBED["servers"]


def test_what_comes_line_by_line_or_as_it_happens_is_said_so() -> None:
    media = {each["operationId"]: set(each["responses"]["200"]["content"]) for _, _, each in OPERATIONS}
    lines = {name for name, found in media.items() if found == {LINES}}
    assert lines == {"alert_scan", "changes", "log", "recheck", "verify", "what_between", "what_if", "who_between"}
    assert {name for name, found in media.items() if found == {EVENT_STREAM}} == {"alert_stream"}
    assert media.pop("export_decisions") == {each.media for each in CallFormat}
    assert media.pop("evidence") == {"application/zip"}
    assert all(found == {DOCUMENT} for name, found in media.items() if name not in lines | {"alert_stream"})


def test_every_format_of_an_export_is_said_in_words() -> None:
    """The words were written by hand beside the table, and nothing said which format they lacked."""
    (route,) = [each for each in ROUTES if each.operation_id == "export_decisions"]
    (said,) = [each.description for each in route.parameters if each.name == "format"]
    assert [each.value for each in CallFormat if f"{each.value}: {each.says}" not in said] == []


def test_real_answers_are_as_described(installation: Installation) -> None:
    kms, iam = installation.client(), installation.client(service="iam")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name = f"described-{uuid4().hex[:8]}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_policy())
    kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})
    everyone = _policy(Principal={"AWS": "*"})
    kms.put_key_policy(KeyId=key, Policy=everyone)
    installation.caught_up()
    _, page = get(installation, f"/v1/keys/{key}/history")
    _, raised = get(installation, "/v1/alerts?suppressed=true&limit=1")
    places = {
        "key": key,
        "reference": key,
        "principal": quote(arn, safe=""),
        "call": page["items"][0]["call_id"],
        "code": "none",
    }
    queries = {
        "counts": "?by=principal,operation,key",
        "unused": f"?key={key}",
        "meaning_of": f"?name={name}",
        "who_can": "?action=kms:Decrypt",
        "principals_as_of": "?kind=user",
        "decisions": "?inputs=true&limit=50",
    }
    bodies = {
        "explain": {"principal": arn, "operation": "Decrypt", "key": key, "encryption_context": {"a": "b"}},
        "diff": {"from": "1", "to": "2"},
        "check_draft": {"policy": everyone},
        "check_policy_draft": {"policy": "{"},
        "create_console_session": {"seconds": 900},
        "create_console_code": {"root": True},
        "make_policy": {"spec": "HMAC_256", "users": [arn], "accounts": ["444455556666"], "may_delete": False},
        "read_policy": {"policy": everyone},
        "change_policy": {"policy": default_key_policy("111122223333"), "administrators": [arn]},
    }
    if raised["items"]:
        places["alert"] = raised["items"][0]["id"]
        bodies["mark_alert"] = {"state": "acknowledged", "note": "seen"}
    looked_at = set()
    # A proof needs a notary: tests/e2e/test_proofs.py compares it.
    for path, method, each in OPERATIONS:
        function, media = each["operationId"], each["responses"]["200"]["content"]
        if DOCUMENT not in media or (method == "post" and function not in bodies):
            continue
        if function in ("openapi", "prove") or ("{alert}" in path and "alert" not in places):
            continue
        url = path.format(**places) + queries.get(function, "")
        body = json.dumps(bodies[function]).encode() if method == "post" else b""
        if body:
            assert conforms(json.loads(body), each["requestBody"]["content"][DOCUMENT]["schema"]) == [], function
        status, answer = get(installation, url, method=method.upper(), body=body)
        assert status == 200, (url, answer)
        assert conforms(answer, media[DOCUMENT]["schema"]) == [], function
        asked_for = {"$.items[].inputs", "$.items[].session"} if function == "decisions" else set()
        assert set(undescribed(answer, media[DOCUMENT]["schema"])) == asked_for, function
        looked_at.add(function)
    assert len(looked_at) >= 20, looked_at
    status, answer = get(installation, "/v1/keys/nope")
    assert (status, conforms(answer, DESCRIBED["components"]["schemas"]["Error"])) == (404, [])


def _policy(**elements: Any) -> str:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_origin_of_a_key_is_shown_and_the_partition_of_a_decision_is_not() -> None:
    assert item({"key_id": "k", "origin": "EXTERNAL"}) == {"key_id": "k", "origin": "EXTERNAL"}
    assert call_of({"call_id": "c", "origin": 3, "record": 7}) == {"call_id": "c"}
    for path in ("/v1/keys", "/v1/keys/{key}"):
        schema = DESCRIBED["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        of_key = schema["properties"].get("items", {}).get("items", schema)
        assert of_key["properties"]["origin"]["type"] == "string"

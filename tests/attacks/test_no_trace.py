"""A user who wants to call without a trace. No auditor hears of an authenticated call without a record, so it would be
the place to try attacks that fail."""

from __future__ import annotations

import asyncio
import http.client
import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kms_api.shapes import service_model
from tests.attacks.generated import (
    BRACKETS,
    DEEP_IN_STRINGS,
    OF_HALVES,
    OF_NUL,
    OPERATIONS,
    Values,
    form,
    question,
)
from tests.installation import Installation

RECORDED = frozenset({"create_account", "mark_alert", "create_console_session", "create_console_code", "sign_out"})
"""Requests to the audit API that change something or give a credential: they are on `events` or `decisions`."""
INTERNAL = "KMSInternalException"


def send(
    installation: Installation,
    credentials: dict[str, str],
    service: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    method: str = "POST",
) -> tuple[int, str, str]:
    """(status, call id, the beginning of the answer)."""
    request = AWSRequest(method, installation.url + path, data=body, headers=headers)
    keys = Credentials(credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=60)) as connection:
        connection.request(method, path, body or None, dict(request.headers))
        answer = connection.getresponse()
        # a stream of alerts has no end
        text = b"" if answer.getheader("content-type", "").startswith("text/event-stream") else answer.read(4096)
        return answer.status, answer.getheader("x-amzn-requestid", ""), text.decode("utf-8", "replace")


def operate(
    installation: Installation, credentials: dict[str, str], service: str, operation: str, value: Any
) -> tuple[int, str, str]:
    if service == "kms":
        headers = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        return send(installation, credentials, service, "/", json.dumps(value).encode(), headers)
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return send(installation, credentials, service, "/", form(service, operation, value), headers)


def records(installation: Installation, calls: list[str]) -> Counter[str]:
    """How many records each call has."""
    installation.caught_up()

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(installation.settings.postgres)
        try:
            return list(
                await connection.fetch(
                    "SELECT call_id, count(*) AS records FROM p_decisions.decisions WHERE call_id = ANY($1) GROUP BY 1",
                    calls,
                )
            )
        finally:
            await connection.close()

    return Counter({row["call_id"]: row["records"] for row in asyncio.run(ask())})


@pytest.fixture(scope="module")
def users(installation: Installation) -> list[dict[str, str]]:
    """Credentials of a root, and of a user without any right."""
    iam = installation.client(service="iam")
    iam.create_user(UserName="tracer")
    key = iam.create_access_key(UserName="tracer")["AccessKey"]
    return [
        installation.credentials(),
        {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]},
    ]


@pytest.fixture(scope="module")
def known(installation: Installation) -> dict[str, list[str]]:
    """Names that exist, by the member that takes them."""
    kms, iam = installation.client(), installation.client(service="iam")
    keys = [kms.create_key()["KeyMetadata"] for _ in range(2)]
    kms.create_alias(AliasName="alias/trace", TargetKeyId=keys[0]["KeyId"])
    trust = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="traced", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]
    ids = [keys[0]["KeyId"], keys[1]["Arn"], "alias/trace", keys[0]["KeyId"].replace("a", "b")]
    policies = [BRACKETS, OF_HALVES, OF_NUL, DEEP_IN_STRINGS, json.dumps({"Statement": trust})]
    named = dict.fromkeys(("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"), ids)
    return named | {
        "UserName": ["tracer", "nobody"],
        "RoleName": ["traced"],
        "RoleArn": [role["Arn"]],
        "RoleSessionName": ["session"],
        "GranteePrincipal": [role["Arn"], "111122223333"],
        "Policy": policies,
        "PolicyDocument": policies,
        "AssumeRolePolicyDocument": policies,
    }


@pytest.fixture(scope="module")
def seen(installation: Installation) -> Iterator[list[tuple[str, str, int]]]:
    """(call id, the request, how many records it must have), all looked up once everything was sent."""
    sent: list[tuple[str, str, int]] = []
    yield sent
    found = records(installation, [each for each, _, _ in sent])
    wrong = [
        f"{found[each]} records instead of {expected}: {what}"
        for each, what, expected in sent
        if found[each] != expected
    ]
    assert sent
    assert wrong == []


GENERATED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@GENERATED
@given(data=st.data())
def test_every_call_of_kms_iam_and_sts_has_one_record(
    installation: Installation,
    users: list[dict[str, str]],
    known: dict[str, list[str]],
    seen: list[tuple[str, str, int]],
    data: st.DataObject,
) -> None:
    """Gained: inputs that end in a 500 would have left no decision, however often they were tried."""
    service, operation = data.draw(st.sampled_from(OPERATIONS))
    value = data.draw(Values(known).input(service, operation))
    by = data.draw(st.sampled_from(users))
    status, id, text = operate(installation, by, service, operation, value)
    what = f"{operation} {json.dumps(value)[:300]}: {status} {text[:300]}"
    assert status < 500, what
    # A name that is too long in the Query protocol is refused before the signature is checked; and a token that no registered
    # provider made leaves nothing.
    seen.append((id, what, int(status != 413 and "InvalidIdentityToken" not in text)))


@GENERATED
@given(data=st.data())
def test_every_refused_question_to_the_audit_api_has_one_record(
    installation: Installation,
    users: list[dict[str, str]],
    known: dict[str, list[str]],
    seen: list[tuple[str, str, int]],
    data: st.DataObject,
) -> None:
    """Gained: nobody would have seen a caller who guesses keys, people and alerts of others. An answered question has
    no record, unless it changes something."""
    route, path, body = data.draw(question(known))
    by = data.draw(st.sampled_from(users))
    raw = b"" if body is None else json.dumps(body).encode()
    status, id, text = send(installation, by, "keytrail", path, raw, {}, route.method)
    what = f"{route.method} {path[:300]} {raw[:300]!r}: {status} {text[:300]}"
    assert INTERNAL not in text, what
    assert status < 500 or "DependencyTimeoutException" in text, what
    expected = int(route.operation_id in RECORDED) if status < 400 else int(status < 500)
    if status == 414 or "There is nothing here" in text or route.operation_id in WITHOUT_SIGNATURE:
        expected = 0  # no signature was checked, so nobody is known to have asked
    seen.append((id, what, expected))


WITHOUT_SIGNATURE = {
    "redeem_console_code",
    "sign_in",
    "sign_in_providers",
    "exchange_provider_code",
    "sign_in_with_provider",
}
EMPTY_TOKENS = [
    operation
    for service, operation in OPERATIONS
    if service == "kms" and "GrantTokens" in service_model("kms").operation_model(operation).input_shape.members
]
RECIPIENT = {"Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "AAAA"}}


def one_record(installation: Installation, by: dict[str, str], service: str, operation: str, value: Any) -> str:
    """The answer to a call, which must not be a 500 and must have exactly one record."""
    status, id, text = operate(installation, by, service, operation, value)
    assert status < 500, text
    assert records(installation, [id]) == {id: 1}
    return text


def test_an_empty_list_of_grant_tokens_hides_no_call(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: 15 operations could be called with `"GrantTokens": []` (AWS allows 0 to 10) and left no decision."""
    assert len(EMPTY_TOKENS) >= 15
    asked = [operate(installation, users[1], "kms", each, {"KeyId": "x", "GrantTokens": []}) for each in EMPTY_TOKENS]
    assert [text for status, _, text in asked if status >= 500] == []
    assert records(installation, [id for _, id, _ in asked]) == {id: 1 for _, id, _ in asked}


def test_bytes_deep_in_a_parameter_hide_no_call(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: a blob inside `Recipient` made the record impossible, so the call left none."""
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "KeySpec": "AES_256"} | RECIPIENT
    text = one_record(installation, users[0], "kms", "GenerateDataKey", asked)
    assert "UnsupportedOperationException" in text
    assert "Recipient is not supported" in text


def test_two_names_of_a_key_spec_hide_no_call(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: a 500 from the writer, which did not say what was wrong."""
    asked = {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}
    text = one_record(installation, users[0], "kms", "CreateKey", asked)
    assert json.loads(text) == {
        "__type": "ValidationException",
        "message": "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
        "CustomerMasterKeySpec is deprecated.",
    }


@pytest.mark.parametrize("key", ["a\0b", "\0", "x" * 2048])
def test_a_key_id_that_no_vault_holds_hides_no_call(
    installation: Installation, users: list[dict[str, str]], key: str
) -> None:
    """Gained: RotateKeyOnDemand wrote its input into the vault, where Postgres fails on a NUL."""
    assert "NotFoundException" in one_record(installation, users[0], "kms", "RotateKeyOnDemand", {"KeyId": key})


def test_brackets_in_strings_hide_no_call(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: closing brackets inside strings made deep nesting look flat, and the parser exhausted its stack."""
    deep = '{"Statement":' + '["]",' * 250 + "1" + "]" * 250 + "}"
    tracer = {"AWS": "arn:aws:iam::111122223333:user/tracer"}
    trust = {"Statement": {"Effect": "Allow", "Principal": tracer, "Action": "sts:AssumeRole"}}
    iam = installation.client(service="iam")
    role = iam.create_role(RoleName="of-brackets", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    asked = {"RoleArn": role, "RoleSessionName": "deep", "Policy": deep}
    assert "nested deeper" in one_record(installation, users[1], "sts", "AssumeRole", asked)


def test_half_a_surrogate_pair_in_a_sid_stops_nothing(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: a decision by a statement with such a Sid cannot be written as JSON. Calls on the key left no decision,
    and the writer that had to record one ended, as did every later writer."""
    kms = installation.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "Policy": OF_HALVES, "BypassPolicyLockoutSafetyCheck": True}
    text = one_record(installation, users[0], "kms", "PutKeyPolicy", asked)
    assert "MalformedPolicyDocumentException" in text
    kms.update_key_description(KeyId=key, Description="the writer is there")


def test_a_request_too_long_for_a_record_is_refused_alone(
    installation: Installation, users: list[dict[str, str]]
) -> None:
    """Gained: a record that Kafka refuses failed with all others of its batch: 43 calls of other people."""
    pairs = {f"{number}": "" for number in range(17_000)}
    key = installation.client().create_key()["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "Plaintext": "AAAA", "EncryptionContext": pairs}
    text = one_record(installation, users[0], "kms", "Encrypt", asked)
    assert "too large to be put on record" in text or "ValidationException" in text
    constraints = {"EncryptionContextSubset": pairs}
    grant = {"KeyId": key, "GranteePrincipal": "111122223333", "Operations": ["Decrypt"]}
    one_record(installation, users[0], "kms", "CreateGrant", grant | {"Constraints": constraints})


def test_a_form_that_cannot_be_read_hides_no_call(installation: Installation, users: list[dict[str, str]]) -> None:
    """Gained: an authenticated form with too many fields, or without UTF-8, was answered before anything was
    recorded."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"Action=ListUsers&x=%ff", b"&".join(b"a%d=1" % number for number in range(1200))):
        status, id, text = send(installation, users[1], "iam", "/", body, headers)
        assert (status, records(installation, [id])) == (400, {id: 1}), text


CURSORS = (
    ["\0"],
    ["0001-01-01T00:00:00+23:59", 0, 0],
    ["9999-12-31T23:59:59-23:59", 1, 1],
    ["2024-01-01", 2147483648, 2147483648],
    [2**61],
)


def test_a_cursor_that_nobody_gave_is_refused_on_record(installation: Installation) -> None:
    """Gained: a question without a trace, answered as if the database were away, with an error line in the log each
    time."""
    root, calls = installation.credentials(), []
    arn = f"arn:aws:iam::{installation.settings.account_id}:root"
    for path in ("/v1/keys", "/v1/decisions", "/v1/alerts", f"/v1/principals/{arn}/history", f"/v1/can-what/{arn}"):
        for cursor in CURSORS:
            text = urlsafe_b64encode(json.dumps(cursor).encode()).decode()
            status, call, said = send(installation, root, "keytrail", f"{path}?cursor={quote(text)}", b"", {}, "GET")
            assert status in (200, 400), (path, cursor, said)
            calls += [call] if status == 400 else []
    assert len(calls) >= 15
    found = records(installation, calls)
    assert {call: found[call] for call in calls} == dict.fromkeys(calls, 1)

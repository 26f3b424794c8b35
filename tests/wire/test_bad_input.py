"""Requests that no SDK would send: they get a clear 4xx, memory stays bounded, and other clients are unaffected."""

from __future__ import annotations

import json
import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.installation import Installation
from tests.wire_client import call, post, sign

OK = b"{}"


@pytest.fixture(scope="module")
def credentials(installation: Installation) -> dict[str, str]:
    return installation.credentials()


def refused(installation: Installation, headers: dict[str, str], body: bytes = OK) -> tuple[int, str, str]:
    status, document = post(installation.url, headers, body)
    return status, document["__type"], document.get("message", "")


def test_unsigned(installation: Installation) -> None:
    headers = {"X-Amz-Target": "TrentService.ListKeys"}
    assert refused(installation, headers) == (
        400,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    )


def test_wrongly_signed(installation: Installation, credentials: dict[str, str]) -> None:
    wrong = credentials | {"AWS_SECRET_ACCESS_KEY": "x" * 40}
    status, code, message = refused(installation, sign(installation.url, wrong, OK))
    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize("change", ["body", "target", "date"])
def test_changed_on_its_way(installation: Installation, credentials: dict[str, str], change: str) -> None:
    headers, body = sign(installation.url, credentials, OK), OK
    if change == "body":
        body = b'{"Limit":1}'
    elif change == "target":
        headers["X-Amz-Target"] = "TrentService.ListAliases"
    else:
        headers["X-Amz-Date"] = headers["X-Amz-Date"][:-2] + ("0Z" if headers["X-Amz-Date"][-2] != "0" else "1Z")
    assert refused(installation, headers, body)[1] == "InvalidSignatureException"


def test_a_header_that_selects_the_operation_has_to_be_signed(
    installation: Installation, credentials: dict[str, str]
) -> None:
    headers = sign(installation.url, credentials, OK) | {"X-Amz-Extra": "x"}
    status, code, message = refused(installation, headers)
    assert (status, code) == (400, "InvalidSignatureException")
    assert "'x-amz-extra' must be a 'SignedHeader'" in message


@pytest.mark.parametrize(("minutes", "says"), [(-6, "Signature expired: "), (6, "Signature not yet current: ")])
def test_more_than_five_minutes_off(
    installation: Installation, credentials: dict[str, str], minutes: int, says: str
) -> None:
    headers = sign(installation.url, credentials, OK, shift=timedelta(minutes=minutes))
    status, code, message = refused(installation, headers)
    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith(says)


def test_four_minutes_off_is_taken(installation: Installation, credentials: dict[str, str]) -> None:
    headers = sign(installation.url, credentials, OK, shift=timedelta(minutes=-4))
    assert post(installation.url, headers, OK)[0] == 200


def test_an_unknown_access_key(installation: Installation, credentials: dict[str, str]) -> None:
    headers = sign(installation.url, credentials | {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, OK)
    expected = (400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    assert refused(installation, headers) == expected


@pytest.mark.parametrize(
    ("scope", "says"),
    [({"region": "eu-west-1"}, "valid region, not 'eu-west-1'"), ({"service": "s3"}, "correct service: 'kms'")],
)
def test_another_region_or_service(
    installation: Installation, credentials: dict[str, str], scope: dict[str, Any], says: str
) -> None:
    status, code, message = refused(installation, sign(installation.url, credentials, OK, **scope))
    assert (status, code) == (400, "InvalidSignatureException")
    assert says in message


@pytest.mark.parametrize(
    "header",
    ["", "AWS4-HMAC-SHA256", "Basic x", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x", "AWS4-HMAC-SHA256 =,=,="],
)  # fmt: skip
def test_a_broken_authorization_header(installation: Installation, header: str) -> None:
    headers = {"X-Amz-Target": "TrentService.ListKeys", "Authorization": header}
    assert refused(installation, headers)[:2] == (400, "IncompleteSignatureException")


REFUSED_BODIES: list[tuple[str, Any, str, str]] = [
    ("ListKeys", b"{", "SerializationException", ""),
    ("ListKeys", b"[]", "SerializationException", "object"),
    ("ListKeys", b"\xff\xfe", "SerializationException", ""),
    ("ListKeys", {"Limit": "x"}, "SerializationException", "Integer"),
    ("ListKeys", {"Limit": 0}, "ValidationException", "'limit' failed to satisfy constraint: Member must have value greater"),
    ("ListKeys", {"Limit": 1001}, "ValidationException", "less than or equal to 1000"),
    ("ListKeys", {"Limit": True}, "SerializationException", ""),
    ("ListKeys", {"Colour": 1}, "ValidationException", "'Colour'"),
    ("ListKeys", {"Marker": "x"}, "InvalidMarkerException", ""),
    ("DescribeKey", {}, "ValidationException", "Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
    ("DescribeKey", {"KeyId": ""}, "ValidationException", "length greater than or equal to 1"),
    ("DescribeKey", {"KeyId": "x" * 2049}, "ValidationException", "length less than or equal to 2048"),
    ("CreateKey", {"KeySpec": "AES"}, "ValidationException", "Value 'AES' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ("CreateKey", {"Policy": "\u2603"}, "ValidationException", "regular expression pattern"),
    ("CreateKey", {"Policy": "{}" + " " * 32_768}, "LimitExceededException", "32768"),
    ("CreateKey", {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, "UnsupportedOperationException", "SM2"),
    ("CreateKey", {"Tags": [{"TagKey": "a"}]}, "ValidationException", "tags.1.member.tagValue"),
    ("CreateAlias", {"AliasName": "alias/a b", "TargetKeyId": "x"}, "ValidationException", "regular expression"),
    ("Encrypt", {"KeyId": "x", "Plaintext": "!"}, "SerializationException", "base64"),
    ("Encrypt", {"KeyId": "x", "Plaintext": ""}, "ValidationException", "plaintext"),
    ("Decrypt", {"CiphertextBlob": "QUFB"}, "InvalidCiphertextException", ""),
    ("GenerateRandom", {"NumberOfBytes": 1025}, "ValidationException", "1024"),
    ("ConnectCustomKeyStore", {"CustomKeyStoreId": "cks-1"}, "UnsupportedOperationException", ""),
    ("DescribeCustomKeyStores", {"CustomKeyStoreName": "hsm"}, "UnsupportedOperationException", "hsm"),
    ("NoSuchOperation", {}, "UnknownOperationException", ""),
    ("", {}, "UnknownOperationException", ""),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "body", "code", "says"), REFUSED_BODIES)
def test_a_body_that_is_refused(
    installation: Installation, credentials: dict[str, str], operation: str, body: Any, code: str, says: str
) -> None:
    status, document = call(installation.url, credentials, operation, body)
    assert (status, document["__type"]) == (400, code)
    assert says in document.get("message", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["KeyId", "Plaintext", "Policy", "Tags", "Limit", "Marker", "AliasName", "KeySpec", "EncryptionContext"])
    | st.text(max_size=5),
    JSON,
    max_size=4,
)  # fmt: skip
OPERATIONS = st.sampled_from(["CreateKey", "Encrypt", "Decrypt", "ListKeys", "CreateAlias", "PutKeyPolicy", "Sign"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(operation=OPERATIONS, body=PARAMETERS | st.binary(max_size=64))
def test_no_body_is_a_server_error(
    installation: Installation, credentials: dict[str, str], operation: str, body: Any
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
    status, _ = call(installation.url, credentials, operation, raw)
    assert status < 500


HEADER_TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=120)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(authorization=HEADER_TEXT, date=HEADER_TEXT, target=HEADER_TEXT)
def test_no_header_is_a_server_error(installation: Installation, authorization: str, date: str, target: str) -> None:
    prefix = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature="
    for value in (authorization, prefix + authorization):
        headers = {"Authorization": value.strip(), "X-Amz-Date": date.strip(), "X-Amz-Target": target.strip()}
        status, _ = post(installation.url, headers, OK)
        assert 400 <= status < 500


def test_two_megabytes_are_refused_and_not_held(installation: Installation, credentials: dict[str, str]) -> None:
    body = b"x" * 2_000_000
    status, document = post(installation.url, sign(installation.url, credentials, b"{}"), body)
    assert (status, document["__type"]) == (413, "RequestEntityTooLargeException")


def raw(installation: Installation) -> socket.socket:
    return socket.create_connection(("127.0.0.1", installation.port), timeout=40)


def test_a_flood_of_headers_is_cut_off(installation: Installation) -> None:
    with raw(installation) as client:
        try:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
            for number in range(5_000):
                client.sendall(b"X-Flood-%d: %s\r\n" % (number, b"x" * 100))
        except OSError:
            return  # a close while the client still sends is as good an answer
        assert b"431" in client.recv(100)


def test_a_request_that_does_not_arrive_is_cut_off_and_others_are_answered(installation: Installation) -> None:
    began = time.monotonic()
    with raw(installation) as slow, raw(installation) as half:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        half.sendall(b"POST / HT")
        half.shutdown(socket.SHUT_WR)
        while time.monotonic() - began < 3:
            assert installation.healthy()
        assert half.recv(200) == b""
        answer = slow.recv(200)
    assert b"408" in answer or answer == b""
    assert time.monotonic() - began < 35


def test_input_that_is_not_http_is_a_400(installation: Installation) -> None:
    with raw(installation) as client:
        client.sendall(b"\x16\x03\x01\x02\x00hello\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")


def test_another_place_is_a_404_and_an_unsigned_form_a_clear_refusal(installation: Installation) -> None:
    assert post(installation.url, {}, b"", "/nothing")[0] == 404
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    status, document = post(installation.url, form, b"Action=ListUsers&Version=2010-05-08")
    assert status == 403
    assert "<Code>MissingAuthenticationToken</Code>" in document["text"]

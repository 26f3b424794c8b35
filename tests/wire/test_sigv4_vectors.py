"""AWS's Signature Version 4 test vectors: each signed request verifies, and fails with any byte changed. The command
line signs as botocore does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from services import signing

SUITE = Path(__file__).parents[1] / "data" / "aws4_testsuite"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
NOT_A_REQUEST = {
    # a header over two lines, which HTTP has forbidden since RFC 7230: no server passes it on
    "get-header-value-multiline",
}
VECTORS = sorted(path for path in SUITE.rglob("*.sreq") if path.stem not in NOT_A_REQUEST)


def read(path: Path) -> signing.Signed:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, rest = first.split(" ", 1)
    target = rest.rsplit(" ", 1)[0]
    address, _, query = target.partition("?")
    headers = [(line.split(":", 1)[0].lower(), line.split(":", 1)[1].strip()) for line in lines]
    # botocore's own test reads the .authz file; the .sreq of get-vanilla-with-session-token has another signature
    headers = [(name, value) for name, value in headers if name != "authorization"]
    headers.append(("authorization", path.with_suffix(".authz").read_text().strip()))
    as_sent = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
    return signing.Signed(method, address, query, signing.joined(as_sent), body.encode("utf-8", "surrogateescape"))


def verify(request: signing.Signed, secret: str = SECRET) -> None:
    given, signature = signing.authorization(request.headers)
    signing.require_scope(given, "us-east-1", frozenset({"service"}))
    stamp = signing.require_time(given, request.headers, NOW)
    # post-sts-header-after signs before the session token is added: AWS accepts it, and so does the signature check
    signed = {name: value for name, value in request.headers.items() if name in given.signed_headers}
    signing.require_signature(replace(request, headers=signed), given, signature, stamp, secret)


def test_every_vector_is_tried() -> None:
    assert len(VECTORS) >= 28


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_signed_request_verifies(path: Path) -> None:
    verify(read(path))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_changed_request_does_not(path: Path) -> None:
    request = read(path)
    request.body += b"x"
    with pytest.raises(signing.SignatureRefused) as refused:
        verify(request)
    assert refused.value.kind == signing.MISMATCH


def test_another_secret_does_not() -> None:
    with pytest.raises(signing.SignatureRefused):
        verify(read(VECTORS[0]), SECRET + "x")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# If a path ends with a dot alone, botocore also removes the slash before it, which RFC 3986 (5.2.4) keeps.
SEGMENT = TEXT.filter(lambda text: text not in (".", ".."))


@given(
    st.lists(SEGMENT, max_size=3), st.dictionaries(TEXT, TEXT, max_size=3), st.binary(max_size=8), st.sampled_from(["", "IQoJ+/="])
)  # fmt: skip
def test_the_command_line_signs_like_botocore(
    segments: list[str], parameters: dict[str, str], body: bytes, token: str
) -> None:
    query = "?" + urlencode(parameters, quote_via=quote) if parameters else ""
    url = "http://127.0.0.1:8600/v1/" + "/".join(quote(each, safe="") or "x" for each in segments) + query
    theirs = AWSRequest("POST", url, data=body)
    SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token or None), "keytrail", "us-east-1").add_auth(theirs)
    at = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    where = urlsplit(url)
    headers = {"host": where.netloc} | ({"x-amz-security-token": token} if token else {})
    request = signing.Signed("POST", where.path, where.query, headers, body)
    ours = signing.sign(request, "AKIDEXAMPLE", SECRET, "us-east-1", "keytrail", at)
    assert ours["authorization"] == theirs.headers["Authorization"]


@pytest.mark.parametrize("last", [".", ".."])
def test_a_path_that_ends_in_a_dot_segment_verifies_as_botocore_signs_it(last: str) -> None:
    theirs = AWSRequest("GET", f"http://127.0.0.1:8600/v1/as-of/keys/{last}?at=%401")
    SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), "keytrail", "us-east-1").add_auth(theirs)
    headers = {name.lower(): value for name, value in theirs.headers.items()} | {"host": "127.0.0.1:8600"}
    request = signing.Signed("GET", f"/v1/as-of/keys/{last}", "at=%401", headers, b"")
    given, signature = signing.authorization(headers)
    signed = {name: value for name, value in headers.items() if name in given.signed_headers}
    signing.require_signature(replace(request, headers=signed), given, signature, headers["x-amz-date"], SECRET)

"""Signatures of the Query APIs: the global scope, GET, and a signature in a URL for GetCallerIdentity alone."""

from __future__ import annotations

import http.client
import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.installation import Installation

IDENTITY = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


def keys(installation: Installation) -> Credentials:
    given = installation.credentials()
    return Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given.get("AWS_SESSION_TOKEN"))


def sent(
    installation: Installation, path: str, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=30)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def url(
    installation: Installation,
    parameters: dict[str, str] = IDENTITY,
    *,
    service: str = "sts",
    expires: int = 60,
    region: str = "us-east-1",
    headers: dict[str, str] | None = None,
    credentials: Credentials | None = None,
) -> str:
    """A URL that botocore signs, as token clients do."""
    request = AWSRequest("GET", f"{installation.url}/?{urlencode(parameters)}", headers=headers or {})
    SigV4QueryAuth(credentials or keys(installation), service, region, expires=expires).add_auth(request)
    split = urlsplit(request.url)
    return f"{split.path}?{split.query}"


@pytest.mark.parametrize("region", ["us-east-1", "aws-global"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_global_services_are_signed_for_in_either_scope(
    installation: Installation, region: str, method: str
) -> None:
    for service, parameters in (
        ("sts", IDENTITY),
        ("iam", {"Action": "ListUsers", "Version": "2010-05-08", "MaxItems": "1"}),
    ):
        form = urlencode(parameters).encode()
        path = f"/?{form.decode()}" if method == "GET" else "/"
        request = AWSRequest(method, installation.url + path, data=b"" if method == "GET" else form)
        if method == "POST":
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        SigV4Auth(keys(installation), service, region).add_auth(request)
        status, text = sent(installation, path, request.headers, method, None if method == "GET" else form)
        assert (status, f"<{parameters['Action']}Response" in text) == (200, True), text


def test_kms_is_not_signed_for_in_the_global_scope(installation: Installation) -> None:
    body = b"{}"
    request = AWSRequest("POST", installation.url + "/", data=body)
    request.headers["X-Amz-Target"] = "TrentService.ListKeys"
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    SigV4Auth(keys(installation), "kms", "aws-global").add_auth(request)
    status, text = sent(installation, "/", request.headers, "POST", body)
    assert (status, "InvalidSignatureException" in text) == (400, True)


def test_a_url_says_who_somebody_is(installation: Installation) -> None:
    status, text = sent(installation, url(installation))
    assert (status, "<Arn>arn:aws:iam::111122223333:root</Arn>" in text) == (200, True)
    # A cluster's token: the cluster's name is a signed header, which the caller has to send too.
    named = {"x-k8s-aws-id": "payments"}
    token = url(installation, headers=named)
    assert sent(installation, token, named)[0] == 200
    assert sent(installation, token, {"x-k8s-aws-id": "another"})[0] == 403
    assert sent(installation, token)[0] == 403


def test_a_sessions_url_carries_its_token(installation: Installation) -> None:
    session = installation.client(service="sts").get_session_token()["Credentials"]
    given = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert sent(installation, url(installation, credentials=given))[0] == 200
    without = re.sub(r"&X-Amz-Security-Token=[^&]*", "", url(installation, credentials=given))
    assert sent(installation, without)[0] == 403


@pytest.mark.parametrize(
    ("service", "parameters"),
    [
        ("sts", {"Action": "GetSessionToken", "Version": "2011-06-15"}),
        ("sts", {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::111122223333:role/a", "RoleSessionName": "abc"}),
        ("iam", {"Action": "ListUsers", "Version": "2010-05-08"}),
        ("iam", {"Action": "GetCallerIdentity", "Version": "2010-05-08"}),
        ("kms", {"Action": "GetCallerIdentity"}),
    ],
)
def test_a_url_may_ask_nothing_else(installation: Installation, service: str, parameters: dict[str, str]) -> None:
    status, text = sent(installation, url(installation, parameters, service=service))
    assert status == 403, text
    assert "<ErrorResponse" in text


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/openapi.json/x", "/v1/status"])
def test_the_audit_api_takes_no_signature_in_a_url(installation: Installation, path: str) -> None:
    request = AWSRequest("GET", installation.url + path)
    SigV4QueryAuth(keys(installation), "keytrail", "us-east-1", expires=60).add_auth(request)
    split = urlsplit(request.url)
    assert sent(installation, f"{split.path}?{split.query}")[0] in (403, 404)
    with_action = f"{split.path}?Action=GetCallerIdentity&{split.query}"
    assert sent(installation, with_action)[0] in (403, 404)


def test_kms_takes_no_signature_in_a_url(installation: Installation) -> None:
    request = AWSRequest("POST", installation.url + "/?Action=GetCallerIdentity", data=b"{}")
    SigV4QueryAuth(keys(installation), "kms", "us-east-1", expires=60).add_auth(request)
    split = urlsplit(request.url)
    headers = {"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"}
    status, text = sent(installation, f"{split.path}?{split.query}", headers, "POST", b"{}")
    assert (status, "MissingAuthenticationTokenException" in text) == (400, True)


def test_a_url_is_good_for_as_long_as_it_says_and_never_for_long(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sent(installation, url(installation, expires=900))[0] == 200
    for expires in (901, 3600, 604_800, 0, -1):
        assert sent(installation, url(installation, expires=expires))[0] == 400, expires
    for hidden in ("0003600", "00090000", "0000000900"):  # zeros before the number do not hide how long it is
        longer: Any = hidden
        assert sent(installation, url(installation, expires=longer))[0] == 400, hidden

    def signed_at(seconds: float, expires: int = 60) -> str:
        moment = datetime.fromtimestamp(time.time() + seconds, UTC).replace(tzinfo=None)
        with monkeypatch.context() as patched:
            patched.setattr("botocore.auth.get_current_datetime", lambda **_: moment)
            return url(installation, expires=expires)

    stamp = re.search(r"X-Amz-Date=(\d{8}T\d{6}Z)", signed_at(-100))
    assert stamp is not None
    assert abs(datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - datetime.now(UTC)) > timedelta(
        seconds=90
    )
    assert sent(installation, signed_at(-30))[0] == 200
    assert sent(installation, signed_at(-100))[0] == 403
    assert sent(installation, signed_at(-1000, 900))[0] == 403
    assert sent(installation, signed_at(+1000, 900))[0] == 403


def test_a_url_that_was_changed_is_refused(installation: Installation) -> None:
    good = url(installation)
    for changed in (
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=900"),
        good.replace("GetCallerIdentity", "GetCallerIdentity&Action=GetCallerIdentity"),
        good + "&X-Amz-Signature=" + "0" * 64,
        good + "&More=1",
        re.sub(r"X-Amz-Signature=.", "X-Amz-Signature=z", good),
        re.sub(r"&X-Amz-Date=[^&]*", "", good),
        re.sub(r"&X-Amz-SignedHeaders=[^&]*", "&X-Amz-SignedHeaders=date", good),
        good.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
    ):
        status, text = sent(installation, changed)
        assert status in (400, 403), changed
        assert "<ErrorResponse" in text
    assert sent(installation, good, {"X-Amz-Meta": "x"})[0] == 403, "a header that is not signed could be anybody's"


def test_a_signature_reaches_no_log_and_no_record(installation: Installation) -> None:
    good = url(installation, IDENTITY | {"Note": "never-on-record"})
    signature = good.rpartition("X-Amz-Signature=")[2]
    assert sent(installation, good)[0] == 200
    assert sent(installation, good.replace(signature, "0" * 64))[0] == 403
    installation.caught_up()
    decided = installation.keytrail("decisions", "--operation", "GetCallerIdentity", "--json").stdout
    assert decided
    logs = [path for path in installation.data.rglob("*.log*") if path.is_file()]
    assert logs
    for text in (decided, *(path.read_text(errors="replace") for path in logs)):
        assert signature not in text
        assert "never-on-record" not in text


def test_errors_of_the_query_protocol_are_xml(installation: Installation) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, headers, method, body in (
        ("/?Action=ListUsers", None, "GET", None),
        ("/", form, "POST", b"Action=ListUsers"),
        ("/", form, "POST", b"x" * 300_000),
        ("/?" + quote("Action=%FF", safe="="), None, "GET", None),
    ):
        status, text = sent(installation, path, headers, method, body)
        assert status >= 400
        assert text.startswith("<ErrorResponse"), text
    assert sent(installation, "/")[0] == 404

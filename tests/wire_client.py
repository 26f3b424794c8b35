"""Requests made by hand, for cases that no SDK would send."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(
    url: str,
    credentials: dict[str, str],
    body: bytes,
    *,
    operation: str = "ListKeys",
    region: str = "us-east-1",
    service: str = "kms",
    shift: timedelta = timedelta(),
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a signed request, as if it were signed `shift` from now."""
    given = {
        "X-Amz-Target": f"TrentService.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        **(headers or {}),
    }
    request = AWSRequest("POST", url + "/", data=body, headers=given)
    token = credentials.get("AWS_SESSION_TOKEN")
    keys = Credentials(credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"], token)
    moment = datetime.now(UTC) + shift
    with mock.patch.object(auth, "get_current_datetime", lambda remove_tzinfo=True: moment.replace(tzinfo=None)):
        auth.SigV4Auth(keys, service, region).add_auth(request)
    return dict(request.headers)


def post(url: str, headers: dict[str, str], body: bytes, path: str = "/") -> tuple[int, dict[str, Any]]:
    """(status, document) of a POST."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        try:
            document = json.loads(text) if text else {}
        except ValueError:
            document = {"text": text.decode("utf-8", "replace")}
        return answer.status, document
    finally:
        connection.close()


def call(url: str, credentials: dict[str, str], operation: str, body: Any) -> tuple[int, dict[str, Any]]:
    """A signed call with any body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(url, sign(url, credentials, raw, operation=operation), raw)


class OnWorker:
    """A persistent connection to one API worker. The workers share a socket, and a connection stays with the worker
    that accepted it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._connection.connect()

    @property
    def local_port(self) -> int:
        return int(self._connection.sock.getsockname()[1])

    def call(self, credentials: dict[str, str], operation: str, body: Any) -> tuple[int, dict[str, Any]]:
        raw = json.dumps(body).encode()
        self._connection.request("POST", "/", raw, sign(self._url, credentials, raw, operation=operation))
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()

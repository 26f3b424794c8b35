"""People who sign in with a password, over the wire as a browser does it."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from tests.installation import Installation

ACCOUNT = "111122223333"
SIGN_INS = "/v1/console/sign-ins"


def sign_in(installation: Installation, user: str, password: str, source: str = "127.0.0.1", **more: Any) -> Any:
    """(status, answer)."""
    body = {"account": ACCOUNT, "user": user, "password": password, **more}
    where = urlsplit(installation.url).netloc
    with closing(http.client.HTTPConnection(where, timeout=30, source_address=(source, 0))) as connection:
        connection.request("POST", SIGN_INS, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def let_in(answer: Any) -> dict[str, str]:
    """The credentials of the console session."""
    status, found = answer
    assert status == 200, found
    return {
        "AWS_ACCESS_KEY_ID": found["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
        "AWS_SESSION_TOKEN": found["session_token"],
    }


def refused_as(answer: Any) -> str:
    """The code of a refusal."""
    status, found = answer
    assert status >= 400, found
    return str(found["error"]["code"])

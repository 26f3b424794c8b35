"""Decisions as CloudTrail records: what AWS writes for callers and calls that are not an IAM user's or an API's."""

from __future__ import annotations

from typing import Any

import pytest

from domain.cloudtrail.record import NotOurService, read
from services.exports.cloudtrail import record_of
from services.trails.rows import names
from tests.given import ACCOUNT

PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com:8443/realm"
SENDER = f"{PROVIDER}:keytrail:repo:acme/app"


def exported(operation: str, principal: str, **more: Any) -> dict[str, Any]:
    item = dict.fromkeys(("event_type", "error", "message", "via"))
    item |= {
        "operation": operation,
        "kind": "trust-policy",
        "effect": "allowed",
        "account": ACCOUNT,
        "source": "10.0.0.1",
    }
    item |= {"at": "2026-11-27T14:09:59.129101Z", "principal": principal, "agent": "", "access_key": "", "call_id": "c"}
    return record_of(item | {"resources": [], "parameters": {}} | more, "us-east-1")


def test_the_sender_of_a_providers_token_is_no_iam_user() -> None:
    """It was the IAM user `realm:keytrail:repo:acme/app`, and an import made it one."""
    context = {"aws:federatedprovider": [PROVIDER], "token.example.com:8443/realm:sub": ["repo:acme/app"]}
    record = exported("AssumeRoleWithWebIdentity", SENDER, inputs={"context": context})
    assert record["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": SENDER,
        "userName": "repo:acme/app",
        "identityProvider": PROVIDER,
    }
    reading = read(record, names)
    assert (reading.principal, reading.names.get(f"Federated:{PROVIDER}") is not None) == (SENDER, True)


@pytest.mark.parametrize(("effect", "answer"), [("allowed", "Success"), ("refused", "Failure")])
@pytest.mark.parametrize("operation", ["ConsoleLogin", "CheckMfa"])
def test_a_sign_in_is_an_event_of_the_console(operation: str, effect: str, answer: str) -> None:
    more = {"effect": effect, "error": "SignInRefused" if effect == "refused" else None, "message": "no"}
    record = exported(operation, f"arn:aws:iam::{ACCOUNT}:user/alice", parameters={"User": "alice"}, **more)
    assert (record["eventSource"], record["eventType"]) == ("signin.amazonaws.com", "AwsConsoleSignIn")
    assert (record["responseElements"], record["requestParameters"]) == ({operation: answer}, None)
    with pytest.raises(NotOurService):
        read(record, names)

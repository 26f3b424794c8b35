"""The one table of condition keys has every key of the reference, and every key that a context ever holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.authorization.caller import root_of
from domain.authorization.context import BY_OPERATION, RequestOrigin, Via, re_encrypt_context, request_context
from domain.identities.oidc_providers import OidcProvider
from domain.log import events
from domain.log import identity_events as identities
from domain.policy.condition_keys import CONDITION_KEYS, NEVER, row_of
from domain.state.callers import Session, caller_of, provider_session
from services.kms_api import shapes
from tests.given import ACCOUNT, REGION, a_key, given

VIA = Via("a.amazonaws.com", "a", f"arn:aws:iam::{ACCOUNT}:root", "arn:aws:s3:::bucket", ACCOUNT)
ORIGIN = RequestOrigin("10.1.2.3", "tests", secure=True, at=1_800_000_000_123_456, region=REGION, org="o-1", via=VIA)
TAGS = [{"TagKey": "Team", "TagValue": "blue"}]
CASES: dict[str, dict[str, Any]] = {
    "Encrypt": {"KeyId": "alias/a", "EncryptionContext": {"App": "x"}},
    "GenerateDataKeyPair": {"KeyPairSpec": "RSA_2048"},
    "Sign": {"SigningAlgorithm": "ECDSA_SHA_256"},
    "GenerateMac": {"MacAlgorithm": "HMAC_SHA_256"},
    "DeriveSharedSecret": {"KeyAgreementAlgorithm": "ECDH"},
    "CreateKey": {"Tags": TAGS, "BypassPolicyLockoutSafetyCheck": True},
    "UntagResource": {"TagKeys": ["Team"]},
    "CreateGrant": {
        "Operations": ["Decrypt"],
        "GranteePrincipal": "arn",
        "RetiringPrincipal": "arn",
        "GranteeServicePrincipal": "a.amazonaws.com",
        "RetiringServicePrincipal": "a.amazonaws.com",
        "Constraints": {"EncryptionContextSubset": {"App": "x"}, "SourceArn": "arn"},
    },
    "EnableKeyRotation": {"RotationPeriodInDays": 90},
    "ScheduleKeyDeletion": {},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"},
    "ImportKeyMaterial": {"ValidTo": "2027-01-01T00:00:00.000000Z"},
    "AttachUserPolicy": {"PolicyArn": "arn"},
    "CreateServiceLinkedRole": {"AWSServiceName": "kafka.amazonaws.com"},
    "CreateUser": {"PermissionsBoundary": "arn", "Tags": [{"Key": "a", "Value": "b"}]},
    "AssumeRole": {
        "RoleSessionName": "s",
        "ExternalId": "42",
        "SourceIdentity": "me",
        "TransitiveTagKeys": ["a"],
    },
}


def every_parameter(operation: str) -> dict[str, Any]:
    """A request with all parameters that the service model has for the operation."""
    service = next(name for name in ("kms", "iam", "sts") if operation in shapes.operation_names(name))
    found: dict[str, Any] = example(shapes.service_model(service).operation_model(operation).input_shape)
    return found


def example(shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {name: example(member) for name, member in shape.members.items()}
        case "list":
            return [example(shape.member)]
        case "map":
            return {"App": "x"}
        case "string":
            return shape.enum[0] if shape.enum else "x"
        case "boolean":
            return True
        case "integer" | "long":
            return 1
        case "timestamp":
            return "2027-01-01T00:00:00.000000Z"
        case "blob":
            return b"x"
        case other:
            raise AssertionError(other)


def held() -> set[str]:
    """Every key that was seen on a caller, a request or a resource, by the name of its row."""
    requests = [*CASES.items(), *((operation, every_parameter(operation)) for operation in BY_OPERATION)]
    found = {key for operation, parameters in requests for key in request_context(ORIGIN, operation, parameters)}
    found |= set(re_encrypt_context({"SourceKeyId": "alias/a"}, "Source", same_key=True)[0])
    world = given(
        a_key(tags={"Team": "blue"}),
        identities.UserCreated(ACCOUNT, "AIDAONE", "alice", "/", {"Team": "blue"}, ""),
        identities.UserAccessKeyCreated(ACCOUNT, "AIDAONE", "AKIAALICE"),
        identities.RoleCreated(ACCOUNT, "AROAONE", "app", "/", TRUST, {}, "", 3600, {}, ""),
        events.ServiceRegistered("a.amazonaws.com", "999900001111", "AKIASERVICE", "a"),
    ).world
    found |= set(caller_of(world, "AKIASERVICE", None, 0, Via("a.amazonaws.com", "a")).context)
    found |= set(root_of(ACCOUNT).context)
    found |= set(caller_of(world, "AKIAALICE", None, 0).context)
    session = Session("AROAONE", "arn", ACCOUNT, "s", 0, 1, source_identity="me")
    found |= set(caller_of(world, "ASIA", session, 0).context)
    provider = OidcProvider(ACCOUNT, "example.com/id", 0, ("me",), ())
    sent = provider_session(provider, "pod-1", "me", {"amr": ("otp",), "email": ("a@example.com",)}, 0, 1)
    found |= set(caller_of(world, "ASIA", replace(session, federated=sent.federated), 0).context)
    with_code = replace(session, of="AIDAONE", mfa=1_000_000)
    origin = request_context(ORIGIN, "Encrypt", {})
    found |= set(caller_of(world, "ASIA", with_code, 0).asking(origin, {}).request)
    found |= {key for each in world.all_keys() for key in each.resource.context}
    return found


TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}'
OF_THE_WORLD = {"kms:ResourceAliases", "iam:ResourceTag/*"}
"""Keys that appear only in a whole state."""


@pytest.fixture(scope="module")
def names() -> set[str]:
    rows = {key: row_of(key) for key in held()}
    assert [key for key, row in rows.items() if row is None] == []
    return {row.name for row in rows.values() if row is not None}


def test_every_key_of_a_context_is_in_the_table_and_not_marked_as_never_known(names: set[str]) -> None:
    assert {name for name in names if CONDITION_KEYS[name.lower()].source == NEVER} == set()


def test_what_the_table_says_is_known_a_context_holds(names: set[str]) -> None:
    assert {row.name for row in CONDITION_KEYS.values() if row.source != NEVER} - names - OF_THE_WORLD == set()
